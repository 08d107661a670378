"""``python -m benchmarks.bom [PREDICTIONS] [--task json]``: the bills of materials of stored answers.

Holds the answers of a structured task, ``data/predictions/tuned.parquet`` if no other file is named, against
the KiCad texts of their sheets in the test split of ``data/clean``, and records what docs/metrics.md explains
under "Bill of materials".
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.results import record
from schematic_reader.cli import UserError, run
from schematic_reader.config import load_params
from schematic_reader.io.tables import clean_parts, iterate_rows, readable
from schematic_reader.scoring.bom import bom_metrics
from schematic_reader.scoring.evaluation import read_predictions
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.description import DescriptionTask

STRUCTURED = ("json", "yaml", "schematic")


def main() -> None:
    """Record one line."""
    parser = argparse.ArgumentParser("python -m benchmarks.bom", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "predictions", nargs="?", type=Path, default=Path("data/predictions/tuned.parquet"), metavar="FILE"
    )
    parser.add_argument("--task", choices=STRUCTURED, help="params.yaml's task if not given")
    parser.add_argument("--clean", type=Path, default=Path("data/clean"), help="data/clean if not given")
    args = parser.parse_args()
    params = load_params()
    task = task_named(args.task or params.task)
    if not isinstance(task, DescriptionTask):
        raise UserError("the task components gives no references: name --task json, yaml or schematic")
    found = bom_metrics(
        read_predictions(args.predictions, "evaluate"),
        schematic_texts(args.clean),
        task,
        bootstrap_samples=params.evaluate.bootstrap_samples,
        seed=params.seed,
    )
    record("bom", f"{args.predictions}, task {task.name}", **found)


def schematic_texts(clean: Path) -> dict[str, str]:
    """The KiCad texts of the test split by row id.

    Raises:
        UserError: the split is missing or damaged.
    """
    texts: dict[str, str] = {}
    for part in clean_parts(clean, "test"):
        with readable(part, "clean-to-parquet"):
            rows = iterate_rows([part], ["id", "schematic"])
            texts |= {row["id"]: row["schematic"] for row in rows if row["schematic"]}
    return texts


if __name__ == "__main__":
    run(main)

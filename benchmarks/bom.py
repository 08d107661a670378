"""``python -m benchmarks.bom [PREDICTIONS] [--task json]``: the bills of materials of stored answers.

Holds the answers of a structured task, ``data/predictions/tuned.parquet`` if no other file is named, against
the KiCad texts of their sheets in the test split of ``data/clean``, and records what docs/metrics.md explains
under "Bill of materials": a line for all sheets and, where they differ in paper, one for each size.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.common.results import record
from benchmarks.common.stored_answers import stored_answers
from schematic_reader.cli import UserError, run
from schematic_reader.io.tables import clean_parts, iterate_rows, readable
from schematic_reader.report.data_facts import paper_of
from schematic_reader.scoring.bom import bom_metrics

PAPERS = {"A4 and smaller": 0.065, "A3": 0.13, "larger than A3": float("inf")}
"""The largest paper of each size in m²; A4 has 0.062, ANSI A 0.060, A3 0.125, ANSI B 0.120."""


def main() -> None:
    """Record one line."""
    answers = stored_answers("benchmarks.bom", (__doc__ or "").splitlines()[0])
    texts = schematic_texts(answers.clean)
    papers = {row.id: paper for row in answers.rows if (paper := paper_size(texts.get(row.id, "")))}
    sizes = [size for size in PAPERS if size in papers.values()]
    for size in [None, *(sizes if len(sizes) > 1 else [])]:
        found = bom_metrics(
            [row for row in answers.rows if size in (None, papers.get(row.id))],
            texts,
            answers.task,
            bootstrap_samples=answers.params.evaluate.bootstrap_samples,
            seed=answers.params.seed,
        )
        if not found["sheets"]:
            raise UserError(f"none of {found['unread']} sheets has a KiCad text to judge against")
        record("bom", ", ".join([answers.variant, *filter(None, [size])]), **found)


def paper_size(schematic: str) -> str | None:
    """The size of a sheet's paper, one of ``PAPERS``; None for a KiCad text that tells none."""
    _, size = paper_of(schematic)  # mm
    if size is None:
        return None
    return next(name for name, largest in PAPERS.items() if size[0] * size[1] / 1e6 <= largest)


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

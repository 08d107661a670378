"""The stored answers that a benchmark judges: which file, which task, which clean rows."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from schematic_reader.cli import UserError
from schematic_reader.config import Params, load_params
from schematic_reader.scoring.evaluation import read_predictions
from schematic_reader.scoring.predictions import PredictionRow, parsed_answer
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.description import DescriptionTask

STRUCTURED = ("json", "yaml", "schematic")


@dataclass(frozen=True)
class StoredAnswers:
    """Answers to a structured task, and the folder of the clean rows that they are about."""

    file: Path
    clean: Path
    task: DescriptionTask
    rows: list[PredictionRow]
    params: Params

    @property
    def variant(self) -> str:
        """In a line of results: which answers these are."""
        return f"{self.file}, task {self.task.name}"


def stored_answers(program: str, description: str) -> StoredAnswers:
    """Those that the command line of ``program`` names.

    Raises:
        UserError: the task has no references, the file is missing or damaged, or its targets are of another
            task.
    """
    parser = argparse.ArgumentParser(f"python -m {program}", description=description)
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
    rows = read_predictions(args.predictions, "evaluate")
    if not all(parsed_answer(task, row.target).valid for row in rows):
        raise UserError(
            f"the answers in {args.predictions} are not of task {task.name}: name theirs by --task"
        )
    return StoredAnswers(args.predictions, args.clean, task, rows, params)

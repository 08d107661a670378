"""Training curves to watch, through the Trainer's own integrations: TensorBoard or DVCLive, in local files.

The log lies beside the checkpoints' folder. A run that resumes goes on in the same log, from its checkpoint's
step; any other run begins a new one.
"""

from __future__ import annotations

import csv
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.integrations import DVCLiveCallback, TensorBoardCallback

from schematic_reader.cli import UserError

FOLDER = ".training_log"
"""Name of the log's folder, beside that of the checkpoints."""


def check_tracker(tracker: str) -> None:
    """Raises UserError if the tracker is not installed."""
    if tracker != "none" and find_spec(tracker) is None:
        raise UserError(
            f"train.report_to is {tracker}, which is not installed: run `pip install '.[{tracker}]'`, or set "
            "it to none"
        )


def tracker_callback(tracker: str, folder: Path, *, resumed_at: int) -> TrainerCallback:
    """The integration that writes what the trainer logs to ``folder``.

    Args:
        resumed_at: the step of the checkpoint that the run resumes from; 0 begins a new log.
    """
    if not resumed_at:
        shutil.rmtree(folder, ignore_errors=True)
    if tracker == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter

        # What a killed run wrote after its last checkpoint is not shown.
        return TensorBoardCallback(SummaryWriter(str(folder), purge_step=resumed_at + 1))
    return _AtGlobalSteps(folder, resumed_at)


class _AtGlobalSteps(DVCLiveCallback):
    """DVCLive with the trainer's steps instead of its own count; it leaves dvc.yaml and experiments alone."""

    def __init__(self, folder: Path, resumed_at: int) -> None:
        from dvclive import Live

        if resumed_at:
            for table in folder.rglob("*.tsv"):
                _cut_after(table, resumed_at)
        super().__init__(Live(str(folder), resume=bool(resumed_at), dvcyaml=None, save_dvc_exp=False))

    def on_log(self, args: Any, state: Any, control: Any, *words: Any, **named: Any) -> None:
        self.live.step = state.global_step
        super().on_log(args, state, control, *words, **named)


def _cut_after(table: Path, step: int) -> None:
    """Drop the rows of later steps, which a killed run wrote after its last checkpoint."""
    with table.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t")
    column = header.index("step")
    with table.open("w", encoding="utf-8", newline="") as file:
        kept = [row for row in rows if int(row[column]) <= step]
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows([header, *kept])

"""A run to watch, through the Trainer's own integrations: TensorBoard, DVCLive or Weights & Biases.

Curves, and at every validation the answers about some validation sheets, in local files beside the
checkpoints' folder; Weights & Biases sends its own to the account that there is a key for. A run that resumes
goes on in the same log, from its checkpoint's step; any other run begins a new one.
"""

from __future__ import annotations

import csv
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from importlib.util import find_spec
from netrc import NetrcParseError, netrc
from pathlib import Path
from textwrap import indent
from typing import Any
from urllib.parse import urlsplit

from transformers import TrainerCallback
from transformers.integrations import DVCLiveCallback, TensorBoardCallback, WandbCallback, rewrite_logs

from schematic_reader.cli import UserError
from schematic_reader.io.files import write_text

FOLDER = ".training_log"
"""Name of the log's folder, beside that of the checkpoints."""


@dataclass(frozen=True)
class WatchedAnswer:
    """An answer about one sheet: the sheet's name and own F1, the answer, and what it should have been."""

    name: str
    f1: float
    answer: str
    target: str


@dataclass(frozen=True)
class Watched:
    """What the model under training answers: F1 over all items of the sheets, and each sheet's answer."""

    f1: float
    answers: Sequence[WatchedAnswer]


Watch = Callable[[Any], Watched]
"""Asks a model about the watched sheets, in every process of a run."""


class Tracker(TrainerCallback, ABC):
    """An integration that also shows answers."""

    @abstractmethod
    def show(self, watched: Watched, step: int) -> None:
        """Write the answers after ``step`` steps into the log."""


def check_tracker(tracker: str) -> None:
    """Raises UserError if the tracker is not installed, or is to send to an account and has no key for it."""
    if tracker == "none":
        return
    if find_spec(tracker) is None:
        raise UserError(
            f"train.report_to is {tracker}, which is not installed: run `pip install '.[{tracker}]'`, or set "
            "it to none"
        )
    if tracker == "wandb" and os.environ.get("WANDB_MODE") == "online" and not _has_wandb_key():
        raise UserError(
            "train.report_to is wandb and WANDB_MODE is online, but there is no API key: run `wandb login`, "
            "or set WANDB_MODE to offline"
        )


def tracker_callback(tracker: str, folder: Path, *, resumed_at: int) -> Tracker:
    """The integration that writes what the trainer logs to ``folder``.

    Args:
        resumed_at: the step of the checkpoint that the run resumes from; 0 begins a new log.

    Raises:
        UserError: Weights & Biases cannot be reached, or refuses the key.
    """
    if not resumed_at:
        shutil.rmtree(folder, ignore_errors=True)
    return {"tensorboard": _TensorBoard, "dvclive": _DVCLive, "wandb": _Wandb}[tracker](folder, resumed_at)


class _TensorBoard(TensorBoardCallback, Tracker):
    def __init__(self, folder: Path, resumed_at: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # What a killed run wrote after its last checkpoint is not shown.
        super().__init__(SummaryWriter(str(folder), purge_step=resumed_at + 1))

    def show(self, watched: Watched, step: int) -> None:
        self.tb_writer.add_text("eval/answers", _markdown(watched), step)


class _DVCLive(DVCLiveCallback, Tracker):
    """DVCLive with the trainer's steps instead of its own count; it leaves dvc.yaml and experiments alone."""

    def __init__(self, folder: Path, resumed_at: int) -> None:
        from dvclive import Live

        self._answers = folder / "answers"
        if resumed_at:
            for table in folder.rglob("*.tsv"):
                _cut_after(table, resumed_at)
            for file in self._answers.glob("*.md"):
                if int(file.stem) > resumed_at:
                    file.unlink()
        super().__init__(Live(str(folder), resume=bool(resumed_at), dvcyaml=None, save_dvc_exp=False))

    def on_log(self, args: Any, state: Any, control: Any, *words: Any, **named: Any) -> None:
        self.live.step = state.global_step
        super().on_log(args, state, control, *words, **named)

    def show(self, watched: Watched, step: int) -> None:
        write_text(self._answers / f"{step:06}.md", _markdown(watched))


class _Wandb(WandbCallback, Tracker):
    """Weights & Biases with the trainer's steps, offline unless there is a key or WANDB_MODE says otherwise.

    A resumed run is one of the same id, whose steps go on. Offline it has a folder of its own.
    """

    def __init__(self, folder: Path, resumed_at: int) -> None:
        import wandb

        super().__init__()
        folder.mkdir(parents=True, exist_ok=True)
        earlier = sorted(folder.glob("wandb/*/run-*.wandb"))
        try:
            wandb.init(
                dir=str(folder.resolve()),
                project=os.environ.get("WANDB_PROJECT", "schematic-reader"),
                mode=os.environ.get("WANDB_MODE") or ("online" if _has_wandb_key() else "offline"),
                id=earlier[0].stem.removeprefix("run-") if earlier and resumed_at else None,
                resume="allow",
                settings=wandb.Settings(console="off"),  # stderr stays this process's own
            )
        except wandb.Error as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"wandb does not start: set WANDB_MODE to offline ({reason})") from None

    def show(self, watched: Watched, step: int) -> None:
        columns = ["sheet", "F1", "answer", "expected"]
        table = self._wandb.Table(columns=columns, data=[list(astuple(one)) for one in watched.answers])
        self._wandb.log({"eval/answers": table, "train/global_step": step}, step=step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
        step = state.global_step
        self._wandb.log(rewrite_logs(logs) | {"train/global_step": step}, step=step)

    def on_train_end(self, *args: Any, **kwargs: Any) -> None:
        super().on_train_end(*args, **kwargs)
        self._wandb.finish()


def _has_wandb_key() -> bool:
    """Whether there is a key where wandb looks for it: in the environment, or in netrc."""
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        in_netrc = netrc(os.environ.get("NETRC") or Path("~/.netrc").expanduser()).authenticators(host)
    except (OSError, NetrcParseError):
        in_netrc = None
    return bool(os.environ.get("WANDB_API_KEY") or in_netrc)


def _markdown(watched: Watched) -> str:
    """The answers as Markdown; what a model says stands in indented code, where nothing is markup."""
    parts = [f"F1 {watched.f1:.3f} on {len(watched.answers)} validation sheets"]
    for one in watched.answers:
        said = (f"sheet {one.name}, F1 {one.f1:.3f}", "answer:", one.answer, "expected:", one.target)
        parts.append(indent("\n".join(said), "    ", lambda _: True))
    # A line that is no code between two blocks: else Markdown makes them one.
    return "\n\n---\n\n".join(parts) + "\n"


def _cut_after(table: Path, step: int) -> None:
    """Drop the rows of later steps, which a killed run wrote after its last checkpoint."""
    with table.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t")
    column = header.index("step")
    with table.open("w", encoding="utf-8", newline="") as file:
        kept = [row for row in rows if int(row[column]) <= step]
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows([header, *kept])

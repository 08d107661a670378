"""Asking a model about sheets from outside, in the words in which it was trained and examined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from PIL import Image as PILImage

from schematic_reader.config import Messages
from schematic_reader.predict.parts import Part, Reading
from schematic_reader.predict.sheet import Sheet
from schematic_reader.scoring.confidence import Calibration, item_confidences
from schematic_reader.tasks.contract import Task
from schematic_reader.tasks.messages import chat

FILE_TYPE = ".kicad_sch"  # what the data set says of its sheets
_ROW = {"name": None, "type": FILE_TYPE}


class Said(Protocol):
    """What a model answered; ``generation.generate.Answer`` is one."""

    @property
    def text(self) -> str: ...
    @property
    def finish(self) -> str: ...
    @property
    def ends(self) -> list[int]: ...
    @property
    def probabilities(self) -> list[float]: ...


class Asked(Protocol):
    """``generation.generate.answer_sheets`` with its model and settings."""

    def __call__(self, sheets: Any, rows: list[dict[str, Any]], /) -> Sequence[Said]: ...


class Shown:
    """The pictures of rows that hold them, as ``answer_sheets`` takes pictures."""

    def picture(self, row: dict[str, Any]) -> PILImage.Image:
        picture: PILImage.Image = row["picture"]
        return picture

    def size(self, row: dict[str, Any]) -> tuple[int, int]:
        return self.picture(row).size


class Reader:
    """Reads sheets with one model.

    Args:
        calibration: what the model's confidences are worth; None where that is not known.
    """

    def __init__(self, ask: Asked, task: Task, messages: Messages, calibration: Calibration | None) -> None:
        self._ask = ask
        self._task = task
        self._prompt = task.prompt(_ROW, form=messages.form, with_name=messages.with_name)
        self._calibration = calibration

    @property
    def task(self) -> str:
        return self._task.name

    @property
    def calibrated(self) -> bool:
        return self._calibration is not None

    def read(self, sheets: Sequence[Sheet]) -> list[Reading]:
        """What the model says about each sheet, in their order."""
        messages = chat(self._prompt, "")
        rows = [
            {"id": str(number), "picture": sheet.picture, "messages": messages}
            for number, sheet in enumerate(sheets)
        ]
        answers = self._ask(Shown(), rows)
        return [self._reading(sheet, answer) for sheet, answer in zip(sheets, answers, strict=True)]

    def _reading(self, sheet: Sheet, said: Said) -> Reading:
        parts: tuple[Part, ...] = ()
        if self._task.name == "components":
            raw = item_confidences(self._task, said.text, said.ends, said.probabilities)
            items = self._task.parse(said.text).items
            parts = tuple(Part(self._task.name_of(item), self._worth(raw.get(item))) for item in items)
        return Reading(sheet.origin, said.text, parts, said.finish == "length")

    def _worth(self, raw: float | None) -> float | None:
        return raw if raw is None or self._calibration is None else self._calibration.confidence(raw)

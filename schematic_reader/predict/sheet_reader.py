"""Read sheets from outside with a model, by the prompt of its training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from PIL import Image as PILImage

from schematic_reader.config import Messages
from schematic_reader.predict.opened_sheet import OpenedSheet
from schematic_reader.predict.parts import Part, Reading, is_none
from schematic_reader.scoring.confidence import Calibration, item_confidences
from schematic_reader.tasks.contract import ModelAnswer, Task
from schematic_reader.tasks.messages import chat

FILE_TYPE = ".kicad_sch"  # as in the data set
_ROW = {"name": None, "type": FILE_TYPE}


class ImageAnswerFn(Protocol):
    """``generation.answerer.Answerer.answer`` of one model: one answer a row."""

    def __call__(self, sheets: Any, rows: list[dict[str, Any]], /) -> Sequence[ModelAnswer]: ...


class OpenedImages:
    """An image source (``generation.prompts.ImageSource``) for rows that hold their pictures."""

    def picture(self, row: dict[str, Any]) -> PILImage.Image:
        picture: PILImage.Image = row["picture"]
        return picture

    def size(self, row: dict[str, Any]) -> tuple[int, int]:
        return self.picture(row).size


class SheetReader:
    """Reads sheets with one model.

    Args:
        calibration: of the model's confidences; None where there is none.
        batch_size: sheets that are best read at once.
    """

    def __init__(
        self,
        answer: ImageAnswerFn,
        task: Task,
        messages: Messages,
        calibration: Calibration | None,
        batch_size: int = 1,
    ) -> None:
        self.batch_size = batch_size
        self._answer = answer
        self._task = task
        self._prompt = task.prompt(_ROW, form=messages.form, with_name=messages.with_name)
        self._calibration = calibration

    @property
    def task(self) -> str:
        return self._task.name

    @property
    def calibrated(self) -> bool:
        return self._calibration is not None

    def read(self, sheets: Sequence[OpenedSheet]) -> list[Reading]:
        """The reading of each sheet, in their order."""
        messages = chat(self._prompt, "")
        rows = [
            {"id": str(number), "picture": sheet.picture, "messages": messages}
            for number, sheet in enumerate(sheets)
        ]
        answers = self._answer(OpenedImages(), rows)
        return [self._reading(sheet, answer) for sheet, answer in zip(sheets, answers, strict=True)]

    def _reading(self, sheet: OpenedSheet, answer: ModelAnswer) -> Reading:
        parts: tuple[Part, ...] = ()
        if self._task.name == "components":
            raw = item_confidences(self._task, answer.text, answer.ends, answer.probabilities)
            items = self._task.parse(answer.text).items
            parts = tuple(
                Part(name, self._confidence(raw.get(item)))
                for item in items
                if not is_none(name := self._task.name_of(item))
            )
        return Reading(sheet.origin, answer.text, parts, answer.finish == "length")

    def _confidence(self, raw: float | None) -> float | None:
        return raw if raw is None or self._calibration is None else self._calibration.confidence(raw)

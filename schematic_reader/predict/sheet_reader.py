"""Read sheets from outside with a model, by the prompt of its training and evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from PIL import Image as PILImage

from schematic_reader.config import Messages
from schematic_reader.io.picture import Box
from schematic_reader.io.tile_parts import shown_parts
from schematic_reader.io.tiles import Tiling
from schematic_reader.predict.conversion import converted, named_parts
from schematic_reader.predict.opened_sheet import OpenedSheet
from schematic_reader.predict.parts import Part, Reading, is_doubtful
from schematic_reader.predict.places import places
from schematic_reader.scoring.confidence import Calibration, item_confidences
from schematic_reader.scoring.symbol_confidence import (
    part_confidences,
    symbols_with_confidences,
    weighed_by_sheet,
)
from schematic_reader.scoring.tiled_answers import answer_sheets
from schematic_reader.tasks.components import is_none
from schematic_reader.tasks.contract import ModelAnswer, Task
from schematic_reader.tasks.description import DescriptionTask
from schematic_reader.tasks.messages import chat

FILE_TYPE = ".kicad_sch"  # as in the data set
_ROW = {"name": None, "type": FILE_TYPE}


class ImageAnswerFn(Protocol):
    """``generation.answerer.Answerer.answer`` of one model: one answer a row."""

    def __call__(self, sheets: Any, rows: list[dict[str, Any]], /) -> Sequence[ModelAnswer]: ...


class OpenedImages:
    """The sheets of rows that hold them (``scoring.tiled_answers.CutSheets``)."""

    def picture(self, row: dict[str, Any]) -> PILImage.Image:
        sheet: OpenedSheet = row["sheet"]
        if sheet.tiling is None or row.get("tile") is None:
            return sheet.picture
        return sheet.tiling.cut(sheet.picture, row["tile"], row.get("shown"))

    def size(self, row: dict[str, Any]) -> tuple[int, int]:
        tiling = self.tiling(row)
        if tiling is None or row.get("tile") is None:
            return row["sheet"].picture.size
        return tiling.cut_size(row.get("shown"))

    def shown_parts(self, row: dict[str, Any]) -> dict[int, Box]:
        sheet: OpenedSheet = row["sheet"]
        return shown_parts(sheet.picture, sheet.tiling) if sheet.tiling else {}

    def tiling(self, row: dict[str, Any]) -> Tiling | None:
        sheet: OpenedSheet = row["sheet"]
        return sheet.tiling


class SheetReader:
    """Reads sheets with one model.

    Args:
        task: that the model is asked.
        calibration: of the confidences of the task's names and parts; None where there is none.
        batch_size: sheets that are best read at once.
        shown: the task as whose answers the model's are shown; None for the one that it is asked.
        whole: asks for all that is on a sheet, where ``answer`` asks for symbols alone; else None. Sheets
            without parts are asked about so too: what else they have tells a root sheet from a text.
    """

    def __init__(
        self,
        answer: ImageAnswerFn,
        task: Task,
        messages: Messages,
        calibration: Calibration | None,
        batch_size: int = 1,
        shown: Task | None = None,
        whole: ImageAnswerFn | None = None,
    ) -> None:
        self.batch_size = batch_size
        self._answer, self._whole = answer, whole
        self._task = task
        self._shown = shown or task
        self._prompt = task.prompt(_ROW, form=messages.form, with_name=messages.with_name)
        self._calibration = calibration

    @property
    def task(self) -> str:
        """The one whose answers are shown."""
        return self._shown.name

    @property
    def calibrated(self) -> bool:
        return self._calibration is not None

    def read(self, sheets: Sequence[OpenedSheet]) -> list[Reading]:
        """The reading of each sheet, in their order."""
        messages = chat(self._prompt, "")
        rows = [
            {"id": str(number), "sheet": sheet, "messages": messages} for number, sheet in enumerate(sheets)
        ]
        asked: list[tuple[dict[str, Any], ModelAnswer]] = []  # a tile or a whole sheet each

        def ask(images: Any, questions: list[dict[str, Any]], /) -> Sequence[ModelAnswer]:
            answers = self._answer(images, questions)
            asked.extend(zip(questions, answers, strict=True))
            return answers

        answers = answer_sheets(ask, self._task, OpenedImages(), rows)
        bare = [number for number, answer in enumerate(answers) if not self._has_parts(answer)]
        if self._whole is not None and bare:
            again = answer_sheets(self._whole, self._task, OpenedImages(), [rows[number] for number in bare])
            for number, answer in zip(bare, again, strict=True):
                answers[number] = answer
        readings = []
        for row, sheet, answer in zip(rows, sheets, answers, strict=True):
            tiles = [
                (one["tile"], said.text) for one, said in asked if one["id"] == row["id"] and "tile" in one
            ]
            where = places(self._task, sheet.tiling, tiles) if sheet.tiling else {}
            readings.append(replace(self._reading(sheet, answer), places=where, calibrated=self.calibrated))
        return readings

    def _has_parts(self, answer: ModelAnswer) -> bool:
        return isinstance(self._task, DescriptionTask) and any(
            symbol.is_part for symbol in self._task.symbols(answer.text)
        )

    def _reading(self, sheet: OpenedSheet, answer: ModelAnswer) -> Reading:
        text, cut = answer.text, answer.finish == "length"
        if not isinstance(self._task, DescriptionTask):
            return Reading(sheet.origin, text, tuple(self._names(answer)), cut)
        raw = symbols_with_confidences(self._task, text, answer.ends, answer.probabilities)
        names = named_parts(raw).values()
        of_parts = self._calibration.parts if self._calibration else None
        weighed = raw if of_parts is None else weighed_by_sheet(raw)
        symbols = tuple(
            replace(symbol, confidence=_calibrated(symbol.confidence, of_parts)) for symbol in weighed
        )
        if self._shown is not self._task:
            text = converted(text, self._task, self._shown)
        structured = isinstance(self._shown, DescriptionTask)
        parts = (replace(name, confidence=_calibrated(name.confidence, self._calibration)) for name in names)
        likely = [_calibrated(one, of_parts) for one in part_confidences(weighed).values()]
        said = self._task.description(answer.text)
        sub_sheets = tuple(name for _, (name,) in said.sheets) if said else ()
        judged = of_parts is not None and bool(likely or not sub_sheets)
        return Reading(
            sheet.origin,
            text,
            () if structured else tuple(parts),
            cut,
            symbols=symbols,
            sub_sheets=sub_sheets,
            readable=any(not is_doubtful(one, calibrated=True) for one in likely) if judged else None,
        )

    def _names(self, answer: ModelAnswer) -> Iterator[Part]:
        """The parts of an answer to the task ``components``."""
        raw = item_confidences(self._task, answer.text, answer.ends, answer.probabilities)
        for item in self._task.parse(answer.text).items:
            if not is_none(name := self._task.name_of(item)):
                yield Part(name, _calibrated(raw.get(item), self._calibration))


def _calibrated(raw: float | None, calibration: Calibration | None) -> float | None:
    return raw if raw is None or calibration is None else calibration.confidence(raw)

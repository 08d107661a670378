"""A structured answer tells what every task asks for; a list of names does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image

from schematic_reader.cli import UserError
from schematic_reader.config import Messages
from schematic_reader.kicad.bom import ListedSymbol
from schematic_reader.predict.conversion import check_conversion, converted, named_parts
from schematic_reader.predict.opened_sheet import OpenedSheet, SheetOrigin
from schematic_reader.predict.parts import Reading
from schematic_reader.predict.sheet_reader import SheetReader
from schematic_reader.scoring.confidence import Calibration
from schematic_reader.synthetic.sample import make_row
from schematic_reader.tasks import task
from schematic_reader.tasks.contract import ModelAnswer
from schematic_reader.tasks.description import DescriptionTask
from schematic_reader.tasks.joining import EMPTY

STRUCTURED = ("json", "yaml", "schematic")
TEXT = (
    '{"symbols":[["R1","Device:R","1k"],["U1","NXP:PCA9517DP,118","PCA9517DP"],["R2","R","1"],'
    '["power:+3V3","+3V3"]],"globalLabels":["SDA"],"sheets":["Power"]}'
)


def structured(name: str) -> DescriptionTask:
    found = task(name)
    assert isinstance(found, DescriptionTask)
    return found


def text_of(name: str) -> str:
    """The sheet of ``TEXT`` as a compact answer to the task."""
    return structured(name).write(structured("json").read(TEXT))


@pytest.mark.parametrize("asked", STRUCTURED)
@pytest.mark.parametrize("shown", STRUCTURED)
def test_each_structured_answer_is_one_to_the_others(asked: str, shown: str) -> None:
    assert converted(text_of(asked), structured(asked), task(shown)) == text_of(shown)


@pytest.mark.parametrize("asked", STRUCTURED)
def test_and_lists_each_library_symbol_once_as_the_data_set_does(asked: str) -> None:
    found = converted(text_of(asked), structured(asked), task("components"))
    assert found == 'R, "PCA9517DP,118", +3V3'
    assert set(task("components").parse(found).items) == {"R", "PCA9517DP,118", "+3V3"}


@pytest.mark.parametrize("asked", STRUCTURED)
def test_the_data_set_s_own_layouts_are_converted_too(asked: str) -> None:
    row = make_row(3, 42, width=640, height=448)
    found = converted(row[asked], structured(asked), task("components"))
    assert set(task("components").parse(found).items) == set(row["components_used"])


def test_of_an_answer_that_was_cut_off_what_stands_before_counts() -> None:
    cut = TEXT[: TEXT.index('["power')]
    assert converted(cut, structured("json"), task("components")) == 'R, "PCA9517DP,118"'
    found = converted(cut, structured("json"), task("yaml"))
    assert sum(structured("yaml").parse(found).items.values()) == 3


@pytest.mark.parametrize("shown", ["components", *STRUCTURED])
def test_of_a_sheet_with_nothing_on_it_nothing_is_read(shown: str) -> None:
    for answer in ('{"symbols":[]}', '{"labels": []}', "", "There is no sheet.", "[" * 10_000):
        found = converted(answer, structured("json"), task(shown))
        assert found in ("", EMPTY[shown])
        assert Reading(SheetOrigin("a.png"), found, (), cut=False).empty


def test_a_sheet_without_parts_is_asked_about_as_a_whole() -> None:
    """Where symbols alone are asked for: what else it has tells a root sheet from one with nothing on it."""
    asked: list[str] = []

    def symbols(_: object, rows: Sequence[dict[str, Any]]) -> list[ModelAnswer]:
        said = {"a.png": '{"symbols":[["R1","Device:R","1k"]]}', "root.png": '{"symbols":[]}'}
        return [answer_of(said[row["sheet"].origin.file]) for row in rows]

    def whole(_: object, rows: Sequence[dict[str, Any]]) -> list[ModelAnswer]:
        asked.extend(row["sheet"].origin.file for row in rows)
        return [answer_of('{"sheets":["left","right"]}') for _ in rows]

    messages = Messages("compact", 1, "drop", False)
    calibration = Calibration(items=9, parts=Calibration(items=9))
    reader = SheetReader(symbols, task("json"), messages, calibration, 1, task("components"), whole)
    sheets = [OpenedSheet(SheetOrigin(name), Image.new("RGB", (64, 64))) for name in ("a.png", "root.png")]
    read, root = reader.read(sheets)
    assert asked == ["root.png"]
    assert (read.sub_sheets, root.sub_sheets, root.readable) == ((), ("left", "right"), None)
    assert root.has_sub_sheets_alone and not read.has_sub_sheets_alone
    reader.read(sheets[:1])
    assert asked == ["root.png"]


def answer_of(text: str) -> ModelAnswer:
    """One whose tokens are its characters, all of them certain."""
    return ModelAnswer(text, len(text), "stop", list(range(1, len(text) + 1)), [1.0] * len(text))


def test_a_name_has_the_highest_confidence_of_its_symbols() -> None:
    placed = [("R", 0.2), ("C", None), ("Device:R", 0.9), ("R", 0.5), ("", 0.7), ("C", 0.1)]
    parts = named_parts([ListedSymbol(name, "X1", "", confidence=sure) for name, sure in placed])
    assert [(name, part.confidence) for name, part in parts.items()] == [("R", 0.9), ("C", 0.1)]


@pytest.mark.parametrize("shown", STRUCTURED)
def test_names_alone_tell_no_other_task_s_answer(shown: str) -> None:
    check_conversion(task("components"), task("components"), "models/adapter")
    check_conversion(task(shown), task("components"), "models/adapter")
    with pytest.raises(UserError, match="^models/adapter was trained for the task components, .*--adapter"):
        check_conversion(task("components"), task(shown), "models/adapter")


def test_a_reader_shows_the_symbols_of_its_answers_with_calibrated_confidences() -> None:
    """One character a token, all of probability 0.8; names are right in 0.3 of all cases, parts in 0.2."""
    count = len(TEXT) + 1
    answer = ModelAnswer(TEXT, count, "length", list(range(1, count + 1)), [0.8] * count)
    parts = Calibration(((0.0, 0.2), (1.0, 0.2)), 50)
    calibration = Calibration(((0.0, 0.3), (1.0, 0.3)), 50, parts)
    messages = Messages("compact", 1, "drop", False)
    reader = SheetReader(lambda *_: [answer], task("json"), messages, calibration, 1, task("components"))
    assert (reader.task, reader.calibrated) == ("components", True)
    (reading,) = reader.read([OpenedSheet(SheetOrigin("a.png"), Image.new("RGB", (64, 64)))])
    assert reading.calibrated
    assert reading.answer == 'R, "PCA9517DP,118", +3V3' and reading.cut
    assert [(part.name, part.confidence) for part in reading.parts] == [
        ("R", 0.3), ("PCA9517DP,118", 0.3), ("+3V3", 0.3),
    ]  # fmt: skip
    assert [(one.reference, one.confidence) for one in reading.symbols] == [
        ("R1", 0.2), ("U1", 0.2), ("R2", 0.2), ("", 0.2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("right", "text", "expected"),
    [
        ((0.5, 0.5), TEXT, True),
        ((0.49, 0.49), TEXT, False),
        ((0.0, 1.0), TEXT, False),  # of a loop's symbols the first counts: the others only repeat it
        ((1.0, 1.0), '{"symbols":[["power:GND","GND"]]}', False),  # no part
        ((1.0, 1.0), '{"symbols":[]}', False),
        ((1.0, 1.0), '{"sheets":["left","right"]}', None),  # a root sheet, of which confidences tell nothing
        ((1.0, 1.0), '{"symbols":[["Graphic:Logo",""]],"sheets":["left","right"]}', None),
        (None, TEXT, None),
    ],
)
def test_a_sheet_is_readable_where_a_part_is_likely_right(
    right: tuple[float, float] | None, text: str, expected: bool | None
) -> None:
    """The calibration goes from the first number, of the raw confidence 0, to the second."""
    if right == (0.0, 1.0):
        text = '{"symbols":[' + ",".join(['["R1","Device:R","1k"]'] * 3) + "]}"
    place = text.find("1k") + 1
    probabilities = [0.2 if end == place else 1.0 for end in range(1, len(text) + 1)]
    answer = ModelAnswer(text, len(text), "stop", list(range(1, len(text) + 1)), probabilities)
    calibration = None
    if right:
        low, high = right
        calibration = Calibration(items=9, parts=Calibration(((0.0, low), (1.0, high)), 9))
    messages = Messages("compact", 1, "drop", False)
    reader = SheetReader(lambda *_: [answer], task("json"), messages, calibration, 1, task("components"))
    (reading,) = reader.read([OpenedSheet(SheetOrigin("a.png"), Image.new("RGB", (64, 64)))])
    assert reading.readable is expected
    names = SheetReader(
        lambda *_: [ModelAnswer("R", 1, "stop", [1], [0.1])], task("components"), messages, calibration
    )
    assert names.read([OpenedSheet(SheetOrigin("a.png"), Image.new("RGB", (64, 64)))])[0].readable is None

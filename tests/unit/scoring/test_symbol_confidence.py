"""How sure a model is of the symbols in an answer to a structured task, and what that is worth."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from schematic_reader.cli import UserError
from schematic_reader.kicad.bom import ListedSymbol
from schematic_reader.scoring.confidence import (
    Calibration,
    JudgedItem,
    confidence_groups,
    fit_calibration,
    fit_platt,
    item_confidences,
    judged_items,
    judged_parts,
)
from schematic_reader.scoring.predictions import PredictionRow, prediction_row
from schematic_reader.scoring.symbol_confidence import (
    name_confidences,
    part_confidences,
    symbols_with_confidences,
    weighed_by_sheet,
)
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import ModelAnswer
from schematic_reader.tasks.description import Description, DescriptionTask
from schematic_reader.tasks.description import symbol as symbol_entry

Symbols = Sequence[tuple[str, str, str]]
"""Reference, library symbol and value of each."""

PIECES = ('{"symbols":[["', "R", "1", '","', "Dev", "ice", ":", "R", '","', "1k", '"],["', "power",
          ":G", "ND", '","', "GND", '"]]}', "")  # fmt: skip


def structured(name: str) -> DescriptionTask:
    task = task_named(name)
    assert isinstance(task, DescriptionTask)
    return task


JSON = structured("json")


def answered(
    said: Symbols, true: Symbols, probability: float, *, task: DescriptionTask = JSON
) -> PredictionRow:
    """A sheet with the symbols ``true``; one token of each value in the answer has that probability."""
    text, target = (task.write(Description([symbol_entry(*one) for one in side])) for side in (said, true))
    ends = list(range(1, len(text) + 1))
    values = [1.0] * len(text)
    place = 0
    for _, library, value in said:
        place = text.index(value, text.index(library, place) + len(library))
        values[place] = probability
    message = {"id": "1", "name": "o/r", "prompt": "", "target": target}
    return prediction_row(task, message, ModelAnswer(text, len(text), "stop", ends, values))


def rounded(judged: Sequence[JudgedItem]) -> list[JudgedItem]:
    return [(round(raw, 9), right) for raw, right in judged]


def test_the_tokens_of_a_symbol() -> None:
    """The nickname's own are left out, and one that is in part the name's is not; the one behind counts."""
    text = "".join(PIECES)
    ends = [len("".join(PIECES[: number + 1])) for number in range(len(PIECES))]
    probabilities = [0.99 - 0.03 * number for number in range(len(PIECES))]
    first, second = symbols_with_confidences(JSON, text, ends, probabilities)
    for symbol, chosen in ((first, (1, 2, 3, 7, 8, 9, 10)), (second, (12, 13, 14, 15, 16))):
        expected = math.prod(probabilities[number] for number in chosen)
        assert symbol.confidence == pytest.approx(expected)
    assert [one.confidence for one in symbols_with_confidences(JSON, text, [], [])] == [None, None]


def test_what_is_not_valid_names_nothing_but_before_a_cut() -> None:
    text = '{"symbols":[["R1","Device:R","1k"],["R2","Dev'
    ends = list(range(1, len(text) + 1))
    (symbol,) = symbols_with_confidences(JSON, text, ends, [0.9] * len(text))
    assert symbol.reference == "R1" and symbol.confidence == pytest.approx(0.9**12)
    assert symbols_with_confidences(JSON, "R1", [1, 2], [0.9, 0.9]) == []


def test_a_name_has_the_highest_of_its_symbols_and_a_part_the_first() -> None:
    said = [("R1", "Device:R", "1k"), ("R2", "Device:R", "1k"), ("R1", "X:R", "1k"), ("", "power:GND", "GND")]
    text = JSON.write(Description([symbol_entry(*one) for one in said]))
    ends = list(range(1, len(text) + 1))
    values = [1.0] * len(text)
    for place, value in zip(
        (text.index("R1"), text.index("R2"), text.rindex("R1")), (0.5, 0.7, 0.6), strict=True
    ):
        values[place] = value
    symbols = symbols_with_confidences(JSON, text, ends, values)
    assert name_confidences(symbols) == pytest.approx({"R": 0.7, "GND": 1.0})
    assert part_confidences(symbols) == pytest.approx({("R1", "1k"): 0.5, ("R2", "1k"): 0.7})
    assert item_confidences(JSON, text, ends, values) == name_confidences(symbols)


def listed(reference: str, confidence: float | None) -> ListedSymbol:
    return ListedSymbol("Device:R", reference, "1k", confidence=confidence)


def test_a_part_is_as_sure_as_three_quarters_of_its_sheet_and_a_quarter_of_itself() -> None:
    """In log odds: odds of 81 and 1 are 9 on average, which 81 pulls to 9**.75 * 81**.25."""
    symbols = [listed("R1", 81 / 82), listed("R2", 0.5), listed("R2", 0.9), listed("R3", None)]
    first, second, third, unknown = (one.confidence for one in weighed_by_sheet(symbols))
    odds = 9**0.75
    assert first == pytest.approx(odds * 3 / (odds * 3 + 1))
    assert second == pytest.approx(odds / (odds + 1))
    assert third is not None and second is not None and third > second  # said twice, it counts once
    assert unknown is None


def test_a_value_that_is_the_name_of_its_symbol_is_less_sure() -> None:
    """It may be a guess at a value that is not printed; the others of the sheet are as sure as before."""
    named = ListedSymbol("Device:LED", "D1", "LED", confidence=0.5)
    power = ListedSymbol("power:GND", "", "GND", confidence=0.5)
    guess, printed, ground = weighed_by_sheet([named, listed("R1", 0.5), power])
    assert guess.confidence == pytest.approx(1 / (1 + math.exp(1.5)))
    assert printed.confidence == ground.confidence == pytest.approx(0.5)  # a power symbol's value is its name


def test_a_part_alone_and_a_sheet_without_parts_stay_as_they_are() -> None:
    (alone,) = weighed_by_sheet([listed("R1", 0.3)])
    assert alone.confidence == pytest.approx(0.3)
    power = [ListedSymbol("power:GND", "", "GND", confidence=0.4)]
    assert weighed_by_sheet(power) == power and weighed_by_sheet([]) == []


def test_what_is_judged_of_a_part_counts_the_others_of_its_sheet() -> None:
    row = answered([("R1", "Device:R", "1k"), ("R2", "Device:R", "2k")], [("R1", "Device:R", "1k")], 0.5)
    other = list(row.probabilities)
    other[row.prediction.rindex("2k")] = 0.01
    (before, _), _ = judged_parts([row], JSON)
    (after, _), _ = judged_parts([replace(row, probabilities=other)], JSON)
    assert before == pytest.approx(0.5) and after < 0.2


@pytest.mark.parametrize("name", ["json", "yaml", "schematic"])
def test_a_part_is_right_with_its_reference_and_value_and_a_name_wherever_it_stands(name: str) -> None:
    said = [
        ("R1", "Device:R_Small", "1k"),  # another symbol: the part is right, its name is not
        ("R2", "Device:R", "1k"),  # the value of another part
        ("R4", "Device:R", "3k"),  # the reference of none
        ("U1", "Other:LM358", "LM358"),  # the library's nickname does not count
        ("", "power:GND", "GND"),
    ]
    true = [
        ("R1", "Device:R", "1k"),
        ("R2", "Device:R", "2k"),
        ("R3", "Device:R", "3k"),
        ("U1", "Amplifier:LM358", "LM358"),
        ("", "power:VCC", "VCC"),
    ]
    task = structured(name)
    row = answered(said, true, 0.5, task=task)
    named_by_value = round(1 / (1 + math.exp(1.5)), 9)  # U1
    judged = [(0.5, True), (0.5, False), (0.5, False), (named_by_value, True)]
    assert rounded(judged_parts([row], task)) == judged
    assert rounded(judged_items([row], task)) == [(0.5, False), (0.5, True), (0.5, True), (0.5, False)]


def test_no_value_is_no_value_however_it_is_written() -> None:
    row = answered([("J1", "C:Conn", "~")], [("J1", "C:Conn", "")], 0.5)
    assert [right for _, right in judged_parts([row], JSON)] == [True]


ONE_RIGHT = [("R1", "Device:R", "1k")]
MANY_WRONG = [(f"R{number}", "Device:C", "2k") for number in range(2, 42)]


def test_each_name_and_part_of_a_structured_task_weighs_the_same() -> None:
    """Three small sheets are right and a large one is not: of names three in four, of parts 3 in 43."""
    rows = [answered(ONE_RIGHT, ONE_RIGHT, 0.5)] * 3 + [answered(MANY_WRONG, ONE_RIGHT, 0.5)]
    calibration = fit_calibration(rows, JSON)
    assert calibration.parts is not None
    assert (calibration.items, calibration.parts.items) == (4, 43)
    # Platt's targets of the three that are right and the rest.
    assert calibration.parts.confidence(0.5) == pytest.approx((3 * 4 / 5 + 40 / 42) / 43, abs=1e-3)
    assert calibration.confidence(0.5) == pytest.approx((3 * 4 / 5 + 1 / 3) / 4, abs=1e-3)


def test_each_name_of_the_task_components_weighs_the_same() -> None:
    components = task_named("components")
    judged = [("R", "R"), ("C, D, E", "R")]
    rows = []
    for text, target in judged:
        message = {"id": "1", "name": "o/r", "prompt": "", "target": target}
        answer = ModelAnswer(text, 1, "stop", list(range(1, len(text) + 1)), [0.6] * len(text))
        rows.append(prediction_row(components, message, answer))
    calibration = fit_calibration(rows, components)
    assert calibration == fit_platt([(0.6, True), *[(0.6, False)] * 3]) and calibration.parts is None
    assert set(confidence_groups(rows, components, calibration)) == {"confidence"}


def test_names_and_parts_have_measures_of_their_own() -> None:
    rows = [answered(ONE_RIGHT, [("R1", "Device:R_Small", "1k")], 0.5)]
    found = confidence_groups(rows, JSON, Calibration(items=3, parts=Calibration(items=4)))
    assert {name: (group["right"], group["calibration_items"]) for name, group in found.items()} == {
        "confidence": (0.0, 3),
        "confidence_parts": (1.0, 4),
    }
    empty = prediction_row(
        JSON, {"id": "1", "name": "o/r", "prompt": "", "target": rows[0].target}, ModelAnswer("", 0, "stop")
    )
    assert confidence_groups([empty], JSON, Calibration()) == {}


def test_both_calibrations_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [answered(ONE_RIGHT, ONE_RIGHT, 0.5), answered(MANY_WRONG, ONE_RIGHT, 0.2)]
    path = tmp_path / "calibration.json"
    calibration = fit_calibration(rows, JSON)
    calibration.write(path)
    assert Calibration.read(path) == calibration and calibration.parts != Calibration()
    stored = json.loads(path.read_text())
    for damaged in (None, [], {"items": 3, "points": []}):
        path.write_text(json.dumps(stored | {"parts": damaged}))
        with pytest.raises(UserError, match="holds no calibration: delete it and run"):
            Calibration.read(path)

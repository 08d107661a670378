"""The measures of a bill of materials, worked out by hand on two small sheets."""

from __future__ import annotations

import json

from schematic_reader.scoring.bom import bom_metrics
from schematic_reader.scoring.predictions import PredictionRow
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.description import DescriptionTask
from tests.support.kicad_projects import placed, sheet

Symbols = list[tuple[str, str, str]]


def part(reference: str, value: str, *, library: str = "Device:R", more: str = "") -> str:
    return placed(library, reference, reference, value, more=more)


def text(*symbols: tuple[str, str, str]) -> str:
    return json.dumps({"symbols": [[one for one in symbol if one] for symbol in symbols]})


def row(id: str, target: str, prediction: str) -> PredictionRow:
    return PredictionRow(id, f"owner/{id}", "?", target, prediction, 1, "stop", 0, 0, 0)


SHEETS = {
    "a": sheet(
        "a",
        *(part(reference, "10k") for reference in ("R1", "R2", "R3")),
        part("R4", "4.7k"),
        part("R5", "10k", more="(dnp yes)"),
        part("#PWR01", "GND", library="power:GND"),
    ),
    "b": sheet("b", part("R1", "1k"), part("R2", "~"), part("R3", "1k", more="(in_bom no)")),
}
GND = ("", "power:GND", "GND")
TARGETS = {
    "a": text(
        *((f"R{number}", "Device:R", "10k") for number in (1, 2, 3, 5)), ("R4", "Device:R", "4.7k"), GND
    ),
    "b": text(("R1", "Device:R", "1k"), ("R2", "Device:R", "~"), ("R3", "Device:R", "1k")),
}
ANSWERS = {
    # R3 is missing, R4's value is written in another case, R5 is said to be populated, R9 is invented.
    "a": text(
        ("R1", "Device:R", "10k"), ("R1", "Device:R", "10k"), ("R2", "other:R", "10k"), GND,
        ("R4", "Device:R", "4.7K"), ("R5", "Device:R", "10k"), ("R9", "Device:R", "10k"),
    ),
    "b": text(("R1", "Device:R_Small", "1k"), ("R2", "Device:R", "~")),
}  # fmt: skip


def metrics(answers: dict[str, str], schematics: dict[str, str] = SHEETS) -> dict:
    task = task_named("json")
    assert isinstance(task, DescriptionTask)
    rows = [row(id, TARGETS[id], answers[id]) for id in answers]
    return bom_metrics(rows, schematics, task, bootstrap_samples=100, seed=1)


def counts(group: dict[str, float]) -> tuple[float, float, float]:
    return round(group["precision"] * group["predicted"]), group["predicted"], group["true"]


def test_measures_by_hand() -> None:
    found = metrics(ANSWERS)
    assert (found["sheets"], found["unread"]) == (2, 0)
    # Found, predicted and true: sheet a + sheet b. R3 of b is excluded from the bill of materials.
    assert counts(found["references"]) == (4 + 2, 5 + 2, 5 + 2)
    assert counts(found["values"]) == (3 + 2, 5 + 2, 5 + 2)
    assert counts(found["parts"]) == (3 + 1, 5 + 2, 5 + 2)
    # Lines of a: 10k R1-R3, 4.7k R4 and 10k R5 DNP; of the answer: 10k R1, R2, R5, R9 and 4.7K R4.
    assert counts(found["lines"]) == (0 + 1, 2 + 2, 3 + 2)
    # The same by value alone: on b R2 without one and R1 are right.
    assert counts(found["value_lines"]) == (0 + 2, 2 + 2, 3 + 2)
    # Four times 10k are said, three are needed.
    assert counts(found["purchases"]) == (3 + 1, 5 + 2, 4 + 2)
    assert found["parts"]["f1"] == round(2 * 4 / 14, 6)
    assert found["parts"]["f1_low"] <= found["parts"]["f1"] <= found["parts"]["f1_high"]


def test_the_loose_reading_folds_every_text() -> None:
    found = metrics(ANSWERS)
    assert found["parts"]["loose_f1"] == round(2 * 5 / 14, 6)
    assert found["lines"]["loose_f1"] == round(2 * 2 / 9, 6)


def test_what_no_answer_can_say_lowers_the_perfect_score() -> None:
    perfect = metrics(TARGETS)
    # Of a that R5 is not populated, of b that R3 is excluded, can be seen on no picture.
    assert counts(perfect["lines"]) == (1 + 1, 2 + 2, 3 + 2)
    assert counts(perfect["parts"]) == (5 + 2, 5 + 3, 5 + 2)
    for name in ("references", "values", "parts", "lines", "purchases"):
        assert perfect[name]["perfect_f1"] == perfect[name]["f1"] == metrics(ANSWERS)[name]["perfect_f1"]


def test_an_answer_that_does_not_parse_has_no_part() -> None:
    assert counts(metrics({"a": '{"symbols":[["R1"'})["lines"]) == (0, 0, 3)


def test_sheets_without_a_readable_text_are_left_out() -> None:
    found = metrics(ANSWERS, {"a": "no sheet", "b": SHEETS["b"]})
    assert (found["sheets"], found["unread"], found["parts"]["true"]) == (1, 1, 2)
    assert metrics(ANSWERS, {}) == {"sheets": 0, "unread": 2}

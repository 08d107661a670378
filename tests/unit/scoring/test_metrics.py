"""The metrics of one small set of answers, worked out by hand."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from schematic_reader.cli import UserError
from schematic_reader.report.table import result_table
from schematic_reader.scoring.metrics import gain, score
from schematic_reader.scoring.predictions import PredictionRow, prediction_row, target_items
from schematic_reader.scoring.printed import printed_text
from schematic_reader.tasks import task
from schematic_reader.tasks.contract import ModelAnswer

COMPONENTS = task("components")


def row(id: str, target: str, prediction: str, finish: str = "stop") -> PredictionRow:
    return prediction_row(
        COMPONENTS,
        {"id": id, "name": f"owner/{id[0]}", "prompt": "Which?", "target": target},
        ModelAnswer(prediction, 7, finish),
    )


ROWS = [
    row("a1", "R, C, GND", "R, C, GND"),  # exact
    row("a2", "R, LM358", "r, lm_358, X"),  # nothing strict, two of three loose
    row("b1", "GND, +5V", "GND, GND, GND, GND", "length"),  # one found; repeats
    row("c1", "C_Small", ""),  # empty
]
TRAIN = [Counter(["R", "GND"]), Counter(["C"])]
PRINTED = {"a1": {"gnd"}, "a2": {"lm358"}, "b1": set[str]()}


def metrics() -> dict:
    return score(ROWS, task=COMPONENTS, train_items=TRAIN, printed=PRINTED, bootstrap_samples=200, seed=5)


def test_row_measures_are_the_sheets_own() -> None:
    assert [(r.precision, r.recall, r.f1) for r in ROWS] == [
        (1.0, 1.0, 1.0),
        (0.0, 0.0, 0.0),
        (1.0, 0.5, 0.666667),
        (0.0, 0.0, 0.0),
    ]


def test_metrics_by_hand() -> None:
    found = metrics()
    # Strict: found 3 + 0 + 1 + 0 of 3 + 3 + 1 + 0 said and 3 + 2 + 2 + 1 there.
    assert {
        key: found[key] for key in ("sheets", "precision", "recall", "f1", "macro_f1", "exact_match")
    } == {
        "sheets": 4,
        "precision": round(4 / 7, 6),
        "recall": 0.5,
        "f1": round(8 / 15, 6),
        "macro_f1": round((1 + 2 / 3) / 4, 6),
        "exact_match": 0.25,
    }
    assert found["loose"] == {
        "precision": round(6 / 7, 6),
        "recall": 0.75,
        "f1": 0.8,
        "macro_f1": round((1 + 4 / 5 + 2 / 3) / 4, 6),
        "exact_match": 0.25,
    }
    assert found["answers"] == {
        "valid": 0.75,
        "invalid": 0.25,
        "truncated": 0.25,
        "empty": 0.25,
        "repeating": 0.25,
        "distinct": 1.0,
        "predicted_over_true": 0.875,
        "predicted": 7,
        "true": 8,
    }
    # Seen: R, C, GND, R, GND (4 found); unseen: LM358, +5V, C_Small. Printed: GND and LM358 of 7.
    assert found["names"] == {
        "recall_seen": 0.8,
        "recall_unseen": 0.0,
        "unseen_share": 0.375,
        "seen": 5,
        "unseen": 3,
        "recall_printed": 0.5,
        "recall_unprinted": 0.6,
        "printed_share": round(2 / 7, 6),
        "printed": 2,
        "unprinted": 5,
    }
    assert 0.0 <= found["f1_low"] <= found["f1"] <= found["f1_high"] <= 1.0


def test_metrics_are_plain_finite_numbers_and_stable() -> None:
    text = json.dumps(metrics(), allow_nan=False)
    assert text == json.dumps(metrics(), allow_nan=False)
    values = [
        v for value in metrics().values() for v in (value.values() if isinstance(value, dict) else [value])
    ]
    assert all(type(value) in (int, float) for value in values)


def test_printed_keys_are_left_out_where_no_sheet_has_json() -> None:
    names = score(ROWS, task=COMPONENTS, train_items=TRAIN, printed={}, bootstrap_samples=10, seed=5)["names"]
    assert isinstance(names, dict)
    assert list(names) == ["recall_seen", "recall_unseen", "unseen_share", "seen", "unseen"]


def test_collapsed_answers_are_not_distinct() -> None:
    rows = [row(f"{i}", "R, C", "GND,\n R" if i % 2 else "GND, R") for i in range(4)]
    found = score(rows, task=COMPONENTS, train_items=[], printed={}, bootstrap_samples=10, seed=5)["answers"]
    assert isinstance(found, dict)
    assert found["distinct"] == 0.25


def test_structured_answers_are_judged_by_items() -> None:
    target = '{"symbols":[["R1","Device:R","10k"],["power:GND","GND"],["power:GND","GND"]],"labels":["SDA"]}'
    # GND is said three times: found twice, as often as it is there. The second answer is cut off.
    answers = [
        '{"symbols":[' + '["power:GND","GND"],' * 2 + '["power:GND","GND"]]}',
        '{"symbols":[["R1","Dev',
    ]
    rows = [
        prediction_row(
            task("json"),
            {"id": str(i), "name": "o/r", "prompt": "", "target": target},
            ModelAnswer(a, 1, "stop"),
        )
        for i, a in enumerate(answers)
    ]
    train = target_items(task("json"), ['{"symbols":[["R9","Device:R","1k"],["power:GND","GND"]]}', "{cut"])
    found = score(rows, task=task("json"), train_items=train, printed={}, bootstrap_samples=10, seed=5)
    assert (found["precision"], found["recall"]) == (round(2 / 3, 6), 0.25)
    assert found["names"] == {
        "recall_seen": round(2 / 6, 6),
        "recall_unseen": 0.0,
        "unseen_share": 0.25,
        "seen": 6,
        "unseen": 2,
    }
    assert isinstance(found["answers"], dict)
    assert found["answers"]["invalid"] == 0.5
    assert found["symbols"] == {
        "precision": round(2 / 3, 6),
        "recall": round(2 / 6, 6),
        "f1": round(4 / 9, 6),
        "predicted": 3,
        "true": 6,
    }
    assert found["labels"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "predicted": 0, "true": 2}
    assert found["subsheets"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "predicted": 0, "true": 0}


def test_gain_is_the_difference() -> None:
    before = [row(r.id, r.target, "R") for r in ROWS]
    # Before: 2 found of 4 said and 8 there, F1 1/3.
    found = gain(ROWS, before, task=COMPONENTS, bootstrap_samples=200, seed=5)
    assert found["f1"] == pytest.approx(8 / 15 - 1 / 3, abs=1e-6)
    assert found["f1_low"] <= found["f1"] <= found["f1_high"]


def test_gain_refuses_other_sheets() -> None:
    with pytest.raises(UserError, match="different sheets"):
        gain(ROWS, ROWS[::-1], task=COMPONENTS, bootstrap_samples=10, seed=5)


def test_nothing_to_judge_names_the_fix() -> None:
    with pytest.raises(UserError, match=r"clean\.test"):
        score([], task=COMPONENTS, train_items=[], printed={}, bootstrap_samples=10, seed=5)
    with pytest.raises(UserError, match=r"row x .*syntax.*messages\.on_too_long"):
        prediction_row(
            task("json"), {"id": "x", "name": "", "prompt": "", "target": "{"}, ModelAnswer("", 0, "stop")
        )


def test_printed_text_is_what_kicad_shows() -> None:
    document = {
        "schematicSymbols": [
            {
                "entryName": "R_Small",
                "properties": [
                    {"key": "Reference", "value": "R_1"},
                    {"key": "Value", "value": "10 k"},
                    {"key": "Footprint", "value": "R_0402"},
                ],
            },
            {"properties": [{"key": "Reference", "value": "#PWR01"}, {"key": "Value", "value": "GND"}]},
        ],
        "globalLabels": [{"text": "SDA"}],
        "graphicalItems": [{"type": "text", "text": "USB hub"}, {"type": "wire", "points": []}],
        "sheets": [{"sheetName": {"key": "Sheetname", "value": "MCU"}, "fileName": "mcu.kicad_sch"}],
        "labels": "broken",
    }
    assert printed_text({"json": json.dumps(document)}) == {
        "r1", "10k", "gnd", "sda", "usbhub", "mcu", "mcukicadsch",
    }  # fmt: skip


@pytest.mark.parametrize("text", [None, "", "{", "[]", "[" * 10_000])
def test_no_printed_text_without_json(text: str | None) -> None:
    assert printed_text({"json": text}) is None


def test_table_before_and_after() -> None:
    baseline = {**metrics(), "prior": {"k": 8, "precision": 0.3, "recall": 0.26, "f1": 0.28}}
    baseline |= {"precision": 0.1, "recall": 0.2, "f1": 0.133, "f1_low": 0.05, "f1_high": 0.2}
    tuned = {**metrics(), "f1_low": 0.4, "f1_high": 0.75, "gain": {"f1": 0.4, "f1_low": 0.31, "f1_high": 0.5}}
    assert result_table(baseline, tuned) == (
        "               precision  recall      F1     95 % interval  loose F1  exact\n"
        "prior (k = 8)      0.300   0.260   0.280\n"
        "baseline           0.100   0.200   0.133    0.050 to 0.200     0.800  0.250\n"
        "tuned              0.571   0.500   0.533    0.400 to 0.750     0.800  0.250\n"
        "gain                              +0.400  +0.310 to +0.500\n"
        "4 test sheets; intervals by resampling repositories"
    )


def test_the_table_has_the_bill_of_materials_where_there_is_one() -> None:
    group = {"precision": 0.9, "recall": 0.8, "f1": 0.847, "f1_low": 0.7, "f1_high": 0.9, "loose_f1": 0.85}
    names = ("references", "values", "parts", "lines", "value_lines", "purchases", "names")
    bom = dict.fromkeys(names, group) | {"sheets": 3, "lines": group | {"f1": 0.3}}
    lines = result_table(metrics(), {**metrics(), "bom": bom}).splitlines()
    assert [line[:30].rstrip() for line in lines[-7:-1]] == [
        "bill of materials, 3 sheets",
        "- references",
        "- with values",
        "- lines by value",
        "- with symbol",
        "- purchases",
    ]
    assert lines[-6].split()[2:] == ["0.900", "0.800", "0.847", "0.700", "to", "0.900", "0.850"]
    assert lines[-3].split()[5] == "0.300"
    empty = {**metrics(), "bom": {"sheets": 0, "unread": 4}}
    assert result_table(metrics(), empty) == result_table(metrics(), metrics())

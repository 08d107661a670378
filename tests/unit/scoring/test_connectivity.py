"""Nets of answers in KiCad's text, by hand, and hostile ones in bounded time."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from schematic_reader.scoring.connectivity import MAX_PINS, connectivity, read_nets
from schematic_reader.scoring.metrics import score
from schematic_reader.scoring.predictions import prediction_row
from schematic_reader.tasks import task
from schematic_reader.tasks.contract import ModelAnswer

LIBRARY = """(lib_symbols (symbol "R" (symbol "R_1_1"
  (pin passive line (at 0 2.54 270) (length 1) (name "~") (number "1"))
  (pin passive line (at 0 -2.54 90) (length 1) (name "~") (number "2")))))"""


def sheet(*nodes: str) -> str:
    return f"(kicad_sch (version 20231120) {LIBRARY} {' '.join(nodes)})"


def resistor(reference: str, x: float) -> str:
    """Pin 1 is at (x, -2.54), pin 2 at (x, 2.54)."""
    return (
        f'(symbol (lib_id "R") (at {x} 0 0) (unit 1) '
        f'(property "Reference" "{reference}") (property "Value" "1k"))'
    )


def wire(x0: float, x1: float, y: float) -> str:
    return f"(wire (pts (xy {x0} {y}) (xy {x1} {y})))"


THREE = [resistor("R1", 0), resistor("R2", 10), resistor("R3", 20)]
# All pins 1 in one net, pins 2 of R1 and R2 in another.
TRUE = sheet(*THREE, wire(0, 10, -2.54), wire(10, 20, -2.54), wire(0, 10, 2.54))
# R3's pin 1 is left out of the first net; the second is right.
PART = sheet(*THREE, wire(0, 10, -2.54), wire(0, 10, 2.54))


def test_nets_by_hand() -> None:
    # Answers: one right, one in part, one in Markdown, one that is not KiCad's. Each sheet has 2 nets and
    # 3 + 1 pairs; the part says 2 nets, one of them right, and 2 pairs, both right.
    answers = [TRUE, PART, f"```\n{TRUE}\n```", "R, C"]
    found = connectivity("schematic", [("", TRUE, answer) for answer in answers])
    assert found == {
        "sheets": 4,
        "readable": 0.75,
        "precision": round(5 / 6, 6),
        "recall": 0.625,
        "f1": round(10 / 14, 6),
        "predicted": 6,
        "true": 8,
        "pair_precision": 1.0,
        "pair_recall": 0.625,
        "pair_f1": round(20 / 26, 6),
        "pairs_predicted": 10,
        "pairs_true": 16,
    }


def test_a_target_that_is_not_read_is_left_out() -> None:
    assert connectivity("schematic", [("", "(kicad_sch", TRUE)])["sheets"] == 0


def measured(schematics: dict[str, str] | None) -> dict[str, Any]:
    rows = [
        prediction_row(
            task("schematic"),
            {"id": "a", "name": "o/r", "prompt": "", "target": TRUE},
            ModelAnswer(PART, 1, "stop"),
        )
    ]
    return score(
        rows,
        task=task("schematic"),
        train_items=[],
        printed={},
        bootstrap_samples=5,
        seed=1,
        schematics=schematics,
    )


def test_nets_are_a_group_of_the_metrics_where_answers_are_whole_sheets() -> None:
    assert measured({})["nets"]["pair_recall"] == 0.5
    assert "nets" not in measured(None)


def lines(count: int, text: str) -> str:
    return " ".join(text.format(i=i) for i in range(count))


DENSE = " ".join(f'(pin passive line (at 0 0 0) (length 1) (name "~") (number "{i}"))' for i in range(3000))
ALIAS = "(bus_alias {name} (members {members}))"
HOSTILE = {
    "many pins on many symbols": (
        f'(kicad_sch (lib_symbols (symbol "A" (symbol "A_1_1" {DENSE}))) '
        + lines(2_000, '(symbol (lib_id "A") (at {i} 0 0) (unit 1))')
        + ")"
    ),
    "many wires through many junctions": (
        "(kicad_sch "
        + "(wire (pts (xy 0 0) (xy 99 99)))" * 20_000
        + lines(20_000, "(junction (at 1.{i:05} 1.{i:05}))")
        + ")"
    ),
    "many wide buses": "(kicad_sch " + lines(20_000, '(label "D[0..{i}99]" (at {i} 0 0))') + ")",
    "aliases of themselves": (
        "(kicad_sch "
        + ALIAS.format(name='"a"', members='"{' + "a " * 100 + '}"')
        + '(label "{a}" (at 0 0 0)))'
    ),
    "aliases of aliases": (
        "(kicad_sch "
        + " ".join(ALIAS.format(name=f'"a{i}"', members='"{' + f"a{i + 1} " * 100 + '}"') for i in range(9))
        + '(label "{a0}" (at 0 0 0)))'
    ),
    "aliases of nothing": (
        "(kicad_sch "
        + ALIAS.format(name='"a"', members='"{' + "b " * 1000 + '}"')
        + ALIAS.format(name='"b"', members='"{' + "c " * 1000 + '}"')
        + ALIAS.format(name='"c"', members="")
        + '(label "{a}" (at 0 0 0)))'
    ),
    "deep": "(" * 10_000,
    "long": "(kicad_sch " + "x" * 10_000_000 + ")",
    "NUL": '(kicad_sch (label "a\0" (at 0 0 0)))',
    "unpaired surrogate": '(kicad_sch (label "\ud800" (at 0 0 0)))',
    "huge number": "(kicad_sch (junction (at 1e999 0)))",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_sheets_are_not_read(name: str) -> None:
    """Most would take hours or all memory, so that no clock is needed to tell."""
    assert read_nets(HOSTILE[name]) is None


def test_aliases_within_aliases_are_read() -> None:
    inner = ALIAS.format(name='"a"', members='"X" "Y"') + ALIAS.format(name='"b"', members='"u{a}"')
    assert read_nets(sheet(inner, '(label "{b}" (at 0 0 0))')) is not None


@pytest.mark.slow
def test_the_limits_are_far_over_real_sheets(mini: Path) -> None:
    with (mini / "manifest.csv").open(newline="") as file:
        good = [int(line["row_index"]) for line in csv.DictReader(file) if not line["dirt"]]
    texts = [
        text
        for path in sorted(mini.glob("*.parquet"))
        for text in pq.read_table(path, columns=["schematic"])["schematic"].to_pylist()
    ]
    longest = sorted(good, key=lambda i: len(texts[i]))[-12:]
    found = connectivity("schematic", ((texts[i], texts[i], texts[i]) for i in longest))
    assert (found["sheets"], found["readable"], found["f1"], found["pair_f1"]) == (12, 1.0, 1.0, 1.0)
    assert max(len(net.pins) for net in read_nets(texts[longest[-1]]) or []) < MAX_PINS / 20

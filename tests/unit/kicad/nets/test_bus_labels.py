"""Nets that buses carry, worked out by hand after KiCad's rules."""

from __future__ import annotations

from itertools import pairwise

import pytest

from schematic_reader.kicad.model import (
    BusEntry,
    Label,
)
from schematic_reader.kicad.nets.bus_labels import parse_bus
from tests.support.net_sheets import ENDS, bus, joined, placed, probe, sheet_of, wire


def test_a_bus_joins_the_wires_whose_labels_agree() -> None:
    sheet = sheet_of(
        *(probe(name, 5, y) for name, y in (("A", 10), ("B", 20))),
        *(probe(name, 25, y) for name, y in (("C", 10), ("D", 20))),
        lines=(
            bus((10, 0), (10, 40), (20, 40), (20, 0)),
            *(wire((5, y), (7.5, y)) for y in (10, 20)),
            *(wire((22.5, y), (25, y)) for y in (10, 20)),
        ),
        bus_entries=(
            *(BusEntry((7.5, y), (2.5, 2.5)) for y in (10, 20)),
            *(BusEntry((20, y + 2.5), (2.5, -2.5)) for y in (10, 20)),
        ),
        labels=(
            Label("D[0..1]", (15, 40)),
            Label("D0", (5, 10)),
            Label("D1", (5, 20)),
            Label("D1", (25, 10)),
            Label("D0", (25, 20)),
        ),
    )
    assert joined(sheet) == ["A D", "B C"]


def test_labels_on_separate_buses_join_nothing() -> None:
    buses = (bus((50, 10), (60, 10)), bus((50, 30), (60, 30)))
    labels = (
        Label("X[0..1]", (55, 10)),
        Label("Y[0..1]", (55, 30)),
        Label("X0", (0, 10)),
        Label("Y0", (20, 10)),
    )
    assert joined(sheet_of(*ENDS, lines=buses, labels=labels)) == ["A", "B", "C", "D"]
    # One bus: both drawn ends carry the same label.
    assert joined(sheet_of(*ENDS, lines=buses, labels=(*labels, Label("X[0..1]", (50, 30))))) == [
        "A B",
        "C",
        "D",
    ]


def test_a_bus_entry_carries_its_net_and_joins_nothing_on_the_bus() -> None:
    # Two entries meet on the bus, on a pin and a wire that do not belong there.
    entries = (BusEntry((10, 10), (-10, 0)), BusEntry((10, 10), (0, 10)))
    lines = (bus((5, 10), (15, 10)), wire((10, 0), (10, 10)))
    sheet = sheet_of(*ENDS, probe("E", 10, 10), lines=lines, bus_entries=entries)
    assert joined(sheet) == ["A", "B", "C E", "D"]
    # Without the bus both lead to the pin where they meet.
    assert joined(sheet_of(*ENDS, probe("E", 10, 10), bus_entries=entries)) == ["A D E", "B", "C"]


def test_the_ends_of_a_wire_and_of_a_bus_do_not_join() -> None:
    lines = (wire((0, 10), (10, 10)), bus((10, 10), (20, 10)))
    assert joined(sheet_of(*ENDS, lines=lines)) == ["A", "B", "C", "D"]


@pytest.mark.parametrize(
    "first, second, expected",
    [
        ("A[0..1]", "B[2..3]", ["A0 B2", "A1 B3"]),
        ("A[1..0]", "B[2..3]", ["A0 B2", "A1 B3"]),
        ("A[0..1]P", "B[2..3]", ["A0", "A1", "B2", "B3"]),
        ("X{A0 A1}", "B[2..3]", ["A0", "A1", "B2", "B3"]),
        ("U{P}", "V{P}", ["U.P V.P"]),
        ("U{P}", "V{Q}", ["U.P", "V.Q"]),
        ("{ALIAS}", "V{P}", ["P V.P"]),
    ],
)
def test_two_labels_on_one_bus_join_what_corresponds(first: str, second: str, expected: list[str]) -> None:
    names = sorted({name for net in expected for name in net.split()})
    sheet = sheet_of(
        *(placed("probe", name, (50, 10.0 * i)) for i, name in enumerate(names)),
        lines=(bus((10, 10), (20, 10)),),
        labels=(
            Label(first, (10, 10)),
            Label(second, (15, 10)),
            *(Label(name, (50, 10.0 * i)) for i, name in enumerate(names)),
        ),
        bus_aliases=(("ALIAS", ("P", "Q")),),
    )
    assert joined(sheet) == expected


def test_buses_that_would_never_end_are_cut() -> None:
    """No clock: without a bound each takes years, or more memory than there is."""
    levels = [f"L{i}" for i in range(9)]
    inner = " ".join(["{%s}"] * 100)
    many = {name: (inner % ((below,) * 100),) * 100 for name, below in pairwise(levels)}
    for last in (("X",), ("{" + levels[0] + "}",) * 100, ()):
        found = parse_bus("{L0}", many | {levels[-1]: last})
        assert found is not None and len(found) <= 4096
    long = "N" * 2_000_000
    assert parse_bus(f"{long}[0..4095]", {}) is None and parse_bus(f"{long}{{A B}}", {}) is None
    found = parse_bus("P{LONG}", {"LONG": (long, f"{long}[0..4095]", f"{long}{{A}}") * 2_000})
    assert found is not None
    assert len(found) <= 4096 and sum(len(name) for _, name in found) < 10_000_000


def test_bus_labels() -> None:
    aliases = {"USB": ("DP", "DM"), "LOOP": ("X{LOOP}",), "MEM": ("A[0..1]", "S{CS}")}

    def names(text: str) -> list[str] | None:
        parsed = parse_bus(text, aliases)
        return None if parsed is None else [name for _, name in parsed]

    assert names("D[0..2]") == ["D0", "D1", "D2"]
    assert names("D[2..0]") == ["D0", "D1", "D2"]
    assert names("~{BE[0..1]}") == ["~{BE0}", "~{BE1}"]
    assert names("D[1..2]N") == ["D1N", "D2N"]
    assert names("{SCL SDA}") == ["SCL", "SDA"]
    assert names("I2C{SCL, SDA}") == ["I2C.SCL", "I2C.SDA"]
    assert names("J{USB ID}") == ["J.DP", "J.DM", "J.ID"]
    assert names("{MEM ~{WE}}") == ["A0", "A1", "S.CS", "~{WE}"]
    assert names("{LOOP}") == []
    assert len(names("D[0..999999999]") or ()) == 4096
    for text in (
        "D",
        "D[3]",
        "~{BE[0..1]",
        "D[3..3]",
        "D[0..1]x",
        "ui_in[5]/mio[13]",
        "~{CS}",
        "V_{CC}",
        "D {A}",
        "A B[0..1]",
    ):
        assert names(text) is None

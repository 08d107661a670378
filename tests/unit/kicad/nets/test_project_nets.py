"""The nets of small projects, worked out by hand after KiCad's rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schematic_reader.kicad.hierarchy import UsedSheet
from schematic_reader.kicad.model import BusEntry, Label, Sheet, SheetBox, SheetPin
from schematic_reader.kicad.nets.netlist import nets
from schematic_reader.kicad.nets.project_nets import project_nets
from schematic_reader.kicad.read_symbols import SheetUse
from schematic_reader.kicad.shapes import Property
from tests.support.net_sheets import bus, placed, probe, sheet_of, wire

ROOT = SheetUse("/", {})


def found(*sheets: tuple[str, Sheet]) -> dict[str, str]:
    """The pins of each net, by its name."""
    used = [
        UsedSheet(f"{number}.kicad_sch", name, sheet, ROOT) for number, (name, sheet) in enumerate(sheets)
    ]
    return {net.name: " ".join(sorted(ref for ref, _ in net.pins)) for net in project_nets(used)}


def box(name: str, *pins: tuple[str, float]) -> SheetBox:
    """A sheet box with pins at x = 0 and the y of each."""
    return SheetBox(
        (0, 0),
        (10, 90),
        (Property("Sheetname", name),),
        tuple(SheetPin(n, "input", (0, y), 0) for n, y in pins),
    )


def test_a_sheet_pin_leads_to_the_hierarchical_label_of_its_own_use() -> None:
    root = sheet_of(
        probe("A", 0, 10), probe("B", 0, 20), sheets=(box("Left", ("IN", 10)), box("R [1]", ("IN", 20)))
    )
    inside = Label("IN", (0, 0), "hierarchical")
    left, right = (sheet_of(probe(name, 0, 0), labels=(inside,)) for name in "CD")
    assert found(("/", root), ("/Left/", left), ("/R [1]/", right)) == {"/Left/IN": "A C", "/R [1]/IN": "B D"}


def test_local_labels_stay_local_and_global_ones_and_power_do_not() -> None:
    def one(names: str) -> Sheet:
        a, b, c = names
        labels = (Label("X", (0, 0)), Label("G", (0, 10), "global"))
        power = placed("power", "#PWR1", (0, 20), "GND")
        return sheet_of(probe(a, 0, 0), probe(b, 0, 10), probe(c, 0, 20), power, labels=labels)

    assert found(("/", one("ABC")), ("/Sub/", one("DEF"))) == {
        "/X": "A", "/Sub/X": "D", "G": "B E", "GND": "C F",
    }  # fmt: skip


def test_a_local_label_joins_the_power_and_the_global_label_of_its_name_on_its_own_sheet() -> None:
    def one(names: str, *more: Label) -> Sheet:
        a, b = names
        power = placed("power", "#PWR1", (0, 10), "VDD")
        return sheet_of(probe(a, 0, 0), probe(b, 0, 10), power, labels=(Label("VDD", (0, 0)), *more))

    assert found(("/", sheet_of(probe("Z", 0, 0), labels=(Label("VDD", (0, 0)),))), ("/S/", one("AB"))) == {
        "/VDD": "Z",
        "VDD": "A B",
    }
    plain = sheet_of(
        probe("A", 0, 0), probe("B", 0, 10), labels=(Label("X", (0, 0)), Label("X", (0, 10), "global"))
    )
    assert found(("/", Sheet()), ("/S/", plain)) == {"X": "A B"}


def test_local_power_stays_on_its_sheet() -> None:
    def one(name: str) -> Sheet:
        sheet = sheet_of(probe(name, 0, 0), placed("power", "#PWR1", (0, 0), "VDD"))
        local = replace(sheet.lib_symbols["power"], local_power=True)
        return replace(sheet, lib_symbols={**sheet.lib_symbols, "power": local})

    assert found(("/", one("A")), ("/Sub/", one("B"))) == {"/VDD": "A", "/Sub/VDD": "B"}


def test_a_net_passes_through_a_sheet_without_parts() -> None:
    root = sheet_of(probe("A", 0, 10), sheets=(box("M", ("IN", 10)),))
    middle = sheet_of(
        labels=(Label("IN", (0, 50), "hierarchical"),),
        lines=(wire((0, 50), (0, 10)),),
        sheets=(box("S", ("OUT", 10)),),
    )
    leaf = sheet_of(probe("B", 0, 0), labels=(Label("OUT", (0, 0), "hierarchical"),))
    assert found(("/", root), ("/M/", middle), ("/M/S/", leaf)) == {"/M/IN": "A B"}


def test_a_bus_joins_what_corresponds_on_both_sheets() -> None:
    def side(first: str, second: str, label: Label, name: str) -> Sheet:
        """A vertical bus at x = 0 with two wires named ``name``0 and 1."""
        return sheet_of(
            probe(first, 10, 20), probe(second, 10, 30),
            lines=(bus((0, 0), (0, 40)), wire((2, 20), (10, 20)), wire((2, 30), (10, 30))),
            bus_entries=(BusEntry((0, 18), (2, 2)), BusEntry((0, 28), (2, 2))),
            labels=(label, Label(f"{name}0", (4, 20)), Label(f"{name}1", (4, 30))),
        )  # fmt: skip

    root = replace(side("A", "B", Label("P[0..1]", (0, 40)), "P"), sheets=(box("S", ("D[0..1]", 0)),))
    below = side("C", "D", Label("D[0..1]", (0, 0), "hierarchical"), "D")
    assert set(found(("/", root), ("/S/", below)).values()) == {"A C", "B D"}


def tapped(label: Label, **taps: str) -> Sheet:
    """A bus with that label at its end, and for each wire from it a probe's name and the wire's."""
    ys = [10 * place + 20 for place in range(len(taps))]
    lines = [bus((0, 0), (0, 90))] + [wire((2, y), (10, y)) for y in ys]
    return sheet_of(
        *(probe(name, 10, y) for name, y in zip(taps, ys, strict=True)),
        lines=tuple(lines),
        bus_entries=tuple(BusEntry((0, y - 2), (2, 2)) for y in ys),
        labels=(label, *(Label(text, (4, y)) for text, y in zip(taps.values(), ys, strict=True))),
    )


def test_buses_meet_in_a_net_that_both_name_where_no_wire_has_its_name() -> None:
    root = sheet_of(
        lines=(bus((0, 10), (0, 12)), bus((0, 20), (0, 22))),
        labels=(Label("Q[0..1]", (0, 12)), Label("Q[0..7]", (0, 22))),
        sheets=(box("S", ("D[0..1]", 10)), box("T", ("E[0..7]", 20))),
    )
    left = tapped(Label("D[0..1]", (0, 0), "hierarchical"), A="D0", B="D1")
    right = tapped(Label("E[0..7]", (0, 0), "hierarchical"), C="E0", D="E1", E="E7")
    assert found(("/", root), ("/S/", left), ("/T/", right)) == {"/Q0": "A C", "/Q1": "B D", "/Q7": "E"}


@pytest.mark.parametrize("above", ["{PAIR}", "{M P}", "PORT{PAIR}", "PORT{P M}"])
def test_a_group_without_a_name_joins_nets_of_one_name_across_sheets(above: str) -> None:
    """The sheet that defines the alias is not the one whose label has it."""
    root = sheet_of(lines=(bus((0, 10), (0, 20)),), sheets=(box("S", ("{PAIR}", 10)), box("T", (above, 20))))
    left = tapped(Label("{PAIR}", (0, 0), "hierarchical"), A="P", B="M")
    prefix = "PORT." if "PORT" in above else ""
    right = tapped(Label(above, (0, 0), "hierarchical"), C=f"{prefix}M", D=f"{prefix}P")
    right = replace(right, bus_aliases=(("PAIR", ("P", "M")),))
    assert found(("/", root), ("/S/", left), ("/T/", right)) == {"/S/M": "B C", "/S/P": "A D"}


def test_an_alias_of_any_number_of_nets_joins_them_across_sheets() -> None:
    alias = (("LONG", tuple(f"A_QUITE_LONG_NAME_{number}" for number in range(100))),)
    root = replace(
        sheet_of(probe("A", 5, 5), labels=(Label("A_QUITE_LONG_NAME_99", (5, 5)),)), bus_aliases=alias
    )
    root = replace(
        root,
        lines=(bus((0, 10), (0, 20)),),
        labels=(*root.labels, Label("{LONG}", (0, 20))),
        sheets=(box("S", ("{LONG}", 10)),),
    )
    below = tapped(Label("{LONG}", (0, 0), "hierarchical"), B="A_QUITE_LONG_NAME_99")
    assert found(("/", root), ("/S/", below)) == {"/A_QUITE_LONG_NAME_99": "A B"}


def test_the_nets_of_a_global_bus_are_those_of_all_sheets() -> None:
    left, right = (tapped(Label("G[0..1]", (0, 0), "global"), **{name: "G0"}) for name in "AB")
    assert found(("/", Sheet()), ("/S/", left), ("/T/", right)) == {"G0": "A B"}


def test_the_highest_sheet_names_a_net_and_then_the_first_by_the_alphabet() -> None:
    def one(name: str) -> Sheet:
        return sheet_of(probe(name, 0, 0), labels=(Label("IN", (0, 0), "hierarchical"),))

    inner = sheet_of(
        probe("A", 0, 10), labels=(Label("Z", (0, 10), "hierarchical"),), sheets=(box("Y", ("IN", 10)),)
    )
    root = sheet_of(
        lines=(wire((0, 10), (0, 20)), wire((0, 20), (0, 30))),
        sheets=(box("N", ("Z", 10)), box("M", ("IN", 20)), box("B2", ("IN", 30))),
    )
    many = [(f"/Q{number}/", sheet_of()) for number in range(10)]
    sheets = (("/N/", inner), ("/N/Y/", one("B")), *many, ("/M/", one("C")), ("/B2/", one("D")))
    assert found(("/", root), *sheets) == {"/B2/IN": "A B C D"}


def test_a_root_alone_has_the_nets_of_the_sheet() -> None:
    sheet = sheet_of(
        probe("A", 0, 10), probe("B", 5, 10), lines=(wire((0, 10), (5, 10)),), sheets=(box("S", ("I", 10)),)
    )
    assert project_nets([UsedSheet("a", "/", sheet, ROOT)]) == nets(sheet)
    assert project_nets([]) == []

"""The nets of small projects, worked out by hand after KiCad's rules."""

from __future__ import annotations

from dataclasses import replace

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


def test_a_root_alone_has_the_nets_of_the_sheet() -> None:
    sheet = sheet_of(
        probe("A", 0, 10), probe("B", 5, 10), lines=(wire((0, 10), (5, 10)),), sheets=(box("S", ("I", 10)),)
    )
    assert project_nets([UsedSheet("a", "/", sheet, ROOT)]) == nets(sheet)
    assert project_nets([]) == []

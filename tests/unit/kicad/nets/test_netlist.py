"""The nets of small sheets, worked out by hand after KiCad's rules."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from schematic_reader.kicad.model import (
    Label,
    LibSymbol,
    PlacedSymbol,
    SheetBox,
    SheetPin,
    SymbolUnit,
)
from schematic_reader.kicad.nets.netlist import grid, nets, placed_pins
from schematic_reader.kicad.nets.segments import SegmentIndex
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.writer import write_sheet
from tests.support.net_sheets import (
    ACROSS,
    DOWN,
    ENDS,
    LIBRARY,
    joined,
    library,
    pin,
    placed,
    probe,
    sheet_of,
    wire,
)


def test_a_wire_joins_its_ends_and_wires_join_end_to_end() -> None:
    lines = (wire((0, 10), (5, 10)), wire((5, 10), (20, 10)), DOWN)
    assert joined(sheet_of(*ENDS, lines=lines)) == ["A B", "C D"]


def test_a_polyline_joins_all_its_corners() -> None:
    assert joined(sheet_of(*ENDS, lines=(wire((0, 10), (10, 0), (20, 10)),))) == ["A B C", "D"]


def test_crossing_wires_join_only_at_a_junction() -> None:
    assert joined(sheet_of(*ENDS, lines=(ACROSS, DOWN))) == ["A B", "C D"]
    assert joined(sheet_of(*ENDS, lines=(ACROSS, DOWN), junctions=((10, 10),))) == ["A B C D"]
    assert joined(sheet_of(*ENDS, lines=(ACROSS, DOWN), junctions=((12, 10),))) == ["A B", "C D"]


def test_a_wire_that_ends_on_the_middle_of_another_needs_a_junction() -> None:
    lines = (ACROSS, wire((10, 10), (10, 20)))
    assert joined(sheet_of(*ENDS, lines=lines)) == ["A B", "C", "D"]
    assert joined(sheet_of(*ENDS, lines=lines, junctions=((10, 10),))) == ["A B D", "C"]


def test_overlapping_wires_are_separate() -> None:
    lines = (wire((0, 10), (12, 10)), wire((8, 10), (20, 10)))
    assert joined(sheet_of(*ENDS, lines=lines)) == ["A", "B", "C", "D"]


def test_a_pin_on_the_middle_of_a_wire_needs_a_junction() -> None:
    middle = probe("E", 10, 10)
    assert joined(sheet_of(*ENDS, middle, lines=(ACROSS,))) == ["A B", "C", "D", "E"]
    assert joined(sheet_of(*ENDS, middle, lines=(ACROSS,), junctions=((10, 10),))) == ["A B E", "C", "D"]


def test_pins_join_where_they_touch() -> None:
    stacked = library("stack", pin("1", (0, 0)), pin("2", (0, 0)), pin("3", (2.54, 0)))
    sheet = sheet_of(placed("stack", "U", (5, 5)), probe("A", 7.54, 5))
    assert joined(replace(sheet, lib_symbols={**LIBRARY, "stack": stacked})) == ["A U.3", "U U.2"]


def test_a_slanted_wire_takes_a_junction_on_it() -> None:
    lines = (wire((0, 0), (30, 20)), wire((15, 10), (15, 20)))
    probes = (probe("A", 0, 0), probe("B", 30, 20), probe("C", 15, 20))
    assert joined(sheet_of(*probes, lines=lines, junctions=((15, 10),))) == ["A B C"]
    assert joined(sheet_of(*probes, lines=lines, junctions=((15, 10.0001),))) == ["A B", "C"]


def test_points_meet_on_a_grid_of_100_nanometres() -> None:
    assert grid((2.54, -1.27)) == (25_400, -12_700)
    assert grid((0.1 + 0.2, -0.00025)) == (3_000, -3)
    assert joined(sheet_of(probe("A", 0.1 + 0.2, 0), probe("B", 0.3, 0))) == ["A B"]
    assert joined(sheet_of(probe("A", 0.3001, 0), probe("B", 0.3, 0))) == ["A", "B"]


# --- labels -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["local", "global", "hierarchical"])
@pytest.mark.parametrize("second", ["local", "global", "hierarchical"])
def test_equal_labels_join_whatever_their_kind(first: str, second: str) -> None:
    labels = (Label("CLK", (0, 10), first), Label("CLK", (10, 0), second), Label("CLK2", (20, 10), first))
    assert joined(sheet_of(*ENDS, labels=labels)) == ["A C", "B", "D"]


def test_a_label_takes_the_middle_of_a_wire() -> None:
    labels = (Label("CLK", (10, 10)), Label("CLK", (10, 0)))
    assert joined(sheet_of(*ENDS, lines=(ACROSS,), labels=labels)) == ["A B C", "D"]


def test_a_label_joins_the_wires_that_cross_under_it() -> None:
    assert joined(sheet_of(*ENDS, lines=(ACROSS, DOWN), labels=(Label("CLK", (10, 10)),))) == ["A B C D"]


def test_a_label_on_a_pin_leaves_the_wire_under_it_alone() -> None:
    labels = (Label("CLK", (10, 10)), Label("CLK", (10, 0)))
    sheet = sheet_of(*ENDS, probe("E", 10, 10), lines=(ACROSS,), labels=labels)
    assert joined(sheet) == ["A B", "C E", "D"]


def test_a_label_joins_a_pin_to_the_wires_that_cross_under_both() -> None:
    sheet = sheet_of(*ENDS, probe("E", 10, 10), lines=(ACROSS, DOWN), labels=(Label("CLK", (10, 10)),))
    assert joined(sheet) == ["A B C D E"]


def test_the_net_class_flag_names_nothing() -> None:
    labels = (Label("Default", (0, 10), "directive"), Label("Default", (10, 0), "directive"))
    assert joined(sheet_of(*ENDS, labels=labels)) == ["A", "B", "C", "D"]


def test_two_labels_on_one_wire_make_one_net_of_their_names() -> None:
    labels = (Label("X", (0, 10)), Label("Y", (20, 10)), Label("X", (10, 0)), Label("Y", (10, 20)))
    assert joined(sheet_of(*ENDS, lines=(ACROSS,), labels=labels)) == ["A B C D"]


def test_nets_are_named_by_the_strongest_name() -> None:
    here = {"hierarchical": "H", "local": "L", "global": "G"}
    labels = [Label(text, (0, 10), kind) for kind, text in here.items()]
    power = placed("power", "#PWR1", (0, 10), "P")

    def name(*labels: Label, symbols: tuple[PlacedSymbol, ...] = ()) -> str:
        sheet = sheet_of(*ENDS, *symbols, lines=(ACROSS,), labels=labels)
        return next(net.name for net in nets(sheet) if ("A", "1") in net.pins)

    assert name() == "Net-(A-Pad1)"
    assert name(labels[0]) == "/H"
    assert name(*labels[:2]) == "/L"
    assert name(*labels[:2], symbols=(power,)) == "P"
    assert name(*labels, symbols=(power,)) == "G"
    assert name(Label("b", (0, 10)), Label("a", (20, 10))) == "/a"


def test_a_pin_alone_is_named_unconnected() -> None:
    chip = placed("chip", "U1", (50, 50))
    assert [net.name for net in nets(sheet_of(chip))] == [
        "GND",
        "unconnected-(U1-Q-Pad1)",
        "unconnected-(U1-VCC-Pad14)",
    ]


# --- power, no-connects -----------------------------------------------------------------------------


def test_power_symbols_join_by_value_and_are_no_parts() -> None:
    supplies = [placed("power", f"#PWR{i}", at, v) for i, at, v in ((1, (0, 10), "V"), (2, (10, 0), "V"))]
    other = placed("power", "#PWR3", (20, 10), "W")
    assert joined(sheet_of(*ENDS, *supplies, other)) == ["A C", "B", "D"]


def test_up_to_kicad_7_a_power_symbol_joins_by_its_hidden_pin() -> None:
    supplies = (
        placed("hidden power", "#PWR1", (0, 10), "V"),
        placed("hidden power", "#PWR2", (10, 0), "W"),
    )
    assert joined(sheet_of(*ENDS, *supplies, version=20230121)) == ["A C", "B", "D"]
    assert joined(sheet_of(*ENDS, *supplies, version=20231120)) == ["A", "B", "C", "D"]


def test_a_power_symbol_without_power_input_names_nothing() -> None:
    flags = (placed("flag", "#FLG1", (0, 10), "PWR_FLAG"), placed("flag", "#FLG2", (10, 0), "PWR_FLAG"))
    assert joined(sheet_of(*ENDS, *flags)) == ["A", "B", "C", "D"]


def test_a_hidden_power_input_joins_by_its_name_and_a_visible_one_does_not() -> None:
    chips = (placed("chip", "U1", (50, 50)), placed("chip", "U2", (80, 50)))
    ground = placed("power", "#PWR1", (0, 10), "GND")
    supply = placed("power", "#PWR2", (20, 10), "VCC")
    assert joined(sheet_of(*ENDS, *chips, ground, supply)) == [
        "A U1.7 U2.7",
        "B",
        "C",
        "D",
        "U1",
        "U1.14",
        "U2",
        "U2.14",
    ]


def test_a_no_connect_joins_nothing_but_what_touches() -> None:
    sheet = sheet_of(*ENDS, lines=(ACROSS,), no_connects=((0, 10), (10, 10), (10, 0)))
    assert joined(sheet) == ["A B", "C", "D"]
    assert [net.name for net in nets(sheet)] == [f"unconnected-({pin}-Pad1)" for pin in "ACD"]


def test_pins_of_the_type_no_connect_join_nothing() -> None:
    sheet = sheet_of(placed("unused", "U", (0, 10)), *ENDS, lines=(ACROSS,))
    assert joined(sheet) == ["A B", "C", "D", "U", "U.2"]


# --- symbols ----------------------------------------------------------------------------------------

# Where pins at (2.54, 0) and (0, 5.08), y upward, come to lie around (100, 100), y downward.
TURNED = {
    (0, ""): ((102.54, 100), (100, 94.92)),
    (90, ""): ((100, 97.46), (94.92, 100)),
    (180, ""): ((97.46, 100), (100, 105.08)),
    (270, ""): ((100, 102.54), (105.08, 100)),
    (0, "x"): ((102.54, 100), (100, 105.08)),
    (90, "x"): ((100, 102.54), (94.92, 100)),
    (0, "y"): ((97.46, 100), (100, 94.92)),
    (90, "y"): ((100, 97.46), (105.08, 100)),
}


@pytest.mark.parametrize("angle, mirror", TURNED)
def test_all_eight_orientations(angle: float, mirror: str) -> None:
    corner = {**LIBRARY, "corner": library("corner", pin("1", (2.54, 0)), pin("2", (0, 5.08)))}
    places = sorted({place for pair in TURNED.values() for place in pair})
    assert len(places) == 8
    probes = [probe(f"{x} {y}", x, y) for x, y in places]
    symbol = placed("corner", "U", (100, 100), angle=angle, mirror=mirror)
    found = [net.pins for net in nets(sheet_of(symbol, *probes, lib_symbols=corner)) if len(net.pins) == 2]
    first, second = TURNED[angle, mirror]
    assert Counter(found) == Counter(
        frozenset({("U", number), (f"{x} {y}", "1")}) for number, (x, y) in (("1", first), ("2", second))
    )


def test_units_share_the_reference_and_the_common_pins() -> None:
    double = LibSymbol(
        "double",
        units=(
            SymbolUnit(0, 1, pins=(pin("8", (0, 5)),)),
            SymbolUnit(1, 1, pins=(pin("1", (0, 0)),)),
            SymbolUnit(1, 2, pins=(pin("2", (0, 0)),)),
            SymbolUnit(2, 0, pins=(pin("3", (0, 0)),)),
        ),
    )
    symbols = (
        placed("double", "U", (10, 5)),
        placed("double", "U", (20, 15), unit=2),
        placed("double", "V", (40, 40), style=2),
    )
    sheet = sheet_of(*ENDS, *symbols, lib_symbols={**LIBRARY, "double": double})
    # Body style 2 has only what is drawn for it or for both.
    assert joined(sheet) == ["A", "B U.8", "C U.8", "D", "U", "U.3", "V.2"]


def test_a_pin_of_both_units_is_in_the_nets_of_both() -> None:
    double = LibSymbol("double", units=tuple(SymbolUnit(i, 1, pins=(pin("8", (0, 0)),)) for i in (1, 2)))
    symbols = (placed("double", "U", (10, 0)), placed("double", "U", (10, 20), unit=2))
    sheet = sheet_of(*ENDS, *symbols, lib_symbols={**LIBRARY, "double": double})
    assert joined(sheet) == ["A", "B", "C U.8", "D U.8"]


def test_a_symbol_that_the_sheet_does_not_define_has_no_pins() -> None:
    assert joined(sheet_of(placed("missing", "U", (0, 10)), probe("A", 0, 10))) == ["A"]


def test_jumper_pins_are_joined_inside_the_part() -> None:
    pins = tuple(pin(number, (0, 10.0 * i)) for i, number in enumerate(("1", "2", "3", "3")))
    plain = library("jumper", *pins)
    groups = replace(plain, jumper_pin_groups=(("1", "2"), ("9",)))
    same = replace(plain, duplicate_pins_are_jumpers=True)
    symbols = (placed("jumper", "J", (0, 30)), probe("A", 0, 30), probe("B", 0, 20), probe("C", 0, 0))
    nets_of = [
        joined(sheet_of(*symbols, lib_symbols={**LIBRARY, "jumper": s})) for s in (plain, groups, same)
    ]
    assert nets_of[0] == ["A J", "B J.2", "C J.3", "J.3"]
    assert nets_of[1] == ["A B J J.2", "C J.3", "J.3"]
    assert nets_of[2] == ["A J", "B J.2", "C J.3"]


PARTS = """
(kicad_sch (version 20250114) (uuid "11112222")
  (lib_symbols
    (symbol "lib:T" (symbol "T_1_1" (pin passive line (at 0 0 0) (name "~") (number "1"))))
    (symbol "T_1"
      (duplicate_pin_numbers_are_jumpers no) (jumper_pin_groups ("1" "2"))
      (symbol "T_1_1_1" (pin passive line (at 0 0 0) (name "~") (number "1")))
      (symbol "T_1_2_1" (pin passive line (at 0 0 0) (name "~") (number "2")))))
  (bus_alias "USB" (members "DP" "DM"))
  (symbol (lib_id "lib:T") (at 10 10 0) (unit 1) (property "Reference" "R1")
    (instances (project "p" (path "/99/88" (reference "R7") (unit 1)) (path "/99/77" (reference "R8")))))
  (symbol (lib_name "T_1") (lib_id "lib:T") (at 10 10 0) (unit 1) (property "Reference" "R2")
    (instances (project "o" (path "/99" (reference "R9") (unit 1)))
      (project "p" (path "/11112222" (reference "R3") (unit 2)))))
  (symbol (lib_id "lib:T") (at 10 10 0) (unit 1) (property "Reference" "R4")))
"""


def test_references_and_units_are_those_of_the_sheet_as_root_or_of_its_first_use() -> None:
    sheet = read_sheet(PARTS)
    assert [symbol.designator for symbol in sheet.symbols] == ["R7", "R3", "R4"]
    assert [symbol.reference for symbol in sheet.symbols] == ["R1", "R2", "R4"]
    assert joined(sheet) == ["R3.2 R4 R7"]


def test_what_nets_need_is_read() -> None:
    sheet = read_sheet(PARTS)
    assert sheet.bus_aliases == (("USB", ("DP", "DM")),)
    assert sheet.lib_symbols["T_1"].jumper_pin_groups == (("1", "2"),)
    assert not sheet.lib_symbols["T_1"].duplicate_pins_are_jumpers
    again = read_sheet(write_sheet(sheet))
    assert again.bus_aliases == sheet.bus_aliases
    assert joined(again) == joined(sheet)


# --- sub-sheets -------------------------------------------------------------------------------------


def test_pins_of_sub_sheets_join_by_wire_and_not_by_name() -> None:
    pins = (SheetPin("CLK", "input", (0, 10), 0), SheetPin("CLK", "input", (10, 0), 0))
    boxes = tuple(SheetBox((0, 0), (1, 1), pins=(p,)) for p in pins)
    labelled = sheet_of(*ENDS, sheets=boxes, labels=(Label("CLK", (20, 10)),))
    assert joined(labelled) == ["A", "B", "C", "D"]
    wired = sheet_of(*ENDS, sheets=boxes, lines=(wire((0, 10), (20, 10)),))
    assert [(net.name, len(net.pins)) for net in nets(wired)][:2] == [("/CLK", 2), ("/CLK", 1)]


# --- look-up ----------------------------------------------------------------------------------------


def test_segments_through_a_point_are_those_of_a_search() -> None:
    generator = random.Random(5)

    def point() -> tuple[int, int]:
        return generator.randrange(9), generator.randrange(9)

    for _ in range(60):
        segments = [(point(), point(), number) for number in range(generator.randrange(30))]
        index = SegmentIndex(segments)
        for x in range(9):
            for y in range(9):
                expected = [
                    number
                    for (x0, y0), (x1, y1), number in segments
                    if min(x0, x1) <= x <= max(x0, x1)
                    and min(y0, y1) <= y <= max(y0, y1)
                    and (x1 - x0) * (y - y0) == (y1 - y0) * (x - x0)
                ]
                assert sorted(index.through((x, y))) == expected


def test_placed_pins_are_on_the_grid() -> None:
    symbol = placed("chip", "U", (100.33, 50.8), angle=270)
    found = {p.number: at for p, at in placed_pins(symbol, LIBRARY["chip"])}
    assert found == {"1": (1_003_300, 508_000), "7": (977_900, 508_000), "14": (1_028_700, 508_000)}

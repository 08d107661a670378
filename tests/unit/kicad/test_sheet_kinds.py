"""What KiCad 6 to 10 write beyond the plain sheet: read, drawn and connected as KiCad does."""

from __future__ import annotations

import base64
import io
import logging
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.drawing.palette import COLORS, PAPER, Ink
from schematic_reader.kicad.geometry import arc_points
from schematic_reader.kicad.library import load_library
from schematic_reader.kicad.model import Arc, Rectangle, Sheet, Variant
from schematic_reader.kicad.nets.netlist import nets
from schematic_reader.kicad.nets.stacked_pins import pin_numbers
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_file import read_project, with_project
from schematic_reader.kicad.reader import read_library, read_sheet
from schematic_reader.kicad.text_variables import expand, resolved
from tests.support.paths import shared_folder

SCALE = 8  # pixels a millimetre
STROKE = "(stroke (width 0.3) (type default)) (fill (type none))"
PIN = '(pin passive line (at 0 0 0) (length 2.54) (name "{name}") (number "{number}"){more})'


def sheet(*items: str, version: int = 20250114, symbols: str = "") -> Sheet:
    text = f'(kicad_sch (version {version}) (uuid "1") (paper "User" 100 60) (lib_symbols {symbols})'
    return read_sheet(f"{text} {' '.join(items)})")


def picture(drawn: Sheet) -> np.ndarray:
    image = draw_sheet(replace(drawn, frame=False), width=round(drawn.size[0] * SCALE))
    return np.asarray(image.convert("RGB")).astype(int)


def box_of(rgb: np.ndarray) -> list[float]:
    """Left, top, right and bottom in mm of all that is not paper."""
    ys, xs = np.nonzero((rgb != PAPER).any(axis=2))
    return [xs.min() / SCALE, ys.min() / SCALE, (xs.max() + 1) / SCALE, (ys.max() + 1) / SCALE]


def unit(*items: str, name: str = "U") -> str:
    return f'(symbol "t:{name}" (symbol "{name}_1_1" {" ".join(items)}))'


def placed(reference: str, x: float, *more: str, name: str = "U") -> str:
    return (
        f'(symbol (lib_id "t:{name}") (at {x} 30 0) (unit 1) (uuid "{reference}") '
        f'(property "Reference" "{reference}" (at {x} 10 0)) {" ".join(more)})'
    )


# --- drawing ----------------------------------------------------------------------------------------


def test_letters_have_a_width_of_their_own() -> None:
    sides = []
    for height, width in ((3, 3), (3, 1.5), (1.5, 3)):
        box = box_of(picture(sheet(f'(text "WIDTH" (at 50 30 0) (effects (font (size {height} {width}))))')))
        sides.append((box[2] - box[0], box[3] - box[1]))
    (wide, high), narrow, low = sides
    assert narrow == pytest.approx((wide / 2, high), abs=0.3)
    assert low == pytest.approx((wide, high / 2), abs=0.3)


def test_a_table_has_its_cells_lines_and_border() -> None:
    cells = " ".join(
        f'(table_cell "{text}" (at {x} {y} 0) (size 20 6) (margins 1 1 1 1) (span 1 1)'
        " (effects (font (size 1.27 1.27)) (justify left top)))"
        for text, x, y in (("A", 10, 10), ("B", 30, 10), ("C", 10, 16), ("D", 30, 16))
    )
    stroke = "(stroke (width 0) (type default))"

    def table(rows: str, columns: str, external: str) -> np.ndarray:
        return picture(
            sheet(
                f"(table (column_count 2) (border (external {external}) (header no) {stroke})"
                f" (separators (rows {rows}) (cols {columns}) {stroke}) (cells {cells}))"
            )
        )

    whole = table("yes", "yes", "yes")
    assert box_of(whole) == pytest.approx([10, 10, 50, 22], abs=0.2)

    def inked(rgb: np.ndarray, x: float, y: float) -> bool:
        part = rgb[round((y - 0.2) * SCALE) : round((y + 0.2) * SCALE), round((x - 0.2) * SCALE) :]
        return bool((part[:, : round(0.4 * SCALE)] != PAPER).any())

    for x, y, without in ((20, 16, ("no", "yes", "yes")), (30, 13, ("yes", "no", "yes"))):
        assert inked(whole, x, y)
        assert not inked(table(*without), x, y)
    assert not inked(table("yes", "yes", "no"), 10, 13)
    texts = table("no", "no", "no")
    assert box_of(texts)[:2] == pytest.approx([11, 11], abs=0.6)


def test_rule_areas_are_drawn_and_symbols_within_are_not_populated() -> None:
    corners = "(pts (xy 10 20) (xy 40 20) (xy 40 40) (xy 10 40))"
    area = f"(rule_area (dnp yes) (polyline {corners} (stroke (width 0))))"
    read_symbol = unit(PIN.format(name="", number=1, more=""))
    read = sheet(area, placed("U1", 30), placed("U2", 60), symbols=read_symbol)
    assert [symbol.dnp for symbol in read.symbols] == [True, False]
    assert read.rule_areas[0].outline.points[0] == (10, 20)
    rgb = picture(sheet(area))
    assert box_of(rgb) == pytest.approx([10, 20, 40, 40], abs=0.2)
    unlisted = sheet(
        area.replace("dnp yes", "in_bom no"), placed("U1", 30), placed("U2", 60), symbols=read_symbol
    )
    assert [(symbol.dnp, symbol.in_bom) for symbol in unlisted.symbols] == [(False, False), (False, True)]


def boxes(*items: str, at: str = "50 30 0", symbols: str) -> list[float]:
    symbol = f'(symbol (lib_id "t:U") (at {at}) (unit 1) (uuid "1") {" ".join(items)})'
    return box_of(picture(sheet(symbol, symbols=symbols)))


@pytest.mark.parametrize(
    ("at", "box"),
    [("50 30 0", (47, 20, 57, 25)), ("50 30 90", (40, 23, 45, 33)), ("50 30 180", (43, 35, 53, 40))],
)
def test_a_symbol_s_text_box_is_drawn_where_it_lies(at: str, box: tuple[float, ...]) -> None:
    """Its height runs downward: in a library symbol that is -y."""
    symbols = unit('(text_box "" (at -3 10 0) (size 10 -5) (stroke (width 0)) (effects (font (size 1 1))))')
    assert boxes(at=at, symbols=symbols) == pytest.approx(box, abs=0.2)
    named = symbols.replace('""', '"BUCK"', 1)
    left, top, right, bottom = box
    inside = np.array(picture(sheet(f'(symbol (lib_id "t:U") (at {at}) (unit 1) (uuid "1"))', symbols=named)))
    within = inside[round((top + 1) * SCALE) : round((bottom - 1) * SCALE), round((left + 1) * SCALE) :]
    assert (within[:, : round((right - left - 2) * SCALE)] != PAPER).any()


@pytest.mark.parametrize(("version", "shown"), [(20211123, True), (20230221, False)])
def test_early_power_symbols_show_the_name_of_their_hidden_pin(version: int, shown: bool) -> None:
    """From KiCad 7 on the value is what counts; an empty one shows nothing."""
    symbols = (
        '(symbol "t:P" (power) (symbol "P_1_1" (pin power_in line (at 0 0 0) (length 0) hide (name "GND") '
        '(number "1"))))'
    )
    symbol = placed("#PWR1", 50, '(property "Value" "" (at 50 40 0))', name="P").replace(
        "10 0))", "10 0) hide)"
    )
    ink = (picture(sheet(symbol, version=version, symbols=symbols)) != PAPER).any(axis=2)
    assert bool(ink[38 * SCALE : 42 * SCALE].any()) == shown


def encoded(size: tuple[int, int], dpi: int | None = None) -> str:
    out = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(out, "PNG", **({"dpi": (dpi, dpi)} if dpi else {}))
    return base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize(
    ("version", "dpi", "scale", "mm"),
    [
        (20250114, None, 1, 25.4),
        (20250114, 150, 1, 51),
        (20250114, None, 0.5, 12.7),
        (20211123, 150, 1, 25.4),
    ],
)
def test_embedded_pictures_are_drawn_at_their_density(
    version: int, dpi: int | None, scale: float, mm: float
) -> None:
    data = encoded((300, 150), dpi)
    words = f'"{data[:40]}" "{data[40:]}"'
    rgb = picture(sheet(f"(image (at 50 30) (scale {scale}) (data {words}))", version=version))
    assert box_of(rgb) == pytest.approx([50 - mm / 2, 30 - mm / 4, 50 + mm / 2, 30 + mm / 4], abs=0.4)
    assert tuple(rgb[30 * SCALE, 50 * SCALE]) == (10, 200, 30)


def test_ink_lies_on_pictures_and_broken_ones_are_named(caplog: pytest.LogCaptureFixture) -> None:
    wire = "(wire (pts (xy 10 30.0625) (xy 90 30.0625)) (stroke (width 1)))"
    rgb = picture(sheet(f'(image (at 50 30) (data "{encoded((300, 150))}"))', wire))
    assert tuple(rgb[30 * SCALE, 50 * SCALE]) == COLORS[Ink.WIRE]
    with caplog.at_level(logging.WARNING):
        assert (picture(sheet('(image (at 50 30) (data "bm90IGEgcGljdHVyZQ=="))')) == PAPER).all()
    assert "is not drawn" in caplog.text


@pytest.mark.parametrize("kind", [11, 5])  # a float and a fraction, where bytes are counted
def test_a_damaged_picture_costs_no_sheet(caplog: pytest.LogCaptureFixture, kind: int) -> None:
    out = io.BytesIO()
    Image.new("RGB", (30, 15)).save(out, "TIFF")
    offsets = struct.pack("<HH", 273, 4)
    assert out.getvalue().count(offsets) == 1
    data = base64.b64encode(out.getvalue().replace(offsets, struct.pack("<HH", 273, kind))).decode()
    with caplog.at_level(logging.WARNING):
        assert (picture(sheet(f'(image (at 50 30) (data "{data}"))')) == PAPER).all()
    assert "is not drawn" in caplog.text


def test_rounded_rectangles_lack_their_corners() -> None:
    (item,) = sheet(f"(rectangle (start 10 10) (end 50 40) (radius 5) {STROKE})").graphics
    assert item == Rectangle((10, 10), (50, 40), 0.3, radius=5)
    rgb = picture(replace(Sheet(size=(100, 60)), graphics=(item,)))
    assert box_of(rgb) == pytest.approx([9.85, 9.85, 50.15, 40.15], abs=0.2)
    assert (rgb[10 * SCALE - 2 : 11 * SCALE, 10 * SCALE - 2 : 11 * SCALE] == PAPER).all()
    corner = 5 - 5 * 0.5**0.5
    x = round((10 + corner) * SCALE)
    assert (rgb[x - 2 : x + 2, x - 2 : x + 2] != PAPER).any()


def test_arcs_of_early_kicad_6_take_the_shorter_way() -> None:
    early = "(arc (start 0 -2) (end 0 2) (radius (at 0 0) (length 2) (angles {})) (stroke (width 0)))"
    for angles, x in (("-89.9 89.9", 2), ("-90.1 90.1", -2)):
        (arc,) = (
            read_library(f'(kicad_symbol_lib (symbol "L" (symbol "L_0_1" {early.format(angles)})))')["L"]
            .units[0]
            .graphics
        )
        assert isinstance(arc, Arc)
        assert arc.mid == pytest.approx((x, 0))
    quarter = "(arc (start 2 0) (end 0 2) (radius (at 0 0) (length 2) (angles 0.1 89.9)))"
    (arc,) = sheet(quarter).graphics
    assert isinstance(arc, Arc)
    assert all(
        np.hypot(*point) == pytest.approx(2, abs=1e-6) for point in arc_points(arc.start, arc.mid, arc.end)
    )
    assert arc.mid == pytest.approx((2**0.5, 2**0.5))
    with pytest.raises(KicadError, match="neither"):
        sheet("(arc (start 2 0) (end 0 2))")


def test_half_a_turn_is_written_as_two_mirrors() -> None:
    both, turned = (
        sheet(f'(symbol (lib_id "t:U") (at 1 2 {angle}) {mirror} (uuid "1"))').symbols[0]
        for angle, mirror in ((90, "(mirror x y)"), (270, ""))
    )
    assert both == turned


def test_private_fields_keep_their_values_and_private_graphics_are_not_drawn() -> None:
    symbols = unit(f"(rectangle private (start -9 9) (end 9 -9) {STROKE})", '(text private "no" (at 0 0 0))')
    read = sheet(placed("U1", 50, '(property private "KLC" "thickness" (at 0 0 0))'), symbols=symbols)
    assert read.symbols[0].value_of("KLC") == "thickness"
    assert read.lib_symbols["t:U"].units[0].graphics == ()
    plain = sheet(placed("U1", 50, '(property "private" "own name" (at 0 0 0))'))
    assert plain.symbols[0].value_of("private") == "own name"


def test_the_last_of_two_fields_of_one_name_counts() -> None:
    two = '(property "Value" "10k" (at 50 20 0)) (property "Value" "22k" (at 50 40 0))'
    (symbol,) = sheet(placed("R1", 50, two)).symbols
    assert symbol.value == "22k"
    assert [p.at for p in symbol.properties if p.key == "Value"] == [(50, 40)]
    numbered = '(property "Value" "10k" (id 1) (at 0 0 0)) (property "Value" "x" (id 6) (at 0 0 0))'
    (symbol,) = sheet(placed("R1", 50, numbered), version=20211123).symbols
    assert [p.value for p in symbol.properties if p.key == "Value"] == ["10k", "x"]
    assert (symbol.value, symbol.properties[1].hidden) == ("10k", False)
    fourth = numbered.replace("(id 6)", "(id 4)")
    (symbol,) = sheet(placed("R1", 50, fourth), version=20211123).symbols
    assert (symbol.value, symbol.properties[1].hidden) == ("10k", True)


ALTERNATE = unit(PIN.format(name="GPIO3", number=3, more=' (alternate "SDA" no_connect inverted)'))


def test_a_pin_has_the_function_that_is_chosen_for_it() -> None:
    chosen = placed("U1", 50, '(pin "3" (uuid "7") (alternate "SDA"))')
    (plain,), (used,) = (sheet(item, symbols=ALTERNATE).symbols for item in (placed("U1", 50), chosen))
    library = sheet(chosen, symbols=ALTERNATE).lib_symbols["t:U"]
    (pin,) = library.units[0].pins
    assert plain.pin_as_used(pin) is pin
    assert (used.pin_as_used(pin).name, used.pin_as_used(pin).kind) == ("SDA", "no_connect")
    assert used.pin_as_used(pin).shape == "inverted"
    assert replace(used, pin_functions=(("3", "MISSING"),)).pin_as_used(pin) is pin
    drawn = [picture(sheet(item, symbols=ALTERNATE)) for item in (placed("U1", 50), chosen)]
    named = picture(sheet(placed("U1", 50), symbols=unit(PIN.format(name="SDA", number=3, more=""))))
    ink = [int((rgb == COLORS[Ink.TEXT]).all(axis=2).sum()) for rgb in (*drawn, named)]
    assert ink[1] == ink[2] != ink[0]


# --- text variables ---------------------------------------------------------------------------------


def test_variables_are_those_of_title_block_sheet_symbol_and_project() -> None:
    items = [
        '(title_block (title "Amp") (rev "C") (company "${MAKER} Ltd"))',
        '(text "${TITLE} ${REVISION} ${#}/${##} ${FILENAME} ${NOPE} ${MAKER}" (at 9 9 0))',
        placed("U7", 50, '(property "Value" "${MPN}" (at 0 0 0)) (property "MPN" "X-${MAKER}" (at 0 0 0))'),
        '(sheet_instances (path "/" (page "3")) (path "/a" (page "4")))',
    ]
    read = sheet(*items, symbols=unit('(text "${REFERENCE} ${VALUE}" (at 0 0 0))'))
    known = with_project(
        replace(read, file_name="amp.kicad_sch"), read_project('{"text_variables": {"MAKER": "A7"}}')
    )
    shown = resolved(known)
    assert shown.title_block.company == "A7 Ltd"
    assert [getattr(item, "text", "") for item in shown.graphics] == ["Amp C 3/2 amp.kicad_sch ${NOPE} A7"]
    (symbol,) = shown.symbols
    assert symbol.value == "X-A7"
    assert [g.text for g in shown.lib_symbols[symbol.lib_name].units[0].graphics] == ["U7 X-A7"]  # type: ignore[union-attr]
    alone = resolved(read)
    assert [getattr(item, "text", "") for item in alone.graphics] == [
        "Amp C 3/2 ${FILENAME} ${NOPE} ${MAKER}"
    ]
    plain = sheet('(text "a" (at 1 2 0))')
    assert resolved(plain) is plain


def test_a_field_is_found_by_its_name_in_any_case_and_a_footprint_by_its_parts() -> None:
    """As kicad-cli 9.0.2 does; what no field is counts as it is written."""
    said = "${mpn} ${Mpn} ${reference} ${FOOTPRINT_NAME} ${FOOTPRINT_LIBRARY} ${Footprint} ${title} ${dnp}"
    fields = (("Value", said), ("MPN", "X-1"), ("Footprint", "Resistor_SMD:R_0603"))
    more = " ".join(f'(property "{name}" "{value}" (at 0 0 0))' for name, value in fields)
    shown = resolved(sheet('(title_block (title "Amp"))', placed("U7", 50, more)))
    assert [symbol.value for symbol in shown.symbols] == [
        "X-1 X-1 U7 R_0603 Resistor_SMD Resistor_SMD:R_0603 ${title} ${dnp}"
    ]


def test_variables_that_name_themselves_end() -> None:
    assert expand("${A}", {"A": "${B}", "B": "${A}"}) in ("${A}", "${B}")
    assert len(expand("${A}", {"A": "${A}${A}" * 100})) < 100_000
    assert expand("${A", {"A": "x"}) == "${A"


def test_a_long_value_is_not_repeated_without_end() -> None:
    """A sheet of 1 MB could fill the memory: a long title, named in each of its texts over and over."""
    text, title = "${TITLE}" * 1000, "x" * 9000
    shown = expand(text, {"TITLE": title})
    assert shown == title + text.removeprefix("${TITLE}")
    assert expand("${A}" * 1000, {"A": "1234"}) == "1234" * 1000


def test_nets_follow_variables() -> None:
    label = '(label "{}" (at {} 30 0) (effects (font (size 1.27 1.27))))'
    items = [placed("U1", 20), placed("U2", 60), label.format("${SCLK}", 20), label.format("SCK", 60)]
    read = sheet(*items, symbols=unit(PIN.format(name="", number=1, more="")))
    known = with_project(read, read_project('{"text_variables": {"SCLK": "SCK"}}'))
    assert [(net.name, len(net.pins)) for net in nets(known)] == [("/SCK", 2)]
    assert len(nets(read)) == 2


# --- KiCad 10 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("[1,15,38-39]", ("1", "15", "38", "39")),
        ("[A1-A3, 7]", ("A1", "A2", "A3", "7")),
        ("7", ("7",)),
        ("[5", ("[5",)),
        ("[3-1]", ("[3-1]",)),
        ("[A1-B3]", ("[A1-B3]",)),
        ("[1,,2]", ("1", "2")),
        ("[,]", ("[,]",)),
        ("[1A1 - 1A3]", ("1A1", "1A2", "1A3")),
        ("[1-999999999]", ("[1-999999999]",)),
        ("[A-1]", ("[A-1]",)),
        (f"[{','.join(map(str, range(5000)))}]", (f"[{','.join(map(str, range(5000)))}]",)),
    ],
)
def test_numbers_of_stacked_pins(text: str, numbers: tuple[str, ...]) -> None:
    assert pin_numbers(text) == numbers


@pytest.mark.parametrize(("version", "numbers"), [(20250114, {"[1-3]"}), (20260306, {"1", "2", "3"})])
def test_stacked_pins_are_several_from_kicad_10_on(version: int, numbers: set[str]) -> None:
    symbols = unit(PIN.format(name="GND", number="[1-3]", more=""))
    (net,) = nets(sheet(placed("U1", 50), version=version, symbols=symbols))
    assert {number for _, number in net.pins} == numbers


def test_stacked_pins_are_one_pin_in_the_name_of_their_net() -> None:
    """KiCad takes the first number for it; ``<name>_<number>`` is the function of a pin, not a net's name."""
    symbols = unit(PIN.format(name="GND", number="[2,4-5]", more=""))
    (alone,) = nets(sheet(placed("U1", 50), version=20260306, symbols=symbols))
    assert alone.name == "unconnected-(U1-GND-Pad2)"
    wire = "(wire (pts (xy 20 30) (xy 60 30)))"
    (joined,) = nets(sheet(placed("U1", 20), placed("U2", 60), wire, version=20260306, symbols=symbols))
    assert (joined.name, len(joined.pins)) == ("Net-(U1-GND)", 6)


@pytest.mark.parametrize(("version", "joined"), [(20250114, 1), (20260306, 2)])
def test_a_tilde_is_a_name_from_kicad_10_on(version: int, joined: int) -> None:
    label = '(label "~" (at {} 30 0))'
    items = [placed("U1", 20), placed("U2", 60), label.format(20), label.format(60)]
    symbols = unit(PIN.format(name="~", number=1, more=""))
    found = nets(sheet(*items, version=version, symbols=symbols))
    assert max(len(net.pins) for net in found) == joined
    ink = (picture(sheet(placed("U1", 50), version=version, symbols=symbols)) == COLORS[Ink.TEXT]).all(axis=2)
    assert bool(ink[26 * SCALE : 34 * SCALE].any()) == (version == 20260306)


@pytest.mark.parametrize(("scope", "name"), [("local", "/GND"), ("global", "GND"), ("", "GND")])
def test_local_power_names_a_net_of_the_sheet(scope: str, name: str) -> None:
    power = '(pin power_in line (at 0 0 0) (length 0) (name "~") (number "1"))'
    symbols = f'(symbol "t:P" (power {scope}) (symbol "P_1_1" {power})) ' + unit(
        PIN.format(name="", number=1, more="")
    )
    items = [placed("U1", 50), placed("#PWR1", 50, '(property "Value" "GND" (at 0 0 0))', name="P")]
    assert [net.name for net in nets(sheet(*items, version=20260306, symbols=symbols))] == [name]


def test_variants_are_those_of_the_use() -> None:
    variant = (
        '(variant (name "Lite") (dnp yes) (in_bom no) (field (name "Value") (value "1k")))'
        ' (variant (name "Full"))'
    )
    use = f'(instances (project "p" (path "/1" (reference "R1") (unit 1) {variant})))'
    (symbol,) = sheet(placed("R1", 50, use), version=20260306).symbols
    assert symbol.variants == (
        Variant("Lite", dnp=True, in_bom=False, fields=(("Value", "1k"),)),
        Variant("Full"),
    )
    assert not symbol.dnp


@pytest.mark.parametrize(("version", "names"), [(20250114, ()), (20260306, ("I2C",))])
def test_bus_aliases_come_from_the_project_from_kicad_10_on(version: int, names: tuple[str, ...]) -> None:
    project = read_project('{"schematic": {"bus_aliases": {"I2C": ["SDA", "SCL"], "bad": 7}}}')
    assert project.bus_aliases == (("I2C", ("SDA", "SCL")),)
    read = with_project(sheet(version=version), project)
    assert tuple(name for name, _ in read.bus_aliases) == names


@pytest.mark.parametrize("text", ["", "[]", "7", "{", "[" * 100_000])
def test_what_is_no_project_file_is_told_in_a_line(text: str) -> None:
    with pytest.raises(KicadError, match="not a KiCad 6 to 10 project file"):
        read_project(text)


def test_unpacked_libraries_are_read_as_one(tmp_path: Path) -> None:
    folder = tmp_path / "Device.kicad_symdir"
    folder.mkdir()
    (folder / "A.kicad_sym").write_text('(kicad_symbol_lib (symbol "A" (extends "B")))')
    (folder / "B.kicad_sym").write_text('(kicad_symbol_lib (symbol "B" (symbol "B_0_1")))')
    library = load_library(tmp_path)
    assert list(library.symbols) == ["Device:A", "Device:B"]
    assert library.symbols["Device:A"].units == library.symbols["Device:B"].units != ()


def test_a_newer_version_is_read_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert len(sheet('(text "a" (at 1 2 0))', "(novelty (x 1))", version=20991231).graphics) == 1
    assert [record.message for record in caplog.records] == [
        "schematic version 20991231 is newer than KiCad 10's 20260306: what is new in it is not read"
    ]


def test_real_sheets_of_kicad_10_are_read_drawn_and_connected() -> None:
    rows = pq.read_table(shared_folder("real-sheets") / "kicad10-00.parquet").to_pylist()
    read = [read_sheet(row["schematic"]) for row in rows]
    assert {one.version for one in read} == {20260306}
    assert [one.component_names for one in read] == [row["components_used"] for row in rows]
    for one in read[:6]:
        assert len(nets(one)) > 0 or not one.symbols
        assert (np.asarray(draw_sheet(one)) != 0).any()

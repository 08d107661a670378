"""``python -m benchmarks.failures``: drawn sheets that show what the reader that ships gets wrong, and why.

A sheet of the generator is drawn as it is and in ways that are hard to read, and two more are made for what
it never draws. Each is read for a bill of materials, and ``docs/failures/NAME.png`` has the picture with a
dot on each part: green where reference, value and library symbol are right, amber where the reference is
but not both of the others, red where it is missed. A line is recorded of each; docs/failures.md tells what
they show.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageDraw

from benchmarks.common.results import record
from benchmarks.common.shipped_reader import shipped_reader
from schematic_reader.cli import parse_no_arguments, run
from schematic_reader.kicad.bom import ListedSymbol, listed_symbols
from schematic_reader.kicad.drawing.draw import draw_sheet, encode_png
from schematic_reader.kicad.model import (
    BusEntry,
    Label,
    LibSymbol,
    Line,
    Pin,
    PlacedSymbol,
    Point,
    Property,
    Rectangle,
    Sheet,
    SymbolUnit,
    TextStyle,
)
from schematic_reader.predict.opened_sheet import open_sheets
from schematic_reader.synthetic.sample import make_sheet

PICTURES = Path("docs/failures")
SIZE = (640, 448)
_ROW, _SEED = 0, 7  # of the generator
_LEFT, _RIGHT = TextStyle(h_align="left"), TextStyle(h_align="right")
_COLOURS = {"right": (0, 140, 60), "partly": (235, 150, 0), "missed": (215, 0, 45)}
_PIXELS = 96 / 25.4  # per mm of the sheets that are made here
_DOT = 5  # pixels, the radius


@dataclass(frozen=True)
class StandIn:
    """A sheet and the picture that the reader gets of it; ``turned`` by a quarter to the left or not."""

    name: str
    sheet: Sheet
    picture: Image.Image
    turned: bool = False

    def pixel(self, at: Point) -> tuple[float, float]:
        """Where a place on the sheet is on the picture."""
        width = self.picture.height if self.turned else self.picture.width
        x, y = (side * width / self.sheet.size[0] for side in at)
        return (y, self.picture.height - x) if self.turned else (x, y)


def stand_ins() -> Iterator[StandIn]:
    """All of them; the first is the one that nothing is the matter with."""
    sheet, _, _ = make_sheet(_ROW, _SEED, width=SIZE[0], height=SIZE[1])
    plain = draw_sheet(sheet, width=SIZE[0], height=SIZE[1])
    yield StandIn("plain", sheet, plain)
    yield StandIn("small", sheet, draw_sheet(sheet, width=SIZE[0] * 2 // 5, height=SIZE[1] * 2 // 5))
    yield StandIn("turned", sheet, plain.transpose(Image.Transpose.ROTATE_90), turned=True)
    yield StandIn("copied", sheet, _copied(plain))
    unnamed = replace(sheet, symbols=tuple(map(_without_value, sheet.symbols)))
    yield StandIn("unnamed", unnamed, draw_sheet(unnamed, width=SIZE[0], height=SIZE[1]))
    for name, made in (("dense", dense_sheet()), ("upright", upright_sheet())):
        width, height = (round(side * _PIXELS) for side in made.size)
        yield StandIn(name, made, draw_sheet(made, width=width, height=height))


def _copied(picture: Image.Image) -> Image.Image:
    """A picture as a messenger sends it: reduced to two thirds, compressed strongly, enlarged again."""
    data = io.BytesIO()
    small = picture.convert("RGB").resize((picture.width * 2 // 3, picture.height * 2 // 3))
    small.save(data, "JPEG", quality=30)
    return Image.open(data).resize(picture.size)


def _without_value(symbol: PlacedSymbol) -> PlacedSymbol:
    """A part whose value is not printed; power symbols keep theirs, which is their name."""
    if symbol.reference.startswith("#"):
        return symbol
    fields = tuple(replace(one, hidden=one.hidden or one.key == "Value") for one in symbol.properties)
    return replace(symbol, properties=fields)


def dense_sheet() -> Sheet:
    """Two chips that are joined by a bus with 16 series resistors at the closest distance that KiCad has."""
    count, pitch, top = 16, 2.54, 25.4
    symbols = [
        _chip("U1", "MCU_ST:STM32F103C8Tx", (45.72, top + pitch * 7.5)),
        _chip("U2", "Memory_RAM:IS62C256AL", (132.08, top + pitch * 7.5), mirror="y"),
    ]
    lines, entries, labels = [], [], []
    for number in range(count):
        y = top + pitch * number
        fields = (
            Property("Reference", f"R{number + 1}", (86.36, y), angle=90, style=_RIGHT),
            Property("Value", f"{22 + number % 3 * 11}R", (93.98, y), angle=90, style=_LEFT),
        )
        symbols.append(PlacedSymbol("Device:R", (90.17, y), angle=90, properties=fields))
        lines.append(Line(((60.96, y), (73.66, y))))
        entries.append(BusEntry((76.2, y + pitch), (-2.54, -pitch)))
        labels.append(Label(f"D{number}", (62.23, y), style=TextStyle(h_align="left", v_align="bottom")))
    bus = Line(((76.2, top), (76.2, top + pitch * count)), kind="bus")
    libraries = [_RESISTOR, *(_chip_drawing(symbol.lib_id, count) for symbol in symbols[:2])]
    return Sheet(
        size=(177.8, 88.9),
        paper="User",
        frame=False,
        lib_symbols={one.lib_id: one for one in libraries},
        symbols=tuple(symbols),
        lines=(bus, *lines),
        bus_entries=tuple(entries),
        labels=tuple(labels),
    )


def upright_sheet() -> Sheet:
    """Twelve resistors with texts that run upward."""
    values = ("1k", "4k7", "10k", "22k", "47k", "100k", "220R", "330R", "1M", "5k6", "8k2", "33R")
    symbols = tuple(
        PlacedSymbol("Device:R", at, properties=(reference, value))
        for number, shown in enumerate(values)
        for at in [(25.4 + 22.86 * (number % 6), 38.1 + 38.1 * (number // 6))]
        for reference in [Property("Reference", f"R{number + 1}", (at[0] - 2.54, at[1]), angle=90)]
        for value in [Property("Value", shown, (at[0] + 2.54, at[1]), angle=90)]
    )
    return Sheet(
        size=(165.1, 101.6),
        paper="User",
        frame=False,
        lib_symbols={_RESISTOR.lib_id: _RESISTOR},
        symbols=symbols,
    )


_RESISTOR = LibSymbol(
    lib_id="Device:R",
    properties=(Property("Reference", "R"), Property("Value", "R")),
    units=(
        SymbolUnit(0, 1, graphics=(Rectangle((-1.016, -2.54), (1.016, 2.54), width=0.254),)),
        SymbolUnit(1, 1, pins=(Pin("1", "~", (0, 3.81), 270, 1.27), Pin("2", "~", (0, -3.81), 90, 1.27))),
    ),
    pin_numbers_hidden=True,
    pin_name_offset=0,
)


def _chip(reference: str, lib_id: str, at: Point, mirror: str = "") -> PlacedSymbol:
    top = at[1] - 25.4
    fields = (
        Property("Reference", reference, (at[0], top)),
        Property("Value", lib_id.partition(":")[2], (at[0], top + 2.54)),
    )
    return PlacedSymbol(lib_id, at, mirror=mirror, properties=fields)


def _chip_drawing(lib_id: str, count: int) -> LibSymbol:
    """A box with as many pins on its right."""
    half = 1.27 * (count + 1)
    pins = tuple(
        Pin(str(number + 1), f"PA{number}", (15.24, 1.27 * (count - 1) - 2.54 * number), 180)
        for number in range(count)
    )
    box = Rectangle((-12.7, -half), (12.7, half), width=0.254, fill="background")
    return LibSymbol(
        lib_id=lib_id,
        properties=(Property("Reference", "U"), Property("Value", lib_id.partition(":")[2])),
        units=(SymbolUnit(0, 1, graphics=(box,)), SymbolUnit(1, 1, pins=pins)),
    )


def verdict(true: ListedSymbol, said: Sequence[ListedSymbol]) -> str:
    """``right``, ``partly`` (not with both value and symbol) or ``missed``."""
    found = [one for one in said if one.reference == true.reference]
    if any((one.value, one.name) == (true.value, true.name) for one in found):
        return "right"
    return "partly" if found else "missed"


def marked(one: StandIn, said: Sequence[ListedSymbol]) -> tuple[Image.Image, dict[str, list[str]]]:
    """The picture in few colours with a dot on each part, and the references by verdict."""
    picture = one.picture.convert("RGB").quantize(64)  # before the dots, which keep their colours so
    pen = ImageDraw.Draw(picture)
    verdicts: dict[str, list[str]] = {name: [] for name in _COLOURS}
    for placed, true in zip(one.sheet.symbols, listed_symbols(one.sheet), strict=True):
        if not true.is_part:
            continue
        judged = verdict(true, said)
        verdicts[judged].append(true.reference)
        x, y = one.pixel(placed.at)
        box = (x - _DOT, y - _DOT, x + _DOT, y + _DOT)
        pen.ellipse(box, fill=_COLOURS[judged], outline="white")
    return picture, verdicts


def main() -> None:
    """Write the pictures, record a line of each."""
    parse_no_arguments(__doc__)
    reader, limits = shipped_reader()
    PICTURES.mkdir(parents=True, exist_ok=True)
    for one in stand_ins():
        (sheet,) = open_sheets(f"{one.name}.png", encode_png(one.picture), limits)
        (reading,) = reader.read([sheet])
        parts = [symbol for symbol in reading.symbols if symbol.is_part]
        picture, verdicts = marked(one, parts)
        data = io.BytesIO()
        picture.save(data, "PNG", optimize=True)
        (PICTURES / f"{one.name}.png").write_bytes(data.getvalue())
        true = {reference for names in verdicts.values() for reference in names}
        figures = {name: len(names) for name, names in verdicts.items()}
        invented = sum(part.reference not in true for part in parts)
        print(verdicts, [(part.reference, part.value, part.name) for part in parts])
        record("failures", one.name, parts=len(true), **figures, invented=invented, readable=reading.readable)


if __name__ == "__main__":
    run(main)

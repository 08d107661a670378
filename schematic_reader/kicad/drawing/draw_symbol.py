"""Draw placed symbols: bodies, pins and fields, with KiCad's rules for text on turned symbols."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from schematic_reader.kicad.drawing.draw_pin import draw_pin, pin_ends
from schematic_reader.kicad.drawing.draw_text_box import draw_text_box
from schematic_reader.kicad.drawing.palette import GROUND, Ink, Tint, tinted
from schematic_reader.kicad.drawing.plotter import DEFAULT_PEN, Plotter, line_pen
from schematic_reader.kicad.drawing.raster import check_strokes
from schematic_reader.kicad.drawing.strokes import letter_width, text_height, text_width
from schematic_reader.kicad.geometry import (
    Orientation,
    arc_points,
    bezier_points,
    circle_points,
    orientation,
    place,
    quarter_turn,
    readable_alignment,
    rounded_corners,
)
from schematic_reader.kicad.model import (
    POWER_BY_VALUE,
    Arc,
    Bezier,
    Circle,
    Graphic,
    LibSymbol,
    Pin,
    PlacedSymbol,
    Point,
    Polyline,
    Property,
    Rectangle,
    Sheet,
    SymbolUnit,
    Text,
    TextBox,
    TextStyle,
)

_DNP_PEN = 3 * DEFAULT_PEN
_CROSS_MARGIN = 0.25  # mm by which KiCad's box around a body is larger than its outline
_PAIR_ROWS = 256  # boxes that are compared with all others at a time
_NEIGHBOUR_GAP = 0.32  # mm; KiCad's boxes around symbols are that much larger than what is measured here


def draw_symbols(plotter: Plotter, sheet: Sheet) -> None:
    """Draw all symbols of a sheet.

    Where the boxes of two symbols overlap KiCad plots their pins and fields once more at the end, to have
    them on top, which makes them darker.
    """
    drawings: list[_Drawing] = []
    count = 0
    for symbol in sheet.symbols:
        drawings.append(_drawing(sheet, symbol))
        count += drawings[-1].size
        check_strokes(count)
    for drawing, twice in zip(drawings, _overlapping([d.box() for d in drawings]), strict=True):
        drawing.draw_body(plotter)
        plotter.twice = twice
        drawing.draw_pins_and_fields(plotter)
        plotter.twice = False


def draw_symbol(plotter: Plotter, sheet: Sheet, symbol: PlacedSymbol) -> None:
    """Draw one placed symbol of a sheet; without its library symbol only the fields."""
    drawing = _drawing(sheet, symbol)
    drawing.draw_body(plotter)
    drawing.draw_pins_and_fields(plotter)


def _drawing(sheet: Sheet, symbol: PlacedSymbol) -> _Drawing:
    """The symbol as KiCad 9 shows it: power symbols of early files have their hidden pin's name as value."""
    library = sheet.lib_symbols.get(symbol.library_key)
    if library is not None and library.power and sheet.version < POWER_BY_VALUE:
        pins = [pin for unit in units_of(library, symbol.unit, symbol.style) for pin in unit.pins]
        if pins and pins[0].kind == "power_in" and pins[0].hidden:
            symbol = replace(symbol, instance_value=pins[0].name)
    return _Drawing(symbol, library, sheet.empty_texts)


def units_of(library: LibSymbol, unit: int, style: int) -> list[SymbolUnit]:
    """The drawn parts that make up one unit: its own and the common ones."""
    return [u for u in library.units if u.unit in (0, unit) and u.style in (0, style)]


def unit_letters(unit: int) -> str:
    """A, B, ... Z, AA, AB, ... for 1, 2, ..."""
    letters = ""
    while unit > 0:
        unit, rest = divmod(unit - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def shape_points(graphic: Graphic) -> list[Point]:
    """The outline of a shape as a polyline, closed where the shape is; nothing for a text."""
    match graphic:
        case Polyline():
            return list(graphic.points)
        case Rectangle(start=(x0, y0), end=(x1, y1), radius=radius):
            if radius > 0:
                return rounded_corners(graphic.start, graphic.end, radius)
            return [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
        case Circle():
            return circle_points(graphic.center, graphic.radius)
        case Arc():
            return arc_points(graphic.start, graphic.mid, graphic.end)
        case Bezier():
            return bezier_points(graphic.points)
    return []


def draw_shape(
    plotter: Plotter, graphic: Graphic, points: list[Point], ink: Ink, body: Ink | None = None
) -> None:
    """Fill and stroke a shape whose outline on the sheet is ``points``.

    ``body`` is the fill of symbols, None for free graphics. Colors of the shape's own count, but dimmed none.
    """
    if isinstance(graphic, Text | TextBox):
        return
    dimmed = ink == Ink.DIMMED
    paint = ink if dimmed else tinted(ink, graphic.color)
    if graphic.fill == "background" or (graphic.fill == "color" and dimmed):
        plotter.fill(Ink.BODY if body is None else body, points)
    elif graphic.fill == "outline":
        plotter.fill(paint, points)
    elif graphic.fill == "color" and graphic.fill_color:
        plotter.fill(Tint(GROUND if body is None else body, graphic.fill_color), points)
    if graphic.width >= 0:
        plotter.polyline(paint, points, line_pen(graphic.width), graphic.dash)


class _PlacedText(NamedTuple):
    """A text of a symbol as it stands on the sheet: always readable from below or from the right."""

    text: str
    at: Point
    style: TextStyle
    vertical: bool
    h_align: str
    v_align: str

    def box(self) -> tuple[Point, Point]:
        """Two opposite corners of the text's box, in mm."""
        width = text_width(self.text) * letter_width(self.style)
        height = text_height(self.text) * self.style.size
        left = {"left": 0.0, "center": -width / 2, "right": -width}[self.h_align]
        top = {"top": 0.0, "center": -height / 2, "bottom": -height}[self.v_align]
        (x, y), right, bottom = self.at, left + width, top + height
        if self.vertical:
            return (x + top, y - left), (x + bottom, y - right)
        return (x + left, y + top), (x + right, y + bottom)


def _placed_text(text: str, at: Point, angle: float, style: TextStyle, turn: Orientation) -> _PlacedText:
    """Turn a text with its symbol; ``at`` is the anchor on the sheet."""
    turned = quarter_turn(angle) % 180 == 90
    # The directions of the text's line and of its top, on the sheet (y downward).
    along = (turn.b, turn.d) if turned else (turn.a, turn.c)
    top = (-turn.a, -turn.c) if turned else (turn.b, turn.d)
    return _PlacedText(text, at, style, along[0] == 0, *readable_alignment(style, along, top))


class _Drawing:
    """A placed symbol and its library symbol, which may be missing: then only fields are drawn."""

    def __init__(self, symbol: PlacedSymbol, library: LibSymbol | None, empty_texts: tuple[str, ...]) -> None:
        self.symbol = symbol
        self.empty_texts = empty_texts
        self.library = library
        self.turn = orientation(symbol.angle, symbol.mirror)
        self.graphics: list[tuple[Graphic, list[Point]]] = []
        self.pins: list[tuple[Point, Point]] = []
        if library is not None:
            for unit in units_of(library, symbol.unit, symbol.style):
                for graphic in unit.graphics:
                    points = [place(point, symbol.at, self.turn) for point in shape_points(graphic)]
                    self.graphics.append((graphic, points))
                self.pins += [pin_ends(pin, symbol.at, self.turn) for pin in unit.pins if not pin.hidden]
        self.fields = [
            (prop, _placed_text(text, prop.at, prop.angle, prop.style, self.turn))
            for prop in symbol.properties
            if not prop.hidden and (text := self._shown_value(prop))
        ]

    def _shown_value(self, prop: Property) -> str:
        """The text that KiCad prints for a field: the reference of one unit of several has its letter."""
        text = prop.value
        if prop.key == "Value":
            text = self.symbol.instance_value or text
        if text in self.empty_texts:
            return ""
        if prop.key == "Reference":
            text = self.symbol.designator
            units = self.library.units if self.library is not None else ()
            if max((unit.unit for unit in units), default=0) > 1:
                text += unit_letters(self.symbol.unit)
        return f"{prop.key}: {text}" if prop.show_name else text

    def _shown_pin(self, pin: Pin) -> Pin:
        """The pin in its chosen function, without a name or number that stands for none."""
        pin = self.symbol.pin_as_used(pin)
        if pin.name in self.empty_texts or pin.number in self.empty_texts:
            name = "" if pin.name in self.empty_texts else pin.name
            return replace(pin, name=name, number="" if pin.number in self.empty_texts else pin.number)
        return pin

    @property
    def size(self) -> int:
        """Corners of shapes, pins and fields, and the symbol itself: what it takes memory for."""
        return 1 + sum(len(points) for _, points in self.graphics) + len(self.pins) + len(self.fields)

    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of body, pins and fields on the sheet, in mm."""
        points = [self.symbol.at]
        for _, outline in self.graphics:
            points += outline
        for ends in self.pins:
            points += ends
        for _, text in self.fields:
            points += text.box()
        return _bounds(points)

    def draw_body(self, plotter: Plotter) -> None:
        ink, body = (Ink.DIMMED, Ink.DIMMED_BODY) if self.symbol.dnp else (Ink.SYMBOL, Ink.BODY)
        for graphic, points in self.graphics:
            if isinstance(graphic, Text):
                anchor = place(graphic.at, self.symbol.at, self.turn)
                text = _placed_text(graphic.text, anchor, graphic.angle, graphic.style, self.turn)
                _draw_text(plotter, ink, text)
            elif isinstance(graphic, TextBox):
                draw_text_box(plotter, self._placed_box(graphic), ink)
            else:
                draw_shape(plotter, graphic, points, ink, body)
        outline = [point for _, points in self.graphics for point in points]
        if self.symbol.dnp and outline:
            self._draw_cross(plotter, outline)

    def _placed_box(self, box: TextBox) -> TextBox:
        """A text box of the library symbol as it stands on the sheet; its text stays readable."""
        (x, y), (width, height) = box.at, box.size
        corners = (place(corner, self.symbol.at, self.turn) for corner in ((x, y), (x + width, y + height)))
        left, top, right, bottom = _bounds(corners)
        turned = 90.0 if self.turn.a == 0 else 0.0
        return replace(box, at=(left, top), size=(right - left, bottom - top), angle=box.angle + turned)

    def draw_pins_and_fields(self, plotter: Plotter) -> None:
        symbol = self.symbol
        if self.library is not None:
            for unit in units_of(self.library, symbol.unit, symbol.style):
                for pin in unit.pins:
                    if not pin.hidden:
                        draw_pin(plotter, self._shown_pin(pin), self.library, symbol, self.turn)
        for prop, text in self.fields:
            ink = Ink.TEXT if prop.key in ("Reference", "Value") else Ink.FIELD
            _draw_text(plotter, Ink.DIMMED if symbol.dnp else ink, text)

    def _draw_cross(self, plotter: Plotter, outline: list[Point]) -> None:
        """The cross over a symbol that is not populated, a little larger than its body."""
        x0, y0, x1, y1 = _bounds(outline)
        left, top, right, bottom = _bounds([*outline, *(end for ends in self.pins for end in ends)])
        margin_x, margin_y = max(x0 - left, right - x1), max(y0 - top, bottom - y1)
        grow_x = max(margin_x * 0.6, margin_y * 0.3) + _CROSS_MARGIN
        grow_y = max(margin_y * 0.6, grow_x * 0.3) + _CROSS_MARGIN
        x0, y0, x1, y1 = x0 - grow_x, y0 - grow_y, x1 + grow_x, y1 + grow_y
        plotter.polyline(Ink.DNP, [(x0, y0), (x1, y1)], _DNP_PEN)
        plotter.polyline(Ink.DNP, [(x1, y0), (x0, y1)], _DNP_PEN)


def _draw_text(plotter: Plotter, ink: Ink, text: _PlacedText) -> None:
    plotter.text(
        ink,
        text.text,
        text.at,
        text.style,
        vertical=text.vertical,
        align=(text.h_align, text.v_align),
    )


def _bounds(points: Iterable[Point]) -> tuple[float, float, float, float]:
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _overlapping(boxes: list[tuple[float, float, float, float]]) -> list[bool]:
    """For each box, whether another one overlaps it or almost touches it."""
    if not boxes:
        return []
    left, top, right, bottom = np.array(boxes).T
    far_right, far_bottom = right + _NEIGHBOUR_GAP, bottom + _NEIGHBOUR_GAP
    found = np.zeros(len(boxes), dtype=np.bool_)
    waiting = np.arange(len(boxes))
    while len(waiting):  # some rows of all pairs at a time: those of which no overlap is known yet
        rows, waiting = waiting[:_PAIR_ROWS], waiting[_PAIR_ROWS:]
        meet = (left[rows, None] <= far_right) & (left <= far_right[rows, None])
        meet &= (top[rows, None] <= far_bottom) & (top <= far_bottom[rows, None])
        meet[np.arange(len(rows)), rows] = False
        found[rows] |= meet.any(axis=1)
        found |= meet.any(axis=0)
        waiting = waiting[~found[waiting]]
    answer: list[bool] = found.tolist()
    return answer

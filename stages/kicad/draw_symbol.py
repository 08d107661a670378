"""Draw placed symbols: bodies, pins and fields, with KiCad's rules for text on turned symbols."""

from __future__ import annotations

from .geometry import Orientation, arc_points, bezier_points, circle_points, orientation, quarter_turn
from .model import (
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
    SymbolUnit,
    Text,
    TextBox,
)
from .palette import Ink
from .plotter import DEFAULT_PEN, Plotter, text_pen
from .strokes import text_height, text_width

_PIN_TEXT_MARGIN = 0.1016 + DEFAULT_PEN  # mm between a pin and the text along it
_PIN_SHAPE_SIZE = 0.635  # mm: radius of an inversion circle, half height of a clock wedge
_NO_CONNECT_PIN = 0.381  # mm: half the cross at the end of an unconnected pin
_DNP_PEN = 3 * DEFAULT_PEN
_FIELD_INFLATION = 2.5  # pen widths by which KiCad's box around a field is larger than its text
_FIELD_LIFT = 0.415 / 1.17  # of the box height: from the anchor of a top or bottom text to its middle


def draw_symbol(plotter: Plotter, symbol: PlacedSymbol, library: LibSymbol | None) -> None:
    """Draw one placed symbol; without its library symbol only the fields."""
    turn = orientation(symbol.angle, symbol.mirror)
    if library is not None:
        body: list[Point] = []
        ends: list[Point] = []
        for unit in units_of(library, symbol.unit, symbol.style):
            for graphic in unit.graphics:
                body += _draw_graphic(plotter, graphic, symbol.at, turn, dimmed=symbol.dnp)
            for pin in unit.pins:
                if not pin.hidden:
                    ends += _draw_pin(plotter, pin, library, symbol.at, turn, dimmed=symbol.dnp)
        if symbol.dnp and body:
            _draw_cross(plotter, body, body + ends)
    for prop in symbol.properties:
        if not prop.hidden:
            _draw_field(plotter, prop, symbol, library, turn)


def units_of(library: LibSymbol, unit: int, style: int) -> list[SymbolUnit]:
    """The drawn parts that make up one unit: its own and the common ones."""
    return [u for u in library.units if u.unit in (0, unit) and u.style in (0, style)]


def pin_position(symbol: PlacedSymbol, pin: Pin) -> Point:
    """Where on the sheet the electrical end of a pin of a placed symbol lies, in mm."""
    return _place(pin.at, symbol.at, orientation(symbol.angle, symbol.mirror))


def _place(point: Point, at: Point, turn: Orientation) -> Point:
    x, y = point
    return at[0] + turn.a * x + turn.b * y, at[1] + turn.c * x + turn.d * y


def _outline(graphic: Graphic) -> list[Point]:
    """A shape as a polyline, closed where the shape is."""
    if isinstance(graphic, Polyline):
        return list(graphic.points)
    if isinstance(graphic, Rectangle):
        (x0, y0), (x1, y1) = graphic.start, graphic.end
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    if isinstance(graphic, Circle):
        return circle_points(graphic.center, graphic.radius)
    if isinstance(graphic, Arc):
        return arc_points(graphic.start, graphic.mid, graphic.end)
    if isinstance(graphic, Bezier):
        return bezier_points(graphic.points)
    return []


def draw_shape(
    plotter: Plotter, graphic: Graphic, points: list[Point], ink: Ink, body: Ink = Ink.BODY
) -> None:
    """Fill and stroke a shape whose outline on the sheet is ``points``."""
    if isinstance(graphic, Text | TextBox):
        return
    if graphic.fill == "background":
        plotter.fill(body, points)
    elif graphic.fill == "outline":
        plotter.fill(ink, points)
    if graphic.width >= 0:
        plotter.polyline(ink, points, graphic.width or DEFAULT_PEN, graphic.dash)


def shape_points(graphic: Graphic) -> list[Point]:
    """The outline of a graphic that stands on the sheet itself."""
    return _outline(graphic)


def _draw_graphic(
    plotter: Plotter, graphic: Graphic, at: Point, turn: Orientation, *, dimmed: bool
) -> list[Point]:
    """Draw a graphic of a symbol and give its outline on the sheet."""
    ink = Ink.DIMMED if dimmed else Ink.SYMBOL
    if isinstance(graphic, Text):
        _draw_text(plotter, graphic, at, turn, ink)
        return []
    points = [_place(point, at, turn) for point in _outline(graphic)]
    draw_shape(plotter, graphic, points, ink, Ink.DIMMED_BODY if dimmed else Ink.BODY)
    return points


def _draw_text(plotter: Plotter, text: Text, at: Point, turn: Orientation, ink: Ink) -> None:
    style = text.style
    vertical = (quarter_turn(text.angle) % 180 == 90) == turn.upright
    pen = text_pen(style.size, bold=style.bold, thickness=style.thickness)
    dx, dy = _center_offset(text.text, style.size, pen, style.h_align, style.v_align)
    if quarter_turn(text.angle) % 180 == 90:
        dx, dy = dy, -dx
    center = _place((text.at[0] + dx, text.at[1] - dy), at, turn)
    plotter.text(
        ink,
        text.text,
        center,
        style.size,
        vertical=vertical,
        h_align="center",
        pen=pen,
        italic=style.italic,
    )


def _center_offset(text: str, size: float, pen: float, h_align: str, v_align: str) -> Point:
    """From the anchor of a horizontal text to the middle of KiCad's box around it, y downward, in mm."""
    width = text_width(text) * size + _FIELD_INFLATION * pen
    height = (text_height(text) - 0.17) * size + _FIELD_INFLATION * pen
    dx = {"left": width / 2, "center": 0.0, "right": -width / 2}[h_align]
    dy = {"top": 0.415 * height, "center": 0.0, "bottom": -0.415 * height}[v_align]
    return dx, dy


def _draw_pin(
    plotter: Plotter, pin: Pin, library: LibSymbol, at: Point, turn: Orientation, *, dimmed: bool
) -> list[Point]:
    """Draw a pin with its name and number, and give its two ends on the sheet."""
    end = _place(pin.at, at, turn)
    ux, uy = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[quarter_turn(pin.angle)]
    dx, dy = turn.a * ux + turn.b * uy, turn.c * ux + turn.d * uy
    root = (end[0] + dx * pin.length, end[1] + dy * pin.length)
    ink = Ink.DIMMED if dimmed else Ink.SYMBOL
    _draw_pin_shape(plotter, pin, end, root, dx, dy, ink)

    name = "" if library.pin_names_hidden or pin.name == "~" else pin.name
    number = "" if library.pin_numbers_hidden or pin.number == "~" else pin.number
    name_ink = Ink.DIMMED if dimmed else Ink.TEXT
    number_ink = Ink.DIMMED if dimmed else Ink.PIN_NUMBER
    vertical = dx == 0
    middle = ((end[0] + root[0]) / 2, (end[1] + root[1]) / 2)

    def along(ink: Ink, text: str, size: float, side: int) -> None:
        """Text along the pin: on the left of a vertical pin or above it (-1), or on the other side."""
        shift = side * _PIN_TEXT_MARGIN
        place = (middle[0] + shift, middle[1]) if vertical else (middle[0], middle[1] + shift)
        v_align = "bottom" if side < 0 else "top"
        plotter.text(ink, text, place, size, vertical=vertical, h_align="center", v_align=v_align)

    if name and pin.name_size > 0:
        if library.pin_name_offset > 0:
            offset = library.pin_name_offset
            place = (root[0] + dx * offset, root[1] + dy * offset)
            h_align = "left" if dx > 0 or dy < 0 else "right"
            plotter.text(name_ink, name, place, pin.name_size, vertical=vertical, h_align=h_align)
        else:
            along(name_ink, name, pin.name_size, -1)
    if number and pin.number_size > 0:
        below = bool(name) and library.pin_name_offset <= 0
        along(number_ink, number, pin.number_size, 1 if below else -1)
    return [end, root]


def _draw_pin_shape(plotter: Plotter, pin: Pin, end: Point, root: Point, dx: int, dy: int, ink: Ink) -> None:
    """The pin's line and the signs of its shape; (dx, dy) points from the end to the body."""
    r = _PIN_SHAPE_SIZE

    def offset(forward: float, side: float) -> Point:
        """A point from the root: ``forward`` into the body, ``side`` to the right of that."""
        return root[0] + dx * forward - dy * side, root[1] + dy * forward + dx * side

    start = root
    if pin.shape in ("inverted", "inverted_clock"):
        plotter.circle(ink, offset(-r, 0), r)
        start = offset(-2 * r, 0)
    elif pin.shape == "edge_clock_high":
        plotter.polyline(ink, [offset(0, r), offset(-2 * r, 0), offset(0, -r)])
        start = offset(-2 * r, 0)
    plotter.polyline(ink, [start, end])
    if pin.shape in ("clock", "inverted_clock", "clock_low"):
        plotter.polyline(ink, [offset(0, r), offset(2 * r, 0), offset(0, -r)])
    # KiCad draws the wedges of low levels above horizontal pins and left of vertical ones.
    up = 2 * r if (dx, dy) in ((-1, 0), (0, 1)) else -2 * r
    if pin.shape in ("input_low", "clock_low"):
        plotter.polyline(ink, [offset(-2 * r, 0), offset(-2 * r, up), root])
    elif pin.shape == "output_low":
        plotter.polyline(ink, [offset(0, up), offset(-2 * r, 0)])
    elif pin.shape == "non_logic":
        plotter.polyline(ink, [offset(-r, -r), offset(r, r)])
        plotter.polyline(ink, [offset(-r, r), offset(r, -r)])
    if pin.kind == "no_connect":
        s = _NO_CONNECT_PIN
        for sign in (1, -1):
            a, b = (end[0] - s, end[1] - s * sign), (end[0] + s, end[1] + s * sign)
            plotter.polyline(ink, [a, b])


def _draw_cross(plotter: Plotter, body: list[Point], whole: list[Point]) -> None:
    """The cross over a symbol that is not populated, a little larger than its body."""
    low, high = [min(p[i] for p in body) for i in (0, 1)], [max(p[i] for p in body) for i in (0, 1)]
    margin = [max(low[i] - min(p[i] for p in whole), max(p[i] for p in whole) - high[i]) for i in (0, 1)]
    grow_x = max(margin[0] * 0.6, margin[1] * 0.3)
    grow_y = max(margin[1] * 0.6, grow_x * 0.3)
    x0, x1, y0, y1 = low[0] - grow_x, high[0] + grow_x, low[1] - grow_y, high[1] + grow_y
    plotter.polyline(Ink.DNP, [(x0, y0), (x1, y1)], _DNP_PEN)
    plotter.polyline(Ink.DNP, [(x1, y0), (x0, y1)], _DNP_PEN)


def _draw_field(
    plotter: Plotter, prop: Property, symbol: PlacedSymbol, library: LibSymbol | None, turn: Orientation
) -> None:
    """A field stays readable however the symbol lies: KiCad turns the box around it and centres in it."""
    text = shown_value(prop, symbol, library)
    if not text:
        return
    style = prop.style
    pen = text_pen(style.size, bold=style.bold, thickness=style.thickness)
    turned = quarter_turn(prop.angle) % 180 == 90
    dx, dy = _center_offset(text, style.size, pen, style.h_align, style.v_align)
    if turned:
        dx, dy = dy, -dx
    x, y = _place((dx, -dy), prop.at, turn)
    ink = Ink.TEXT if prop.key in ("Reference", "Value") else Ink.FIELD
    if symbol.dnp:
        ink = Ink.DIMMED
    plotter.text(
        ink,
        text,
        (x, y),
        style.size,
        vertical=turned == turn.upright,
        h_align="center",
        pen=pen,
        italic=style.italic,
    )


def shown_value(prop: Property, symbol: PlacedSymbol, library: LibSymbol | None) -> str:
    """What KiCad prints for a field: references of one unit of several get its letter."""
    text = prop.value
    if text in ("", "~"):
        return ""
    if prop.key == "Reference" and library is not None and unit_count(library) > 1:
        text += unit_letters(symbol.unit)
    return f"{prop.key}: {text}" if prop.show_name else text


def unit_count(library: LibSymbol) -> int:
    """How many units a symbol has, the common part not counted."""
    return max((unit.unit for unit in library.units), default=0)


def unit_letters(unit: int) -> str:
    """A, B, ... Z, AA, AB, ... for 1, 2, ..."""
    letters = ""
    while unit > 0:
        unit, rest = divmod(unit - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters

"""Draw the pins of placed symbols: the line, the signs of its shape, name and number."""

from __future__ import annotations

from schematic_reader.kicad.drawing.palette import Ink
from schematic_reader.kicad.drawing.plotter import DEFAULT_PEN, Plotter
from schematic_reader.kicad.geometry import Orientation, place, quarter_turn
from schematic_reader.kicad.model import LibSymbol, Pin, PlacedSymbol, Point, TextStyle

_TEXT_MARGIN = 0.1016 + DEFAULT_PEN  # mm between a pin and the text along it
_SHAPE_SIZE = 0.635  # mm: radius of an inversion circle, half height of a clock wedge
_NO_CONNECT = 0.381  # mm: half the cross at the end of an unconnected pin

# Unit vectors of a pin's angle in the symbol (y upward).
_DIRECTIONS = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}


def pin_ends(pin: Pin, at: Point, turn: Orientation) -> tuple[Point, Point]:
    """The electrical end of a pin and its end at the body, on the sheet, for a symbol placed at ``at``."""
    ux, uy = _DIRECTIONS[quarter_turn(pin.angle)]
    (x, y), length = pin.at, pin.length
    return place(pin.at, at, turn), place((x + ux * length, y + uy * length), at, turn)


def draw_pin(plotter: Plotter, pin: Pin, library: LibSymbol, symbol: PlacedSymbol, turn: Orientation) -> None:
    """Draw a pin of a placed symbol."""
    end, root = pin_ends(pin, symbol.at, turn)
    dimmed = symbol.dnp
    ux, uy = _DIRECTIONS[quarter_turn(pin.angle)]
    dx, dy = turn.a * ux + turn.b * uy, turn.c * ux + turn.d * uy
    _draw_line(plotter, pin, end, root, dx, dy, Ink.DIMMED if dimmed else Ink.SYMBOL)

    name = "" if library.pin_names_hidden or pin.name_size <= 0 else pin.name
    number = "" if library.pin_numbers_hidden or pin.number_size <= 0 else pin.number
    name_ink = Ink.DIMMED if dimmed else Ink.TEXT
    number_ink = Ink.DIMMED if dimmed else Ink.PIN_NUMBER
    offset = library.pin_name_offset
    vertical = dx == 0
    middle = ((end[0] + root[0]) / 2, (end[1] + root[1]) / 2)
    # Text along a pin stands above it, or left of a vertical pin; a number gives way to a name there.
    near = (middle[0] - _TEXT_MARGIN, middle[1]) if vertical else (middle[0], middle[1] - _TEXT_MARGIN)
    far = (middle[0] + _TEXT_MARGIN, middle[1]) if vertical else (middle[0], middle[1] + _TEXT_MARGIN)
    if name and offset > 0:
        plotter.text(
            name_ink,
            name,
            (root[0] + dx * offset, root[1] + dy * offset),
            TextStyle(pin.name_size),
            vertical=vertical,
            align=("left" if dx > 0 or dy < 0 else "right", "center"),
        )
    elif name:
        plotter.text(
            name_ink, name, near, TextStyle(pin.name_size), vertical=vertical, align=("center", "bottom")
        )
    if number:
        below = bool(name) and offset <= 0
        plotter.text(
            number_ink,
            number,
            far if below else near,
            TextStyle(pin.number_size),
            vertical=vertical,
            align=("center", "top" if below else "bottom"),
        )


def _draw_line(plotter: Plotter, pin: Pin, end: Point, root: Point, dx: int, dy: int, ink: Ink) -> None:
    """The pin's line and the signs of its shape; (dx, dy) points from the end to the body."""
    r = _SHAPE_SIZE

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
    # The wedges of low levels stand above horizontal pins and left of vertical ones.
    up = 2 * r if (dx, dy) in ((-1, 0), (0, 1)) else -2 * r
    if pin.shape in ("input_low", "clock_low"):
        plotter.polyline(ink, [offset(-2 * r, 0), offset(-2 * r, up), root])
    elif pin.shape == "output_low":
        plotter.polyline(ink, [offset(0, up), offset(-2 * r, 0)])
    elif pin.shape == "non_logic":
        plotter.polyline(ink, [offset(-r, -r), offset(r, r)])
        plotter.polyline(ink, [offset(-r, r), offset(r, -r)])
    if pin.kind == "no_connect":
        (x, y), s = end, _NO_CONNECT
        plotter.polyline(ink, [(x - s, y - s), (x + s, y + s)])
        plotter.polyline(ink, [(x - s, y + s), (x + s, y - s)])

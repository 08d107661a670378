"""A sheet's layout turned or mirrored: the same circuit as another designer might lay it out.

Symbols, wires and places of texts turn; texts stay readable, as in KiCad: from below or from the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from schematic_reader.kicad.geometry import (
    DIRECTIONS,
    Orientation,
    orientation,
    quarter_turn,
    readable_alignment,
)
from schematic_reader.kicad.model import (
    Arc,
    Bezier,
    BusEntry,
    Circle,
    EmbeddedPicture,
    Graphic,
    Label,
    Line,
    PlacedSymbol,
    Point,
    Polyline,
    Property,
    Rectangle,
    Sheet,
    SheetBox,
    SheetPin,
    Text,
    TextBox,
    TextStyle,
)

LAYOUTS = 8
"""Four quarter turns, each mirrored or not; layout 0 is the sheet as it is."""

_ANGLES: dict[Point, int] = {direction: angle for angle, direction in DIRECTIONS.items()}
_PLACEMENTS = {orientation(a, m): (float(a), m) for m in ("", "x") for a in (0, 90, 180, 270)}


def turned(sheet: Sheet, layout: int) -> Sheet:
    """The sheet in one of ``LAYOUTS``: mirrored left to right from 4 on, then ``layout % 4`` left turns.

    A sheet with tables, whose cells have an order, comes back as it is.
    """
    if sheet.tables or not layout % LAYOUTS:
        return sheet
    return _Turn(layout % 4, layout % LAYOUTS >= 4, sheet.size).sheet(sheet)


@dataclass(frozen=True, slots=True)
class _Turn:
    """Maps places of a sheet with that ``paper``, width and height in mm, to those of the turned sheet."""

    quarters: int
    mirrored: bool
    paper: Point

    def vector(self, vector: Point) -> Point:
        """A direction, or a distance along both axes."""
        x, y = (-vector[0], vector[1]) if self.mirrored else vector
        for _ in range(self.quarters):
            x, y = y, -x
        return x, y

    @property
    def size(self) -> Point:
        """Of the turned sheet's paper."""
        return self.paper[::-1] if self.quarters % 2 else self.paper

    def point(self, point: Point) -> Point:
        x, y = self.vector((point[0] - self.paper[0] / 2, point[1] - self.paper[1] / 2))
        return round(x + self.size[0] / 2, 6), round(y + self.size[1] / 2, 6)

    def points(self, points: Sequence[Point]) -> tuple[Point, ...]:
        return tuple(map(self.point, points))

    def box(self, at: Point, size: Point) -> tuple[Point, Point]:
        """Corner and size of a box."""
        (x0, y0), (x1, y1) = self.points((at, (at[0] + size[0], at[1] + size[1])))
        return (min(x0, x1), min(y0, y1)), (abs(x1 - x0), abs(y1 - y0))

    def angle(self, angle: float, ahead: int = 0) -> float:
        """Of what points to ``angle + ahead`` degrees, as labels do."""
        x, y = self.vector(DIRECTIONS[(quarter_turn(angle) + ahead) % 360])
        return float((_ANGLES[x, y] - ahead) % 360)

    def text_angle(self, angle: float) -> float:
        """Of a text that is read from below or from the right."""
        return float((quarter_turn(angle) + 90 * self.quarters) % 180)

    def style(self, style: TextStyle, angle: float) -> TextStyle:
        """Of a text of that angle, which sits on the side of its anchor that the turn brings it to."""
        line = quarter_turn(angle) % 180
        along, top = (self.vector(DIRECTIONS[way]) for way in (line, line + 90))
        h_align, v_align = readable_alignment(style, along, top)
        return replace(style, h_align=h_align, v_align=v_align)

    def sheet(self, sheet: Sheet) -> Sheet:
        return replace(
            sheet,
            size=self.size,
            symbols=tuple(map(self.symbol, sheet.symbols)),
            lines=tuple(map(self.line, sheet.lines)),
            bus_entries=tuple(map(self.bus_entry, sheet.bus_entries)),
            junctions=self.points(sheet.junctions),
            no_connects=self.points(sheet.no_connects),
            labels=tuple(map(self.label, sheet.labels)),
            graphics=tuple(map(self.graphic, sheet.graphics)),
            sheets=tuple(map(self.sheet_box, sheet.sheets)),
            rule_areas=tuple(
                replace(area, outline=replace(area.outline, points=self.points(area.outline.points)))
                for area in sheet.rule_areas
            ),
            pictures=tuple(map(self.picture, sheet.pictures)),
        )

    def symbol(self, symbol: PlacedSymbol) -> PlacedSymbol:
        """Its fields' angles and alignments are relative to it, and so stay."""
        before = orientation(symbol.angle, symbol.mirror)
        (a, c), (b, d) = self.vector((before.a, before.c)), self.vector((before.b, before.d))
        angle, mirror = _PLACEMENTS[Orientation(int(a), int(b), int(c), int(d))]
        fields = tuple(replace(field, at=self.point(field.at)) for field in symbol.properties)
        return replace(symbol, at=self.point(symbol.at), angle=angle, mirror=mirror, properties=fields)

    def line(self, line: Line) -> Line:
        return replace(line, points=self.points(line.points))

    def bus_entry(self, entry: BusEntry) -> BusEntry:
        return replace(entry, at=self.point(entry.at), size=self.vector(entry.size))

    def label(self, label: Label) -> Label:
        ahead = 90 if label.kind == "directive" else 0  # one of angle 0 points upward
        return replace(
            label,
            at=self.point(label.at),
            angle=self.angle(label.angle, ahead),
            properties=tuple(map(self.field, label.properties)),
        )

    def field(self, field: Property) -> Property:
        """One of a label or a sheet box, whose angle is its own."""
        return replace(
            field,
            at=self.point(field.at),
            angle=self.text_angle(field.angle),
            style=self.style(field.style, field.angle),
        )

    def sheet_box(self, box: SheetBox) -> SheetBox:
        at, size = self.box(box.at, box.size)
        return replace(
            box,
            at=at,
            size=size,
            properties=tuple(map(self.field, box.properties)),
            pins=tuple(map(self.sheet_pin, box.pins)),
        )

    def sheet_pin(self, pin: SheetPin) -> SheetPin:
        return replace(pin, at=self.point(pin.at), angle=self.angle(pin.angle))

    def picture(self, picture: EmbeddedPicture) -> EmbeddedPicture:
        return replace(picture, at=self.point(picture.at))

    def graphic(self, item: Graphic) -> Graphic:
        match item:
            case Polyline() | Bezier():
                return replace(item, points=self.points(item.points))
            case Rectangle():
                return replace(item, start=self.point(item.start), end=self.point(item.end))
            case Circle():
                return replace(item, center=self.point(item.center))
            case Arc():
                start, mid, end = self.points((item.start, item.mid, item.end))
                return replace(item, start=start, mid=mid, end=end)
            case Text():
                return replace(
                    item,
                    at=self.point(item.at),
                    angle=self.text_angle(item.angle),
                    style=self.style(item.style, item.angle),
                )
            case TextBox():
                at, size = self.box(item.at, item.size)
                return replace(item, at=at, size=size, angle=self.text_angle(item.angle))

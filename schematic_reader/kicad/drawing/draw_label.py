"""Draw net labels, net class flags and sheet boxes with their pins."""

from __future__ import annotations

from dataclasses import replace

from schematic_reader.kicad.drawing.palette import GROUND, Ink, Tint, tinted
from schematic_reader.kicad.drawing.plotter import DEFAULT_PEN, Plotter, text_pen
from schematic_reader.kicad.drawing.strokes import letter_width, text_width
from schematic_reader.kicad.geometry import DIRECTIONS, quarter_turn
from schematic_reader.kicad.model import Label, Point, SheetBox, SheetPin, TextStyle

_TEXT_OFFSET = 0.15  # of the text size: from a wire to the label on it
_BOX_MARGIN = 0.375  # of the text size: from the text to the outline of a global label
_BOX_DROP = 0.0715  # of the text size: global labels sit lower, for an overbar
_FLAG_SIZE = 0.508  # mm

# The outline of a hierarchical label whose text is on the right, in half text sizes.
_OUTLINES: dict[str, tuple[Point, ...]] = {
    "input": ((0, 0), (1, 1), (2, 1), (2, -1), (1, -1), (0, 0)),
    "output": ((2, 0), (1, 1), (0, 1), (0, -1), (1, -1), (2, 0)),
    "bidirectional": ((0, 0), (1, 1), (2, 0), (1, -1), (0, 0)),
    "tri_state": ((0, 0), (1, 1), (2, 0), (1, -1), (0, 0)),
    "passive": ((0, 1), (2, 1), (2, -1), (0, -1), (0, 1)),
}
# A sheet pin shows the other side of the connection.
_SHEET_PIN_SHAPES = {"input": "output", "output": "input"}


def draw_label(plotter: Plotter, label: Label) -> None:
    """Draw a label of any kind with its visible fields."""
    if label.kind == "global":
        _draw_global(plotter, label)
    elif label.kind == "hierarchical":
        _draw_tag(plotter, Ink.HIERARCHICAL_LABEL, label, label.shape)
    elif label.kind == "directive":
        _draw_flag(plotter, label)
    else:
        _draw_local(plotter, label)
    for prop in label.properties:
        # Intersheetrefs are page numbers that only a whole project knows.
        if not prop.hidden and prop.value and prop.key != "Intersheetrefs":
            style = prop.style
            plotter.text(
                Ink.FIELD,
                f"{prop.key}: {prop.value}" if prop.show_name else prop.value,
                prop.at,
                style,
                vertical=quarter_turn(prop.angle) % 180 == 90,
                align=(style.h_align, style.v_align),
            )


def _text(plotter: Plotter, ink: Ink, label: Label | SheetPin, text: str, at: Point, v_align: str) -> None:
    """The text of a label, running away from the anchor."""
    dx, dy = DIRECTIONS[quarter_turn(label.angle)]
    style = label.style
    plotter.text(
        ink,
        text,
        at,
        style,
        vertical=dx == 0,
        align=("left" if dx > 0 or dy < 0 else "right", v_align),
    )


def _outline_pen(style: TextStyle) -> float:
    """The pen of a label's outline: that of its text, but for a thickness given to it."""
    return text_pen(replace(style, thickness=0.0))


def _draw_local(plotter: Plotter, label: Label) -> None:
    style = label.style
    rise = _TEXT_OFFSET * style.size + _outline_pen(style)
    x, y = label.at
    vertical = quarter_turn(label.angle) % 180 == 90
    at = (x - rise, y) if vertical else (x, y - rise)
    _text(plotter, Ink.LABEL, label, label.text, at, "bottom")


def _draw_global(plotter: Plotter, label: Label) -> None:
    style = label.style
    size, pen = style.size, _outline_pen(style)
    dx, dy = DIRECTIONS[quarter_turn(label.angle)]
    margin = _BOX_MARGIN * size
    half = size / 2 + margin
    # KiCad's box around a text is 2.5 pens wider than the text itself.
    length = text_width(label.text) * letter_width(style) + 2.5 * pen + 2 * margin + pen
    height = half + pen
    points_in = label.shape in ("input", "bidirectional", "tri_state")
    points_out = label.shape in ("output", "bidirectional", "tri_state")
    start = half if points_in else 0.0
    end = start + length
    outline = [(0.0, 0.0), (start, height), (end, height), (end, -height), (start, -height), (0.0, 0.0)]
    if points_out:
        outline.insert(3, (end + half, 0.0))
    x, y = label.at
    ink = tinted(Ink.GLOBAL_LABEL, style.color)
    plotter.polyline(ink, [(x + dx * a - dy * b, y + dy * a + dx * b) for a, b in outline], pen)
    along = margin + (size * 0.75 if points_in else 0.0)
    drop = _BOX_DROP * size
    at = (x + dx * along + (drop if dx == 0 else 0.0), y + dy * along + (drop if dy == 0 else 0.0))
    _text(plotter, Ink.GLOBAL_LABEL, label, label.text, at, "center")


def _draw_tag(plotter: Plotter, ink: Ink, label: Label | SheetPin, shape: str) -> None:
    """A hierarchical label or sheet pin: a small outline at the anchor and the text beside it."""
    style = label.style
    dx, dy = DIRECTIONS[quarter_turn(label.angle)]
    half = style.size / 2
    x, y = label.at
    outline = _OUTLINES.get(shape, _OUTLINES["passive"])
    pen = _outline_pen(style)
    plotter.polyline(
        tinted(ink, style.color),
        [(x + (dx * a - dy * b) * half, y + (dy * a + dx * b) * half) for a, b in outline],
        pen,
    )
    away = style.size * (1 + _TEXT_OFFSET)
    text = label.text if isinstance(label, Label) else label.name
    _text(plotter, ink, label, text, (x + dx * away, y + dy * away), "center")


def _draw_flag(plotter: Plotter, label: Label) -> None:
    """A net class flag: a pin upward (angle 0) from the wire with a small sign at its end."""
    ux, uy = DIRECTIONS[(quarter_turn(label.angle) + 90) % 360]
    x, y = label.at
    size, length = _FLAG_SIZE, label.length

    def point(along: float, side: float) -> Point:
        return x + ux * along - uy * side, y + uy * along + ux * side

    ink = tinted(Ink.DIRECTIVE, label.style.color)
    if label.shape in ("dot", "round"):
        radius = size * 0.7 if label.shape == "dot" else size
        plotter.polyline(ink, [point(0, 0), point(length - radius, 0)])
        if label.shape == "dot":
            plotter.dot(ink, point(length, 0), 2 * radius)
        else:
            plotter.circle(ink, point(length, 0), radius)
        return
    if label.shape == "rectangle":
        s = size * 0.8
        corners = [point(length - s, -2 * s), point(length + s, -2 * s)]
        corners += [point(length + s, 2 * s), point(length - s, 2 * s)]
    else:
        s = size
        corners = [point(length - s, 0), point(length, -2 * s), point(length + s, 0), point(length, 2 * s)]
    plotter.polyline(ink, [point(0, 0), point(length - s, 0)])
    plotter.polyline(ink, [*corners, corners[0]])


def draw_sheet_box(plotter: Plotter, box: SheetBox) -> None:
    """The box of a sub-sheet with its name, file name and pins."""
    (x, y), (width, height) = box.at, box.size
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
    if box.fill_color:
        plotter.fill(Tint(GROUND, box.fill_color), corners)
    plotter.twice = True  # KiCad plots the border before and after the inside
    plotter.polyline(tinted(Ink.SHEET, box.color), corners, DEFAULT_PEN)
    plotter.twice = False
    for prop in box.properties:
        if prop.hidden or not prop.value:
            continue
        is_file = prop.key in ("Sheetfile", "Sheet file")
        is_name = prop.key in ("Sheetname", "Sheet name")
        text = f"File: {prop.value}" if is_file else prop.value
        style = prop.style
        plotter.text(
            Ink.SHEET_FILE if is_file else Ink.SHEET_TEXT if is_name else Ink.FIELD,
            text,
            prop.at,
            style,
            vertical=quarter_turn(prop.angle) % 180 == 90,
            align=(style.h_align, style.v_align),
        )
    for pin in box.pins:
        # A pin's angle says on which side of the box it is; its text runs inward.
        inward = SheetPin(pin.name, pin.shape, pin.at, pin.angle + 180, pin.style)
        _draw_tag(plotter, Ink.SHEET_LABEL, inward, _SHEET_PIN_SHAPES.get(pin.shape, pin.shape))

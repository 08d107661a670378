"""A finished sub-circuit: turned, with its texts set and its extent known, ready to be put on a sheet."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from schematic_reader.synthetic.circuits.draft import Draft, DraftPart, NetLabel
from schematic_reader.synthetic.circuits.orientation import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    GridBox,
    Matrix,
    Outline,
    Spot,
    product,
    turned,
    turned_box,
)
from schematic_reader.synthetic.symbols import GROUNDS
from schematic_reader.synthetic.symbols.shapes import text_steps

_LINE = 1.9  # grid steps from one line of text to the next


@dataclass(frozen=True, slots=True)
class FieldText:
    """A visible reference or value: centre line at ``y``, anchored at ``x`` as ``align`` says."""

    key: str
    text: str
    x: float
    y: float
    align: str = "center"

    @property
    def box(self) -> GridBox:
        width = text_steps(self.text)
        left = {"left": 0.0, "center": -width / 2, "right": -width}[self.align]
        return (self.x + left, self.y - 0.6, self.x + left + width, self.y + 0.6)


@dataclass(frozen=True, slots=True)
class Placed:
    """A part in its final orientation; ``reference`` is still to be numbered."""

    part: DraftPart
    at: Spot
    orientation: Matrix
    texts: tuple[FieldText, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Coordinates count from the block's own origin."""

    title: str
    placed: tuple[Placed, ...]
    wires: tuple[tuple[Spot, Spot], ...]
    labels: tuple[NetLabel, ...]
    junctions: tuple[Spot, ...]
    no_connects: tuple[Spot, ...]
    box: GridBox


def _stack(texts: tuple[tuple[str, str], ...], x: float, y: float, align: str) -> tuple[FieldText, ...]:
    """Two lines of text around ``y``."""
    (k0, t0), (k1, t1) = texts
    return (FieldText(k0, t0, x, y - _LINE / 2, align), FieldText(k1, t1, x, y + _LINE / 2, align))


def _beside(
    texts: tuple[tuple[str, str], ...], body: GridBox, side: Spot, gap: float = 0.7
) -> tuple[FieldText, ...]:
    cx, cy = (body[0] + body[2]) / 2, (body[1] + body[3]) / 2
    if side == RIGHT:
        return _stack(texts, body[2] + gap, cy, "left")
    if side == LEFT:
        return _stack(texts, body[0] - gap, cy, "right")
    if side == UP:
        return _stack(texts, cx, body[1] - _LINE / 2 - 1.1, "center")
    return _stack(texts, cx, body[3] + _LINE / 2 + 1.1, "center")


def _field_texts(part: DraftPart, at: Spot, m: Matrix, turn: Matrix, draft: Draft) -> tuple[FieldText, ...]:
    """Positions of reference and value. The reference is measured with two digits."""
    outline = part.outline
    local = turned_box(m, outline.body)
    body = (local[0] + at[0], local[1] + at[1], local[2] + at[0], local[3] + at[1])
    rule = part.fields
    if rule == "power":
        return _supply_text(part, at, body, draft)
    texts = (("Reference", part.kind.prefix + "00"), ("Value", part.value))
    ends = [(turned(m, s.x, s.y), turned(m, *s.out)) for s in outline.spots]
    if rule == "side":
        lying = any(out[0] for _, out in ends)
        if not lying:
            side = turned(turn, *(part.side or RIGHT))
            return _beside(texts, (body[0], at[1], body[2], at[1]), side)
        if part.side is not None:
            return _beside(texts, body, turned(turn, *part.side))
        return (
            FieldText("Reference", texts[0][1], at[0], body[1] - 1.0),
            FieldText("Value", texts[1][1], at[0], body[3] + 1.0),
        )
    if rule in ("right", "left"):
        way = turned(turn, *part.side) if part.side else turned(m, *(RIGHT if rule == "right" else LEFT))
        return _beside(texts, body, way)
    if rule == "corner":
        return _stack(texts, body[2] + 0.6, body[1] - 0.4 - _LINE / 2, "left")
    if rule == "amplifier":
        supplies = all(out[1] for _, out in ends)
        return _on_amplifier(texts, body, turned(m, *RIGHT)[0], supplies=supplies)
    tops = sorted(at[0] + p[0] for p, out in ends if out == UP)
    lows = sorted(at[0] + p[0] for p, out in ends if out == DOWN)
    if rule == "below":
        return _beside(texts, body, DOWN)
    if rule == "above" or not tops:
        return _over_one_sided(texts, body, {out for _, out in ends})
    reference = _over(texts[0], body, tops)
    if draft.style.fields_above:
        return (reference, FieldText("Value", texts[1][1], tops[-1] + 0.7, body[1] - 1.0, "left"))
    if not lows:
        return (reference, FieldText("Value", texts[1][1], body[0], body[3] + 1.0, "left"))
    return (reference, FieldText("Value", texts[1][1], lows[-1] + 0.7, body[3] + 1.0, "left"))


def _supply_text(part: DraftPart, at: Spot, body: GridBox, draft: Draft) -> tuple[FieldText, ...]:
    """The name of a supply over it, of a ground or a negative supply under it."""
    if part.value in GROUNDS:
        named = draft.style.ground_named
        return (FieldText("Value", part.value, at[0], body[3] + 1.0),) if named else ()
    below = body[3] - at[1] > at[1] - body[1]
    return (FieldText("Value", part.value, at[0], body[3] + 0.9 if below else body[1] - 0.9),)


def _on_amplifier(
    texts: tuple[tuple[str, str], ...], body: GridBox, ahead: int, *, supplies: bool
) -> tuple[FieldText, ...]:
    """Over and under the output of an amplifier that points ``ahead``, or beside its unit of supply pins."""
    cx, cy = (body[0] + body[2]) / 2, (body[1] + body[3]) / 2
    align = "left" if ahead > 0 else "right"
    if supplies:
        return _stack(texts, cx + ahead, cy, align)
    return (
        FieldText("Reference", texts[0][1], cx + 0.3 * ahead, cy - 3.3, align),
        FieldText("Value", texts[1][1], cx + 0.3 * ahead, cy + 3.3, align),
    )


def _over_one_sided(
    texts: tuple[tuple[str, str], ...], body: GridBox, ways: set[Spot]
) -> tuple[FieldText, ...]:
    """Two lines over the body; a long one runs away from the side on which the pins are."""
    long = max(text_steps(text) for _, text in texts) > body[2] - body[0]
    y = body[1] - _LINE / 2 - 1.1
    if long and RIGHT in ways and LEFT not in ways:
        return _stack(texts, body[2], y, "right")
    if long and LEFT in ways and RIGHT not in ways:
        return _stack(texts, body[0], y, "left")
    return _stack(texts, (body[0] + body[2]) / 2, y - 0.8 * long, "center")


def _over(text: tuple[str, str], body: GridBox, tops: list[int]) -> FieldText:
    """On the body's upper edge, left of the pins there."""
    key, shown = text
    if body[0] + text_steps(shown) < tops[0] - 0.6:
        return FieldText(key, shown, body[0], body[1] - 1.0, "left")
    return FieldText(key, shown, tops[0] - 0.7, body[1] - 1.0, "right")


def label_box(label: NetLabel) -> GridBox:
    """The box of a label: over its wire if it is local, beyond the wire's end if it has a frame."""
    x, y = label.at
    dx, dy = label.out
    width = text_steps(label.text)
    if label.kind == "local":
        if dy == 0:
            far = x - dx * width
            return (min(x, far), y - 1.4, max(x, far), y)
        far = y - dy * width
        return (x - 1.4, min(y, far), x, max(y, far))
    reach = width + 2.2
    if dy == 0:
        far = x + dx * reach
        return (min(x, far), y - 0.9, max(x, far), y + 0.9)
    far = y + dy * reach
    return (x - 0.9, min(y, far), x + 0.9, max(y, far))


def _junctions(ends: list[Spot], pins: list[Spot], wires: list[tuple[Spot, Spot]]) -> tuple[Spot, ...]:
    """Points where at least three wires or pins meet; a wire that passes through counts twice."""
    count = Counter(ends)
    count.update(pins)
    for (x0, y0), (x1, y1) in wires:
        for x, y in list(count):
            on_row = y == y0 == y1 and min(x0, x1) < x < max(x0, x1)
            on_column = x == x0 == x1 and min(y0, y1) < y < max(y0, y1)
            if on_row or on_column:
                count[x, y] += 2
    return tuple(sorted(point for point, n in count.items() if n >= 3))


def _without_mirror(m: Matrix, outline: Outline) -> Matrix:
    """The pure rotation that lays a two-terminal part the same way: nobody mirrors a resistor."""
    a, b, c, d = m
    if a * d - b * c > 0:
        return m
    upright = outline.spots[0].x == 0
    return (d, b, -b, d) if upright else (a, -c, c, a)


def finish(draft: Draft, title: str, turn: Matrix) -> Block:
    """Turn the whole draft, set its texts and measure it."""
    placed = []
    boxes: list[GridBox] = []
    pins: list[Spot] = []
    for part in draft.parts:
        m = part.orientation if part.fields == "power" else product(turn, part.orientation)
        if part.fields == "side":
            m = _without_mirror(m, part.outline)
        at = turned(turn, *part.at)
        texts = _field_texts(part, at, m, turn, draft)
        placed.append(Placed(part, at, m, texts))
        boxes += [t.box for t in texts]
        reach = turned_box(m, part.outline.reach)
        boxes.append((reach[0] + at[0], reach[1] + at[1], reach[2] + at[0], reach[3] + at[1]))
        for spot in part.outline.spots:
            dx, dy = turned(m, spot.x, spot.y)
            pins.append((at[0] + dx, at[1] + dy))
    wires = [(turned(turn, *w.start), turned(turn, *w.end)) for w in draft.wires]
    labels = tuple(
        NetLabel(la.text, turned(turn, *la.at), turned(turn, *la.out), la.kind, la.shape)
        for la in draft.labels
    )
    boxes += [label_box(label) for label in labels]
    ends = [end for wire in wires for end in wire]
    boxes += [(x, y, x, y) for x, y in ends]
    extent = (
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    )
    crosses = tuple(turned(turn, *p) for p in draft.no_connects)
    return Block(title, tuple(placed), tuple(wires), labels, _junctions(ends, pins, wires), crosses, extent)

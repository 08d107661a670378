"""Sheets from sub-circuits: choose some, lay them out, number their parts, and write them as a Sheet."""

from __future__ import annotations

import math
import random
from collections import Counter
from functools import lru_cache

from schematic_reader.kicad.geometry import orientation
from schematic_reader.kicad.model import (
    Label,
    Line,
    PlacedSymbol,
    Point,
    Polyline,
    Property,
    Sheet,
    Text,
    TextStyle,
    TitleBlock,
)
from schematic_reader.synthetic.circuits import CATALOGUE
from schematic_reader.synthetic.circuits.block import Block, FieldText, Placed, finish
from schematic_reader.synthetic.circuits.draft import Draft, NetLabel, Nets
from schematic_reader.synthetic.circuits.orientation import FILE_ORIENTATION, Spot
from schematic_reader.synthetic.circuits.packing import Page, Rect
from schematic_reader.synthetic.circuits.recipe import Circuit
from schematic_reader.synthetic.circuits.style import HouseStyle
from schematic_reader.synthetic.symbols import GRID, KINDS
from schematic_reader.synthetic.symbols.shapes import mm, text_steps

_EDGE = 2  # grid steps that stay free along the paper's edge
_GAP = 2  # between two blocks
_TITLE = 3  # height of a block's title
_FRAME_EDGE = 11  # the frame's border, 10 mm from the edge and 2 mm wide, and a little room
_BLOCK_WIDTH, _BLOCK_HEIGHT = 90, 28  # of the frame's title block
_MOST_TRIES = 40  # circuits drawn for a sheet
_MOST_MISSES = 14  # of them that found no room
_LARGE = tuple(c for c in CATALOGUE if c.large)
_OTHERS = tuple(c for c in CATALOGUE if not c.large)
_LARGE_WEIGHTS = tuple(c.weight for c in _LARGE)
_OTHER_WEIGHTS = tuple(c.weight for c in _OTHERS)
_ANGLES: dict[Spot, float] = {(1, 0): 0.0, (0, -1): 90.0, (-1, 0): 180.0, (0, 1): 270.0}
_LABEL_ORDER = ("local", "global", "hierarchical")  # of KiCad's files
_LABEL_STYLES = {
    (kind, left): TextStyle(
        h_align="left" if left else "right", v_align="bottom" if kind == "local" else "center"
    )
    for kind in _LABEL_ORDER
    for left in (True, False)
}
_FIELD_STYLES = {align: TextStyle(h_align=align) for align in ("left", "center", "right")}
_FLIPPED = {"left": "right", "right": "left", "center": "center"}
_NOTE = TextStyle(size=1.8, h_align="left", v_align="bottom")


def target_names(rng: random.Random) -> int:
    """A target for the number of distinct names, as on real sheets; the paper may hold fewer."""
    spans = ((1, 3), (4, 6), (7, 10), (11, 14), (15, 20), (21, 40))
    low, high = rng.choices(spans, (11, 18, 21, 22, 17, 11))[0]
    return rng.randint(low, high)


def compose(
    rng: random.Random, style: HouseStyle, paper: Point, title: TitleBlock, uuid: str
) -> tuple[Sheet, list[str]]:
    """A sheet on ``paper`` (mm) in the given style, and the titles of its circuits."""
    blocks, corners = _arrange(rng, style, paper)
    return _sheet(rng, style, paper, title, uuid, blocks, corners), [block.title for block in blocks]


def _arrange(rng: random.Random, style: HouseStyle, paper: Point) -> tuple[list[Block], list[Spot]]:
    """Draw circuits at random until the sheet has its names or no more room, then repeat a few."""
    target = target_names(rng)
    repeats = rng.choice((0, 0, 1, 2, 3))
    page, origin = _page(style, paper)
    pad = (1, _TITLE + 1) if style.section == "box" else (0, _TITLE if style.section == "title" else 0)
    nets = Nets()
    blocks: list[Block] = []
    names: set[str] = set()
    built: list[Circuit] = []
    misses = 0
    for attempt in range(_MOST_TRIES):
        enough = len(names) >= target
        if (enough and not repeats) or misses > _MOST_MISSES:
            break
        circuit = _choose(rng, large=attempt == 0 and target >= 6 and rng.random() < 0.5)
        if enough:
            circuit = rng.choice(built)
            repeats -= 1
        elif circuit in built and rng.random() < 0.8:
            continue
        draft = Draft(style, rng, nets)
        circuit.build(draft)
        together = names | draft.names
        if blocks and len(together) > max(len(names), target + 2):
            continue
        block = finish(draft, circuit.title, rng.choice(circuit.turns))
        width, height = _extent(block, style)
        if page.place(width + 2 * pad[0] + _GAP, height + pad[0] + pad[1] + _GAP):
            blocks.append(block)
            names = together
            built.append(circuit)
        else:
            misses += 1
    corners = [
        (origin[0] + x + pad[0] + _GAP // 2, origin[1] + y + pad[1] + _GAP // 2) for x, y in page.spread(rng)
    ]
    return blocks, corners


def _choose(rng: random.Random, *, large: bool) -> Circuit:
    if large:
        return rng.choices(_LARGE, _LARGE_WEIGHTS)[0]
    return rng.choices(_OTHERS, _OTHER_WEIGHTS)[0]


def _page(style: HouseStyle, paper: Point) -> tuple[Page, Spot]:
    """The free part of the paper in grid steps, and its upper left corner."""
    width, height = math.floor(paper[0] / GRID), math.floor(paper[1] / GRID)
    edge = _FRAME_EDGE if style.frame else _EDGE
    inner = (width - 2 * edge, height - 2 * edge)
    taken: tuple[Rect, ...] = ()
    if style.frame:
        taken = ((inner[0] - _BLOCK_WIDTH, inner[1] - _BLOCK_HEIGHT, _BLOCK_WIDTH, _BLOCK_HEIGHT),)
    return Page(*inner, taken), (edge, edge)


def _extent(block: Block, style: HouseStyle) -> Spot:
    """Width and height of a block in grid steps; it is at least as wide as its title."""
    x0, y0, x1, y1 = block.box
    width = math.ceil(x1) - math.floor(x0)
    if style.section:
        width = max(width, math.ceil(text_steps(block.title) * _NOTE.size / GRID))
    return width, math.ceil(y1) - math.floor(y0)


def _sheet(
    rng: random.Random,
    style: HouseStyle,
    paper: Point,
    title: TitleBlock,
    uuid: str,
    blocks: list[Block],
    corners: list[Spot],
) -> Sheet:
    symbols: list[PlacedSymbol] = []
    lines: list[Line] = []
    labels: list[Label] = []
    junctions: list[Point] = []
    crosses: list[Point] = []
    notes: list[Polyline | Text] = []
    counters: Counter[str] = Counter()
    order = sorted(range(len(blocks)), key=lambda i: (corners[i][1] // 8, corners[i][0]))
    for i in order:
        block = blocks[i]
        dx = corners[i][0] - math.floor(block.box[0])
        dy = corners[i][1] - math.floor(block.box[1])
        references: dict[int, str] = {}
        for placed in block.placed:
            reference = _reference(placed, counters, references)
            symbols.append(_symbol(rng, style, placed, (dx, dy), reference))
        lines += [Line((_at(a, dx, dy), _at(b, dx, dy))) for a, b in block.wires]
        labels += [_label(label, dx, dy) for label in block.labels]
        junctions += [_at(p, dx, dy) for p in block.junctions]
        crosses += [_at(p, dx, dy) for p in block.no_connects]
        notes += _section(style, block, dx, dy)
    libraries = sorted({s.lib_id for s in symbols})
    return Sheet(
        size=paper,
        paper="User",
        uuid=uuid,
        title_block=title,
        lib_symbols={name: KINDS[name.split(":", 1)[1]].symbol for name in libraries},
        symbols=tuple(symbols),
        lines=tuple(lines),
        junctions=tuple(junctions),
        junction_diameters=(0.0,) * len(junctions),
        no_connects=tuple(crosses),
        labels=tuple(sorted(labels, key=lambda label: _LABEL_ORDER.index(label.kind))),
        graphics=tuple(notes),
        graphical_order="l" * len(lines) + "g" * len(notes),
        frame=style.frame,
    )


def _at(point: Spot, dx: int, dy: int) -> Point:
    return _grid_mm(point[0] + dx), _grid_mm(point[1] + dy)


@lru_cache(maxsize=2048)
def _grid_mm(steps: int) -> float:
    return mm(steps)


def _reference(placed: Placed, counters: Counter[str], references: dict[int, str]) -> str:
    """The next free number of the part's prefix; units of one part share it."""
    part = placed.part
    known = references.get(part.group)
    if known is None:
        counters[part.kind.prefix] += 1
        number = counters[part.kind.prefix]
        known = (
            f"{part.kind.prefix}{number:02d}" if part.kind.prefix[0] == "#" else f"{part.kind.prefix}{number}"
        )
        references[part.group] = known
    return known


def _symbol(
    rng: random.Random, style: HouseStyle, placed: Placed, shift: Spot, reference: str
) -> PlacedSymbol:
    part = placed.part
    dx, dy = shift
    at = _at(placed.at, dx, dy)
    angle, mirror = FILE_ORIENTATION[placed.orientation]
    shown = {text.key: text for text in placed.texts}
    turn = orientation(angle, mirror)
    swapped = (turn.a if turn.upright else turn.b) < 0
    field_angle = 0.0 if turn.upright else 90.0

    def written(key: str, value: str) -> Property:
        text: FieldText | None = shown.get(key)
        if text is None:
            return Property(key, value, at, 0.0, hidden=True)
        place = (round(mm(text.x + dx), 2), round(mm(text.y + dy), 2))
        align = _FLIPPED[text.align] if swapped else text.align
        return Property(key, value, place, field_angle, style=_FIELD_STYLES[align])

    return PlacedSymbol(
        part.kind.symbol.lib_id,
        at,
        angle,
        mirror,
        part.unit,
        properties=(
            written("Reference", reference),
            written("Value", part.value),
            Property("Footprint", _footprint(style, placed), at, hidden=True),
            Property("Datasheet", "~", at, hidden=True),
        ),
        uuid=new_uuid(rng),
    )


def _footprint(style: HouseStyle, placed: Placed) -> str:
    given = next((p.value for p in placed.part.kind.symbol.properties if p.key == "Footprint"), "")
    return given.replace("0603_1608Metric", style.package)


def _label(label: NetLabel, dx: int, dy: int) -> Label:
    """The file's angle is the way the text runs: back over the wire if local, beyond its end otherwise."""
    ox, oy = label.out
    way = (-ox, -oy) if label.kind == "local" else (ox, oy)
    angle = _ANGLES[way]
    style = _LABEL_STYLES[label.kind, angle in (0.0, 90.0)]
    shape = "input" if label.kind == "local" else label.shape  # local ones have none; the model's default
    return Label(label.text, _at(label.at, dx, dy), label.kind, angle, shape, style=style)


def _section(style: HouseStyle, block: Block, dx: int, dy: int) -> list[Polyline | Text]:
    """The block's title and, in some houses, a dashed box around it."""
    if not style.section:
        return []
    x0, y0 = math.floor(block.box[0]) + dx, math.floor(block.box[1]) + dy
    width, height = _extent(block, style)
    x1, y1 = x0 + width, y0 + height
    if style.section == "title":
        return [Text(block.title, (mm(x0), mm(y0 - 0.6)), style=_NOTE)]
    x0, y0, x1, y1 = x0 - 1, y0 - _TITLE - 1, x1 + 1, y1 + 1
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
    outline = Polyline(tuple((mm(x), mm(y)) for x, y in corners), dash="dash")
    return [outline, Text(block.title, (mm(x0 + 0.6), mm(y0 + 2.4)), style=_NOTE)]


def new_uuid(rng: random.Random) -> str:
    """A random (version 4) uuid from ``rng``."""
    bits = f"{rng.getrandbits(128):032x}"
    variant = "89ab"[int(bits[16], 16) & 3]
    return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-{variant}{bits[17:20]}-{bits[20:]}"

"""Sheets of the generator as circuits and as drawings, judged without the generator's own geometry."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache

import pytest

from schematic_reader.kicad.drawing.layout import layout_of
from schematic_reader.kicad.model import Arc, Circle, PlacedSymbol, Polyline, Rectangle, Sheet, TitleBlock
from schematic_reader.synthetic.circuits import CATALOGUE, Circuit
from schematic_reader.synthetic.circuits.block import finish
from schematic_reader.synthetic.circuits.compose import compose
from schematic_reader.synthetic.circuits.draft import Draft, Nets
from schematic_reader.synthetic.circuits.orientation import IDENTITY
from schematic_reader.synthetic.circuits.packing import Page
from schematic_reader.synthetic.circuits.style import draw_style
from schematic_reader.synthetic.sample import make_sheet
from schematic_reader.synthetic.symbols import GROUNDS, KINDS, SUPPLIES

WIDTH, HEIGHT = 640, 448
GRID = 127  # of 1.27 mm, in hundredths

Spot = tuple[int, int]


@cache
def sheets() -> tuple[Sheet, ...]:
    return tuple(make_sheet(row, 1, width=WIDTH, height=HEIGHT)[0] for row in range(200))


def steps(value: float) -> int:
    """Millimetres as grid steps; the point must lie on the grid."""
    hundredths = round(value * 100)
    assert abs(value * 100 - hundredths) < 1e-6 and hundredths % GRID == 0, value
    return hundredths // GRID


def spot(point: tuple[float, float]) -> Spot:
    return steps(point[0]), steps(point[1])


def placed(symbol: PlacedSymbol, x: float, y: float) -> tuple[float, float]:
    """A point of the library symbol (y upward) on the sheet, by the turn's own formula."""
    turn = math.radians(symbol.angle)
    dx = x * math.cos(turn) - y * math.sin(turn)
    dy = -(x * math.sin(turn) + y * math.cos(turn))
    if symbol.mirror == "x":
        dy = -dy
    if symbol.mirror == "y":
        dx = -dx
    return symbol.at[0] + dx, symbol.at[1] + dy


def pins(sheet: Sheet) -> Iterator[tuple[PlacedSymbol, str, Spot]]:
    for symbol in sheet.symbols:
        for unit in sheet.lib_symbols[symbol.lib_id].units:
            if unit.unit in (0, symbol.unit):
                for pin in unit.pins:
                    x, y = placed(symbol, *pin.at)
                    yield symbol, pin.number, spot((round(x, 4), round(y, 4)))


def wires(sheet: Sheet) -> list[tuple[Spot, Spot]]:
    for line in sheet.lines:
        assert len(line.points) == 2
    return [(spot(line.points[0]), spot(line.points[1])) for line in sheet.lines]


def inside(point: Spot, wire: tuple[Spot, Spot]) -> bool:
    """Whether the point lies on the wire between its ends."""
    (x0, y0), (x1, y1) = wire
    x, y = point
    if point in wire:
        return False
    return (x0 == x == x1 and min(y0, y1) < y < max(y0, y1)) or (
        y0 == y == y1 and min(x0, x1) < x < max(x0, x1)
    )


class Joined:
    """Points joined by brute force."""

    def __init__(self) -> None:
        self.parent: dict[object, object] = {}

    def find(self, item: object) -> object:
        self.parent.setdefault(item, item)
        while self.parent[item] != item:
            item = self.parent[item]
        return item

    def join(self, a: object, b: object) -> None:
        self.parent[self.find(a)] = self.find(b)


def connect(sheet: Sheet) -> Joined:
    """Wires, then names: equal labels and equal power symbols are one net."""
    nets = Joined()
    lines = wires(sheet)
    for a, b in lines:
        nets.join(a, b)
    for point in map(spot, sheet.junctions):
        for wire in lines:
            if inside(point, wire):
                nets.join(point, wire[0])
    for label in sheet.labels:
        nets.join(spot(label.at), ("label", label.text))
    for symbol, _, point in pins(sheet):
        nets.find(point)
        if sheet.lib_symbols[symbol.lib_id].power and symbol.value != "PWR_FLAG":
            nets.join(point, ("power", symbol.value))
    return nets


def test_wires_are_straight_and_end_on_something() -> None:
    for sheet in sheets():
        lines = wires(sheet)
        ends = Counter(end for wire in lines for end in wire)
        held = {point for _, _, point in pins(sheet)} | {spot(label.at) for label in sheet.labels}
        junctions = set(map(spot, sheet.junctions))
        for (x0, y0), (x1, y1) in lines:
            assert (x0 == x1) != (y0 == y1)
        for end, count in ends.items():
            assert count > 1 or end in held or end in junctions, (sheet.uuid, end)


def test_no_two_wires_lie_on_each_other() -> None:
    for sheet in sheets():
        covered: set[tuple[Spot, Spot]] = set()
        for (x0, y0), (x1, y1) in wires(sheet):
            for i in range(abs(x1 - x0) + abs(y1 - y0)):
                a = (min(x0, x1) + i, y0) if y0 == y1 else (x0, min(y0, y1) + i)
                b = (a[0] + 1, a[1]) if y0 == y1 else (a[0], a[1] + 1)
                assert (a, b) not in covered, (sheet.uuid, a)
                covered.add((a, b))


def test_junctions_stand_where_three_meet_and_nowhere_else() -> None:
    for sheet in sheets():
        lines = wires(sheet)
        ways = Counter(end for wire in lines for end in wire)
        ways.update(point for _, _, point in pins(sheet))
        passing = {point for point in ways for wire in lines if inside(point, wire)}
        expected = {point for point, count in ways.items() if count >= 3} | passing
        assert set(map(spot, sheet.junctions)) == expected, sheet.uuid
        assert len(set(sheet.junctions)) == len(sheet.junctions)


def test_no_supply_is_shorted() -> None:
    """Different power names, ground among them, are on different nets; so are the ends of a part."""
    seen: set[str] = set()
    for sheet in sheets():
        nets = connect(sheet)
        names: defaultdict[object, set[str]] = defaultdict(set)
        ends: defaultdict[str, list[object]] = defaultdict(list)
        for symbol, _, point in pins(sheet):
            net = nets.find(point)
            if sheet.lib_symbols[symbol.lib_id].power:
                if symbol.value != "PWR_FLAG":
                    names[net].add(symbol.value)
            else:
                ends[symbol.reference].append(net)
        assert all(len(found) == 1 for found in names.values()), (sheet.uuid, names)
        for reference, found in ends.items():
            if len(found) == 2:
                assert found[0] != found[1], (sheet.uuid, reference)
        seen |= {name for found in names.values() for name in found}
    assert seen & set(GROUNDS) and len(seen & set(SUPPLIES)) >= 10


def test_every_pin_is_connected_or_marked_open() -> None:
    for sheet in sheets():
        lines = wires(sheet)
        users = Counter(end for wire in lines for end in wire)
        users.update(point for _, _, point in pins(sheet))
        users.update(spot(label.at) for label in sheet.labels)
        open_ends = set(map(spot, sheet.no_connects))
        places = {point for _, _, point in pins(sheet)}
        assert open_ends <= places
        for symbol, number, point in pins(sheet):
            joined = users[point] > 1 or any(inside(point, wire) for wire in lines)
            assert joined != (point in open_ends), (sheet.uuid, symbol.reference, number)


def test_references_are_unique_but_for_the_units_of_one_part() -> None:
    for sheet in sheets():
        used = Counter((symbol.reference, symbol.unit) for symbol in sheet.symbols)
        assert max(used.values()) == 1, sheet.uuid
        libraries = defaultdict(set)
        for symbol in sheet.symbols:
            libraries[symbol.reference].add(symbol.lib_id)
            prefix = KINDS[symbol.lib_id.split(":")[1]].prefix
            assert symbol.reference.removeprefix(prefix).isdecimal()
        assert all(len(ids) == 1 for ids in libraries.values())


def test_the_sheet_holds_the_libraries_of_its_symbols_and_no_others() -> None:
    for sheet in sheets():
        assert list(sheet.lib_symbols) == sorted({symbol.lib_id for symbol in sheet.symbols})


def bodies(sheet: Sheet) -> list[tuple[PlacedSymbol, tuple[float, float, float, float]]]:
    found = []
    for symbol in sheet.symbols:
        corners: list[tuple[float, float]] = []
        for unit in sheet.lib_symbols[symbol.lib_id].units:
            if unit.unit not in (0, symbol.unit):
                continue
            for g in unit.graphics:
                if isinstance(g, Polyline):
                    corners += g.points
                elif isinstance(g, Rectangle):
                    corners += [g.start, g.end]
                elif isinstance(g, Arc):
                    corners += [g.start, g.mid, g.end]
                elif isinstance(g, Circle):
                    (x, y), r = g.center, g.radius
                    corners += [(x - r, y - r), (x + r, y + r)]
        if corners:
            xs, ys = zip(*(placed(symbol, *corner) for corner in corners), strict=True)
            found.append((symbol, (min(xs), min(ys), max(xs), max(ys))))
    return found


Box = tuple[float, float, float, float]


def overlap(a: Box, b: Box, slack: float) -> bool:
    return a[0] < b[2] - slack and b[0] < a[2] - slack and a[1] < b[3] - slack and b[1] < a[3] - slack


def test_no_bodies_overlap_and_no_text_lies_on_another() -> None:
    scale = 10  # pixels a millimetre, so that a pixel of slack is 0.1 mm
    for sheet in sheets():
        boxes = bodies(sheet)
        for i, (a, box) in enumerate(boxes):
            for b, other in boxes[:i]:
                assert not overlap(box, other, 0.1), (sheet.uuid, a.reference, b.reference)
        width, height = round(sheet.size[0] * scale), round(sheet.size[1] * scale)
        layout = layout_of(sheet, width, height)
        for i, text in enumerate(layout.texts):
            for other_text in layout.texts[:i]:
                assert not overlap(text.box, other_text.box, 1.0), (sheet.uuid, text.text, other_text.text)
            for symbol, (x0, y0, x1, y1) in boxes:
                body = (x0 * scale, y0 * scale, x1 * scale, y1 * scale)
                own = text.symbol >= 0 and layout.symbols[text.symbol].symbol is symbol
                assert own or not overlap(text.box, body, 1.0), (sheet.uuid, text.text, symbol.reference)


def test_everything_is_inside_the_picture_and_high_enough_to_read() -> None:
    for sheet in sheets():
        scale = min(WIDTH / sheet.size[0], HEIGHT / sheet.size[1])
        layout = layout_of(sheet, WIDTH, HEIGHT)
        for box in [text.box for text in layout.texts] + [drawn.body for drawn in layout.symbols]:
            assert box[0] >= 1 and box[1] >= 1 and box[2] <= WIDTH - 1 and box[3] <= HEIGHT - 1
        styles = [p.style for s in sheet.symbols for p in s.properties if not p.hidden]
        assert min(style.size for style in styles) * scale >= 7.0


@pytest.mark.parametrize("circuit", CATALOGUE, ids=lambda circuit: circuit.build.__name__)
def test_every_circuit_draws_in_every_turn_and_style(circuit: Circuit) -> None:
    for seed in range(6):
        rng = random.Random(seed)
        style = draw_style(rng, frame=0)
        for turn in dict.fromkeys(circuit.turns):
            draft = Draft(style, rng, Nets())
            circuit.build(draft)
            block = finish(draft, circuit.title, turn)
            assert block.placed and block.box[0] < block.box[2] and block.box[1] < block.box[3]


def test_a_divider_has_the_nets_of_a_divider() -> None:
    divider = next(c for c in CATALOGUE if c.build.__name__ == "divider")
    rng = random.Random(4)
    style = draw_style(rng, frame=0)
    draft = Draft(style, rng, Nets())
    divider.build(draft)
    names = [part.name for part in draft.parts]
    upper, lower = (part for part in draft.parts if part.name == style.resistor)
    top = next(part for part in draft.parts if part.name in SUPPLIES)
    low = next(part for part in draft.parts if part.name in GROUNDS)
    block = finish(draft, "", IDENTITY)
    joined = Joined()
    for a, b in block.wires:
        joined.join(a, b)
    assert joined.find(upper["1"]) == joined.find(top["1"])
    assert joined.find(upper["2"]) == joined.find(lower["1"])
    assert joined.find(lower["2"]) == joined.find(low["1"])
    assert len({joined.find(p) for p in (upper["1"], upper["2"], lower["2"])}) == 3
    assert block.labels[0].text in ("VBAT_SENSE", "VSENSE", "ADC_IN", "V_MON")
    assert names.count(style.resistor) == 2


def test_the_frame_keeps_its_title_block_free() -> None:
    rng = random.Random(5)
    style = draw_style(rng, frame=1.0)
    assert style.frame
    for seed in range(10):
        sheet, _ = compose(random.Random(seed), style, (230.0, 160.0), TitleBlock(title="x"), "u")
        for _, (x0, y0, x1, y1) in bodies(sheet):
            assert x0 > 12 and y0 > 12 and x1 < 230 - 12 and y1 < 160 - 12
            assert not (x1 > 230 - 10 - 110 and y1 > 160 - 10 - 34)


def test_pages_place_first_fit_and_spread_without_overlap() -> None:
    page = Page(10, 6)
    assert page.place(6, 3) and page.placed[-1][:2] == (0, 0)
    assert page.place(4, 2) and page.placed[-1][:2] == (6, 0)
    assert page.place(10, 3) and page.placed[-1][:2] == (0, 3)
    assert not page.place(5, 1)
    for seed in range(50):
        rng = random.Random(seed)
        page = Page(60, 40)
        for _ in range(12):
            page.place(rng.randint(3, 20), rng.randint(3, 12))
        sizes = [(w, h) for _, _, w, h in page.placed]
        rects = [(*corner, *size) for corner, size in zip(page.spread(rng), sizes, strict=True)]
        for i, (x, y, w, h) in enumerate(rects):
            assert x >= 0 and y >= 0 and x + w <= 60 and y + h <= 40
            for x2, y2, w2, h2 in rects[:i]:
                assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y

"""What a drawing may take: memory in proportion to what is drawn, and a line where that is too much."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schematic_reader.kicad.drawing import draw_symbol, plotter, raster
from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.drawing.palette import Ink, Tint
from schematic_reader.kicad.drawing.raster import Canvas, DrawingError
from schematic_reader.kicad.model import Line, Polyline, Sheet, Text
from schematic_reader.kicad.reader import read_sheet
from tests.support.kicad_projects import absurd_sheet
from tests.support.kicad_sheets import every_feature

BOX = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(0, 4)] * 2)


def peak_mb(work: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(BOX, max_size=30), st.integers(1, 40))
def test_boxes_that_overlap_are_those_of_all_pairs(cells: list[tuple[int, int, int, int]], rows: int) -> None:
    boxes = [(x * 0.3, y * 0.3, (x + width) * 0.3, (y + height) * 0.3) for x, y, width, height in cells]
    gap = draw_symbol._NEIGHBOUR_GAP

    def meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return all(a[k] <= b[k + 2] + gap for a, b in ((one, other), (other, one)) for k in (0, 1))

    expected = [any(meet(a, b) for j, b in enumerate(boxes) if j != i) for i, a in enumerate(boxes)]
    before, draw_symbol._PAIR_ROWS = draw_symbol._PAIR_ROWS, rows
    try:
        assert draw_symbol._overlapping(boxes) == expected
    finally:
        draw_symbol._PAIR_ROWS = before


def test_many_symbols_take_no_memory_for_each_pair() -> None:
    boxes = [(number * 10.0, 0.0, number * 10.0 + 5, 5.0) for number in range(5000)]
    assert peak_mb(lambda: draw_symbol._overlapping(boxes)) < 20  # a byte a pair is 25


def test_long_strokes_are_cut_a_batch_at_a_time() -> None:
    canvas = Canvas(24, 24)
    far = np.array([(-4000.0, -4000.0 + number / 100, 20.0, 20.0) for number in range(5000)])
    canvas.strokes(Ink.WIRE, far, 1.0)
    assert peak_mb(canvas.image) < 60  # 840,000 sections


def test_batches_change_no_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = draw_sheet(every_feature()).tobytes()
    monkeypatch.setattr(plotter, "_MOST_HELD", 20)
    monkeypatch.setattr(raster, "_CUT_BATCH", 50)
    monkeypatch.setattr(raster, "_BATCH", 1000)
    assert draw_sheet(every_feature()).tobytes() == whole


def sheet_of(what: str) -> Sheet:
    """A sheet with 30,000 strokes of that kind, all of few items."""
    across = ((0.0, 0.0), (290.0, 200.0))
    return {
        "symbols": read_sheet(absurd_sheet(10)),
        "dashes": Sheet(lines=(Line(across, dash="dot"),) * 70),
        "sections": Sheet(lines=(Line(across),) * 700),
        "letters": Sheet(graphics=(Text("l" * 30_000, (0.0, 0.0)),)),
        "corners": Sheet(graphics=(Polyline((*across, (9.0, 90.0)) * 10_000, fill="outline"),)),
    }[what]


@pytest.mark.parametrize("what", ["symbols", "dashes", "sections", "letters", "corners"])
def test_more_strokes_than_any_sheet_has_are_refused(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster, "MOST_STROKES", 20_000)
    line = r"^over 20,000 strokes are to be drawn: is this a sheet\? If so, remove graphics .* sub-sheets$"
    with pytest.raises(DrawingError, match=line):
        draw_sheet(sheet_of(what))


@pytest.mark.parametrize("what", ["fills", "strokes", "colors"])
def test_covering_the_page_over_and_over_is_refused(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster, "MOST_COVER", 2)
    canvas = Canvas(1000, 1000)
    for number in range(40):
        if what == "fills":
            canvas.polygon(Ink.BODY, np.array([(0.0, 0.0), (999.0, 0.0), (0.0, 999.0 - number)]))
        elif what == "strokes":
            canvas.strokes(Ink.WIRE, np.array([(0.0, 500.0, 999.0, 500.0)]), 90.0 + number)
        else:
            canvas.strokes(Tint(Ink.WIRE, (number, 0, 0, 1.0)), np.array([(0.0, 0.0, 5.0, 5.0)]), 1.0)
    with pytest.raises(DrawingError, match=r"^what is to be drawn covers the page over 2 times"):
        canvas.image()

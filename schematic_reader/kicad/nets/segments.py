"""Line segments on an integer grid, indexed to find those through a point."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate

GridPoint = tuple[int, int]
Segment = tuple[GridPoint, GridPoint, int]  # two ends and the number of the segment


class SegmentIndex:
    """Segments by the line they lie on: a row, a column, or neither.

    A look-up takes O(log n) steps and one for each segment of the line that starts before the point and
    is passed by one that reaches it, which on sheets are few.
    """

    def __init__(self, segments: Iterable[Segment]) -> None:
        lines: defaultdict[tuple[str, int], list[tuple[int, int, Segment]]] = defaultdict(list)
        for segment in segments:
            (x0, y0), (x1, y1), _ = segment
            if x0 == x1:
                lines["column", x0].append((min(y0, y1), max(y0, y1), segment))
            else:
                key = ("row", y0) if y0 == y1 else ("slanted", 0)
                lines[key].append((min(x0, x1), max(x0, x1), segment))
        self._lines = {key: sorted(line) for key, line in lines.items()}
        self._starts = {key: [low for low, _, _ in line] for key, line in self._lines.items()}
        # How far the segments up to each one reach.
        self._reach = {
            key: list(accumulate((high for _, high, _ in line), max)) for key, line in self._lines.items()
        }

    def through(self, point: GridPoint) -> list[int]:
        """The numbers of the segments that the point lies on, ends included."""
        x, y = point
        found: list[int] = []
        for key, place in ((("row", y), x), (("column", x), y), (("slanted", 0), x)):
            line = self._lines.get(key)
            if line is None:
                continue
            reach = self._reach[key]
            index = bisect_right(self._starts[key], place) - 1
            while index >= 0 and reach[index] >= place:
                _, high, ((x0, y0), (x1, y1), number) = line[index]
                if high >= place and (x - x0) * (y1 - y0) == (y - y0) * (x1 - x0):
                    found.append(number)
                index -= 1
        return found

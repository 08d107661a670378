"""Rectangles on a page: first fit at the corners of what lies there, then spread over the free room."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

Rect = tuple[int, int, int, int]  # left, top, width, height


@dataclass(slots=True)
class Page:
    """``width`` x ``height`` grid steps; ``taken`` parts of it hold nothing, such as a title block."""

    width: int
    height: int
    taken: tuple[Rect, ...] = ()
    placed: list[Rect] = field(default_factory=list)

    def place(self, width: int, height: int) -> bool:
        """Add a rectangle at the highest, then leftmost free corner; False where none has room."""
        rects = (*self.taken, *self.placed)
        xs = sorted({0, *(x + w for x, _, w, _ in rects)})
        ys = sorted({0, *(y + h for _, y, _, h in rects)})
        for y in ys:
            if y + height > self.height:
                break
            for x in xs:
                if x + width > self.width:
                    break
                rect = (x, y, width, height)
                if not any(_overlap(rect, other) for other in rects):
                    self.placed.append(rect)
                    return True
        return False

    def spread(self, rng: random.Random) -> list[tuple[int, int]]:
        """The corners of the placed rectangles, drawn apart to fill the page; their order is kept.

        Distances from the upper left are stretched by one factor along each axis. Rectangles that did
        not overlap do not then either, as a stretched gap only grows. Where one would come to lie on a
        taken part, nothing moves.
        """
        if not self.placed:
            return []
        across = _stretch([(x, w) for x, _, w, _ in self.placed], self.width, rng)
        down = _stretch([(y, h) for _, y, _, h in self.placed], self.height, rng)
        if rng.random() < 0.4:
            across = [self.width - x - w for x, (_, _, w, _) in zip(across, self.placed, strict=True)]
        spread = [(x, y, w, h) for x, y, (_, _, w, h) in zip(across, down, self.placed, strict=True)]
        if any(_overlap(rect, taken) for rect in spread for taken in self.taken):
            spread = self.placed
        return [(x, y) for x, y, _, _ in spread]


def _overlap(a: Rect, b: Rect) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def _stretch(spans: list[tuple[int, int]], room: int, rng: random.Random) -> list[int]:
    most = min(((room - length) / start for start, length in spans if start), default=1.0)
    factor = 1.0 + rng.uniform(0.5, 1.0) * (min(most, 2.0) - 1.0)
    starts = [int(start * factor) for start, _ in spans]
    slack = room - max(start + length for start, (_, length) in zip(starts, spans, strict=True))
    shift = int(slack * rng.uniform(0.2, 0.8))
    return [start + shift for start in starts]

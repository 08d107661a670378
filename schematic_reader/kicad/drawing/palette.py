"""KiCad 9's default colours, and the 256 colours that a drawn sheet is made of."""

from __future__ import annotations

import math
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np

Color = tuple[int, int, int]

PAPER: Color = (245, 244, 239)


class Ink(IntEnum):
    """The kinds of drawn items, in painting order: later inks cover earlier ones."""

    BODY = 0  # fill of symbol bodies
    DIMMED_BODY = 1  # of symbols that are not populated
    FRAME = 2  # drawing sheet and title block
    NOTE = 3  # free text and graphics
    DIMMED = 4  # symbols that are not populated
    SYMBOL = 5  # symbol outlines, pins
    PIN_NUMBER = 6
    FIELD = 7  # all but references and values
    TEXT = 8  # references, values, pin names
    SHEET = 9
    SHEET_TEXT = 10
    SHEET_FILE = 11
    SHEET_LABEL = 12
    WIRE = 13
    BUS = 14
    NO_CONNECT = 15
    LABEL = 16
    GLOBAL_LABEL = 17
    HIERARCHICAL_LABEL = 18
    DIRECTIVE = 19  # net class flags
    JUNCTION = 20
    DNP = 21  # crosses over symbols that are not populated


class Tint(NamedTuple):
    """A single item's own color, painted after the ink of this number."""

    order: int
    color: tuple[int, int, int, float]


Paint = Ink | Tint
GROUND = -1
"""The order of tints under all inks: fills of free graphics, text boxes and sheet boxes."""


def tinted(ink: Ink, color: tuple[int, int, int, float] | None) -> Paint:
    """The ink of a kind of items, or the color that an item has of its own."""
    return ink if color is None else Tint(ink, color)


COLORS: dict[Ink, Color] = {
    Ink.BODY: (255, 255, 194),
    Ink.DIMMED_BODY: (235, 234, 231),
    Ink.FRAME: (132, 0, 0),
    Ink.NOTE: (0, 0, 194),
    Ink.DIMMED: (151, 151, 148),
    Ink.SYMBOL: (132, 0, 0),
    Ink.PIN_NUMBER: (169, 0, 0),
    Ink.FIELD: (132, 0, 132),
    Ink.TEXT: (0, 100, 100),
    Ink.SHEET: (132, 0, 0),
    Ink.SHEET_TEXT: (0, 100, 100),
    Ink.SHEET_FILE: (114, 86, 0),
    Ink.SHEET_LABEL: (0, 100, 100),
    Ink.WIRE: (0, 150, 0),
    Ink.BUS: (0, 0, 132),
    Ink.NO_CONNECT: (0, 0, 132),
    Ink.LABEL: (15, 15, 15),
    Ink.GLOBAL_LABEL: (132, 0, 0),
    Ink.HIERARCHICAL_LABEL: (114, 86, 0),
    Ink.DIRECTIVE: (72, 72, 72),
    Ink.JUNCTION: (0, 150, 0),
    Ink.DNP: (220, 9, 13),
}

_INKS_ON_BODY = (Ink.SYMBOL, Ink.PIN_NUMBER, Ink.FIELD, Ink.TEXT, Ink.NOTE, Ink.WIRE, Ink.LABEL)
_STEPS_ON_PAPER = 15
_STEPS_ON_BODY = 8
_CELL_BITS = 5
_PARTS = math.lcm(4, _STEPS_ON_PAPER, _STEPS_ON_BODY)  # every share of an ink is a whole number of them


def _mix(a: Color, b: Color, part: int, whole: int) -> Color:
    """``a`` covered by ``part`` of ``whole`` of ``b``, rounded to the nearest."""
    red, green, blue = (
        (x * (whole - part) + y * part + whole // 2) // whole for x, y in zip(a, b, strict=True)
    )
    return red, green, blue


@lru_cache(maxsize=1)
def _entries() -> dict[Color, tuple[Color, float, Color | None]]:
    """Each colour of the palette in its order, with the ground, the share and the ink that it is mixed of."""
    body = COLORS[Ink.BODY]
    on_paper = dict.fromkeys(color for color in COLORS.values() if color != body)
    on_body = [COLORS[ink] for ink in _INKS_ON_BODY]
    mixed: list[tuple[Color, float, Color | None]] = [(PAPER, 0.0, None)]
    mixed += [(PAPER, 1.0, color) for color in on_paper]
    mixed += [(PAPER, i / 4, body) for i in (4, 1, 2, 3)]
    for ground, inks, steps in ((PAPER, on_paper, _STEPS_ON_PAPER), (body, on_body, _STEPS_ON_BODY)):
        mixed += [(ground, i / steps, color) for color in inks for i in range(1, steps)]
    cells: dict[int, tuple[Color, tuple[Color, float, Color | None]]] = {}
    for ground, share, ink in mixed:
        color = ground if ink is None else _mix(ground, ink, round(share * _PARTS), _PARTS)
        cells.setdefault(int(cell(np.array(color, dtype=np.uint8))), (color, (ground, share, ink)))
    return dict(cells.values())


def palette() -> tuple[Color, ...]:
    """At most 256 colours, no two in one cell: ramps from the paper and from body fill to each ink."""
    return tuple(_entries())


def mixtures() -> tuple[tuple[Color, float, Color | None], ...]:
    """Ground, share of the ink, and ink of each colour of the palette, in its order; no ink: ground alone."""
    return tuple(_entries().values())


@lru_cache(maxsize=1)
def nearest_table() -> np.ndarray:
    """Palette index for each 15-bit colour (5 bits a channel, red highest): uint8, shape (32768,)."""
    levels = (np.arange(1 << _CELL_BITS, dtype=np.int64) * 255) // ((1 << _CELL_BITS) - 1)
    cells = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    colors = np.array(palette(), dtype=np.int64)[None]
    table = np.empty(len(cells), dtype=np.uint8)
    for start in range(0, len(cells), 4096):
        distance = ((cells[start : start + 4096] - colors) ** 2).sum(axis=2)
        table[start : start + 4096] = distance.argmin(axis=1)
    for index, color in enumerate(palette()):  # a colour of the palette always stays itself
        table[cell(np.array([color], dtype=np.uint8))] = index
    return table


def cell(rgb: np.ndarray) -> np.ndarray:
    """The 15-bit cell of uint8 colours, shape (..., 3) to (...)."""
    wide = (rgb >> (8 - _CELL_BITS)).astype(np.int32)
    return (wide[..., 0] << (2 * _CELL_BITS)) | (wide[..., 1] << _CELL_BITS) | wide[..., 2]

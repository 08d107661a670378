"""A drawn sheet with the truth about it, and the windows that are cut from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pretraining.kinds import LABEL_KINDS, all_kinds, kind_of
from pretraining.tokens import CELL
from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.drawing.layout import Box, character_centers, layout_of
from schematic_reader.kicad.drawing.palette import Ink
from schematic_reader.kicad.model import Sheet

_CHARACTERS = {char: i + 1 for i, char in enumerate([*(chr(code) for code in range(33, 127)), *"Ωµ°±"])}
_KINDS = {kind: i + 1 for i, kind in enumerate(all_kinds())}
SPOT = 4  # px a side of the spots whose character the dense loss asks for
SPOTS = (CELL // SPOT) ** 2  # spots in a cell
CHARACTER_CLASSES = len(_CHARACTERS) + 1  # 0: none
KIND_CLASSES = len(_KINDS) + 1
_CUT = 1.0  # px of a text's box that may lie outside a window


@dataclass(frozen=True, slots=True)
class Text:
    """A text that can be seen; ``x`` and ``y`` are the middle of its box in pixels."""

    text: str
    x: float
    y: float
    ink: Ink
    symbol: int  # index of the symbol it belongs to among the scene's, or -1


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol that can be seen; ``x``, ``y`` are the middle of its body, ``anchor`` is KiCad's position."""

    kind: str
    reference: str  # as printed, or ""
    value: str  # as printed, or ""
    x: float
    y: float
    anchor: tuple[float, float]
    body: Box


@dataclass(frozen=True, slots=True)
class View:
    """A picture as it is asked about: what can be seen whole on it."""

    width: int
    height: int
    scale: float  # pixels a millimetre
    texts: tuple[Text, ...]
    symbols: tuple[Symbol, ...]


class Scene:
    """A sheet drawn at ``scale`` pixels a millimetre.

    ``pixels`` are palette indices, uint8 (height, width).
    """

    def __init__(self, sheet: Sheet, width: int, height: int) -> None:
        layout = layout_of(sheet, width, height)
        self.scale = min(width / sheet.size[0], height / sheet.size[1])
        self.pixels = np.asarray(draw_sheet(sheet, width=width, height=height))
        self._boxes = np.array([t.box for t in layout.texts], np.float64).reshape(-1, 4)
        middles = (self._boxes[:, :2] + self._boxes[:, 2:]) / 2
        printed: dict[int, list[int]] = {}
        for i, text in enumerate(layout.texts):
            printed.setdefault(text.symbol, []).append(i)
        self._symbols: list[Symbol] = []
        self._fields: list[tuple[int, int]] = []  # texts that show the reference and the value, or -1
        numbers = {}
        for number, drawn in enumerate(layout.symbols):
            placed = drawn.symbol
            library = sheet.lib_symbols.get(placed.lib_name or placed.lib_id)
            if library is None:
                continue
            seen = printed.get(number, [])
            texts = layout.texts
            reference = next(
                (i for i in seen if placed.reference and texts[i].text.startswith(placed.reference)), -1
            )
            value = next((i for i in seen if i != reference and texts[i].text == placed.value), -1)
            body = drawn.body
            numbers[number] = len(self._symbols)
            self._fields.append((reference, value))
            self._symbols.append(
                Symbol(
                    kind_of(library, placed.reference.rstrip("?0123456789")),
                    texts[reference].text if reference >= 0 else "",
                    texts[value].text if value >= 0 else "",
                    (body[0] + body[2]) / 2,
                    (body[1] + body[3]) / 2,
                    (placed.at[0] * self.scale, placed.at[1] * self.scale),
                    body,
                )
            )
        self._texts = [
            Text(t.text, x, y, t.ink, numbers.get(t.symbol, -1))
            for t, (x, y) in zip(layout.texts, middles.tolist(), strict=True)
        ]
        spots = [
            (x, y, _CHARACTERS[char])
            for text in layout.texts
            for char, (x, y) in character_centers(text)
            if char in _CHARACTERS
        ]
        self._spots = np.array(spots, np.float64).reshape(-1, 3)

    def focus(self) -> list[tuple[float, float]]:
        """Places worth looking at: the middles of texts and symbols."""
        return [(t.x, t.y) for t in self._texts] + [(s.x, s.y) for s in self._symbols]

    def view(self, left: int, top: int, width: int, height: int) -> View:
        """What the window shows whole, in the window's own pixels."""
        low, high = np.array([left, top]), np.array([left + width, top + height])
        boxes = self._boxes
        whole = np.all((boxes[:, :2] >= low - _CUT) & (boxes[:, 2:] <= high + _CUT), axis=1)
        texts = [
            Text(t.text, t.x - left, t.y - top, t.ink, t.symbol)
            for t, seen in zip(self._texts, whole, strict=True)
            if seen
        ]
        symbols = []
        for symbol, (reference, value) in zip(self._symbols, self._fields, strict=True):
            x0, y0, x1, y1 = symbol.body
            if not (left <= symbol.x < left + width and top <= symbol.y < top + height):
                continue
            if x0 < left - CELL or y0 < top - CELL or x1 > left + width + CELL or y1 > top + height + CELL:
                continue
            symbols.append(
                Symbol(
                    symbol.kind,
                    symbol.reference if reference >= 0 and whole[reference] else "",
                    symbol.value if value >= 0 and whole[value] else "",
                    symbol.x - left,
                    symbol.y - top,
                    (symbol.anchor[0] - left, symbol.anchor[1] - top),
                    (x0 - left, y0 - top, x1 - left, y1 - top),
                )
            )
        return View(width, height, self.scale, tuple(texts), tuple(symbols))

    def characters(self, left: int, top: int, width: int, height: int) -> np.ndarray:
        """The class of the character whose middle lies in each spot, uint8 (height / SPOT, width / SPOT)."""
        rows, columns = height // SPOT, width // SPOT
        found = np.zeros((rows, columns), np.uint8)
        x = np.floor((self._spots[:, 0] - left) / SPOT).astype(np.int64)
        y = np.floor((self._spots[:, 1] - top) / SPOT).astype(np.int64)
        inside = (x >= 0) & (y >= 0) & (x < columns) & (y < rows)
        found[y[inside], x[inside]] = self._spots[inside, 2]
        return found


def kinds(view: View) -> np.ndarray:
    """Classes of the symbol whose middle, and of one whose body, lies in each cell.

    A label counts as a symbol where its middle lies in a cell without one. uint8 (2, height / CELL, width /
    CELL).
    """
    rows, columns = view.height // CELL, view.width // CELL
    found = np.zeros((2, rows, columns), np.uint8)
    for symbol in view.symbols:
        kind = _KINDS[symbol.kind]
        found[0, int(symbol.y) // CELL, int(symbol.x) // CELL] = kind
        x0, y0, x1, y1 = (max(0, int(v) // CELL) for v in symbol.body)
        found[1, y0 : y1 + 1, x0 : x1 + 1] = kind
    for text in view.texts:
        row, column = int(text.y) // CELL, int(text.x) // CELL
        if text.ink in LABEL_KINDS and row < rows and column < columns and not found[0, row, column]:
            found[0, row, column] = _KINDS[LABEL_KINDS[text.ink]]
    return found

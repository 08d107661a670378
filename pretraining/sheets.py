"""Makes chunks of training sheets: a sheet, its picture, questions about it, and what lies in each cell."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from pretraining import libraries
from pretraining.feed import Chunk
from pretraining.kinds import all_kinds
from pretraining.plain import Candidate, Group, made_up, plain_sheet
from pretraining.questions import NAMES, Asked, View, ask, view
from pretraining.settings import Settings
from pretraining.tokens import CELL, TURN_END
from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.drawing.layout import SheetLayout, character_centers, layout_of
from schematic_reader.kicad.drawing.palette import palette
from schematic_reader.kicad.model import Property, Sheet, TitleBlock
from schematic_reader.synthetic.circuits.compose import compose
from schematic_reader.synthetic.circuits.style import draw_style
from schematic_reader.synthetic.symbols import KINDS, Kind

_CHARACTERS = {char: i for i, char in enumerate([*(chr(code) for code in range(33, 127)), *"Ωµ°±"])}
_KINDS = {kind: i for i, kind in enumerate(all_kinds())}
# A cell has a part for about each character of a line, 4 across and 2 down, of 8 x 16 px.
_ACROSS, _DOWN = 4, 2
# Characters whose middle lies in each part of a cell, kinds whose middle or whose body lies in the cell.
_PLACES = _ACROSS * _DOWN * len(_CHARACTERS)
LABELS = _PLACES + 2 * len(_KINDS)
THEME_SHARES = (0.85, 0.1, 0.05)
# Pixels to a millimetre; letters are 1.27 mm high.
_USUAL_DENSITIES = (5.55, 5.7, 5.85, 6.0, 6.2)
_OTHER_DENSITIES = (3.4, 7.0)
_FRAMED = 180.0  # mm; a narrower sheet has no room for a frame


def colors() -> np.ndarray:
    """What a palette index looks like, float32 (3, 256, 3) in -1..1.

    KiCad's colours, the same on white paper, and shades of grey on white.
    """
    table = np.zeros((256, 3), np.float32)
    table[: len(palette())] = palette()
    white = np.minimum(table * (255 / table[0]), 255)
    grey = np.repeat((white @ np.array([0.299, 0.587, 0.114], np.float32))[:, None], 3, 1)
    return np.stack([table, white, np.clip((grey - 60) * (255 / 195), 0, 255)]).astype(np.float32) / 127.5 - 1


@dataclass(frozen=True)
class SheetMaker:
    """Makes the chunk of a number; the same one for the same number, settings and tokenizer."""

    settings: Settings
    tokenizer_file: Path
    library: Path | None = None

    def empty(self) -> Chunk:
        """A chunk of the right shapes and types."""
        settings = self.settings
        count, width, height = settings.fresh, settings.width, settings.height
        shape = (count, settings.question_sets)
        return Chunk(
            np.zeros((count, height, width), np.uint8),
            np.zeros((*shape, sum(settings.slots)), np.int16),
            np.zeros((*shape, sum(settings.slots)), np.uint8),
            np.zeros((count, height // CELL * (width // CELL), (LABELS + 7) // 8), np.uint8),
            np.zeros((*shape, len(settings.slots)), np.uint8),
        )

    def __call__(self, number: int) -> Chunk:
        settings, chunk = self.settings, self.empty()
        width, height = settings.width, settings.height
        for i in range(settings.fresh):
            rng = random.Random(f"{settings.seed} {number} {i}")
            sheet = self.sheet(rng)
            layout = _inside(layout_of(sheet, width, height), width, height)
            chunk.pictures[i] = np.asarray(draw_sheet(sheet, width=width, height=height))
            seen = view(sheet, layout)
            chunk.cells[i] = np.packbits(_cells(layout, seen), axis=1)
            for k in range(settings.question_sets):
                asked = ask(seen, len(settings.slots), rng)
                self._encode(asked, chunk.tokens[i, k], chunk.answers[i, k], chunk.asked[i, k])
        return chunk

    def sheet(self, rng: random.Random) -> Sheet:
        """A sheet at one of the generator's scales or, less often, at any down to that of real A4 sheets."""
        settings = self.settings
        density = rng.choice(_USUAL_DENSITIES) if rng.random() < 0.6 else rng.uniform(*_OTHER_DENSITIES)
        size = (settings.width / density, settings.height / density)
        choice = rng.random()
        if choice < settings.library_share:
            return plain_sheet(self._library, size, rng)
        if choice < settings.library_share + settings.plain_share:
            return plain_sheet(self._own, size, rng)
        title = TitleBlock(made_up(rng), "", made_up(rng), made_up(rng))
        sheet, _ = compose(rng, draw_style(rng, frame=0.5 if size[0] > _FRAMED else 0.0), size, title, "")
        return _scrambled(sheet, rng) if rng.random() < 0.25 else sheet

    def _encode(
        self, asked: Sequence[Asked], tokens: np.ndarray, answers: np.ndarray, names: np.ndarray
    ) -> None:
        """Write each question and its answer into its slot; an answer that is too long is cut off."""
        start = 0
        for number, (length, one) in enumerate(zip(self.settings.slots, asked, strict=True)):
            question = self._tokenizer.encode(f"{one.prompt}<|im_end|>\n<|im_start|>assistant\n").ids
            answer = [*self._tokenizer.encode(one.answer).ids, TURN_END]
            ids = [*question, *answer][:length]
            tokens[start : start + len(ids)] = ids
            answers[start + len(question) : start + len(ids)] = 1
            names[number] = NAMES.index(one.name)
            start += length

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer.from_file(str(self.tokenizer_file))

    @cached_property
    def _library(self) -> tuple[Group, ...]:
        if self.library is None:
            raise ValueError("a share of library sheets needs a library folder")
        return libraries.load(self.library)

    @cached_property
    def _own(self) -> tuple[Group, ...]:
        return ((1.0, tuple(_candidate(kind) for kind in KINDS.values())),)


def _candidate(kind: Kind) -> Candidate:
    return Candidate(kind.symbol, kind.prefix, (kind.value,) if kind.symbol.power else (kind.value, "", ""))


def _scrambled(sheet: Sheet, rng: random.Random) -> Sheet:
    """The sheet with made-up values and labels, so that what is printed cannot be guessed."""

    def field(prop: Property) -> Property:
        return replace(prop, value=made_up(rng)) if prop.key == "Value" and rng.random() < 0.7 else prop

    symbols = tuple(replace(s, properties=tuple(field(p) for p in s.properties)) for s in sheet.symbols)
    labels = tuple(replace(label, text=made_up(rng)) for label in sheet.labels)
    return replace(sheet, symbols=symbols, labels=labels)


def _inside(layout: SheetLayout, width: int, height: int) -> SheetLayout:
    """The same sheet, of which only the upper left ``width`` x ``height`` pixels are seen."""
    texts = tuple(t for t in layout.texts if t.box[2] <= width and t.box[3] <= height)
    return replace(layout, width=width, height=height, texts=texts)


def _cells(layout: SheetLayout, seen: View) -> np.ndarray:
    """What lies in each cell of ``CELL`` pixels, bool (cells, LABELS)."""
    rows, columns = layout.height // CELL, layout.width // CELL
    cells = np.zeros((rows, columns, LABELS), bool)
    for text in layout.texts:
        for char, (x, y) in character_centers(text):
            if char in _CHARACTERS and 0 <= x < layout.width and 0 <= y < layout.height:
                part = int(y) % CELL * _DOWN // CELL * _ACROSS + int(x) % CELL * _ACROSS // CELL
                label = part * len(_CHARACTERS) + _CHARACTERS[char]
                cells[int(y) // CELL, int(x) // CELL, label] = True
    for symbol in seen.symbols:
        kind = _PLACES + _KINDS[symbol.kind]
        cells[int(symbol.y) // CELL, int(symbol.x) // CELL, kind] = True
        x0, y0, x1, y1 = (max(0, int(v) // CELL) for v in symbol.body)
        cells[y0 : y1 + 1, x0 : x1 + 1, kind + len(_KINDS)] = True
    return cells.reshape(rows * columns, LABELS)

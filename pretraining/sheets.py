"""Makes chunks of training pictures: windows of drawn sheets, questions about them, the truth about cells."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from pretraining import material
from pretraining.enlarged import FACTORS
from pretraining.feed import VALIDATION_CHUNK, Chunk
from pretraining.plain import Candidate, Group, made_up, plain_sheet
from pretraining.questions import NAMES, Question, ask
from pretraining.remix import Remixer
from pretraining.renamed import Renamer
from pretraining.scene import SPOT, Scene, View, kinds
from pretraining.settings import Settings, Shape
from pretraining.tokens import CELL, TURN_END
from pretraining.turned import LAYOUTS, turned
from schematic_reader.cli import UserError
from schematic_reader.kicad.model import Property, Sheet, TitleBlock
from schematic_reader.synthetic.circuits.compose import compose
from schematic_reader.synthetic.circuits.style import draw_style
from schematic_reader.synthetic.symbols import KINDS, Kind

REAL_SCALE = 1123 / 297  # px a mm of an A4 sheet that is 1,123 px wide; its letters are 4.8 px high
_SCALES = (3.3, 8.0)  # of other pictures
_REAL_SHARE = 0.4  # share of windows at the real scale, or nearly
_ENLARGED_SHARE = 0.3  # share of windows that had about the real scale before they were enlarged
_RENAMED_SHARE = 0.5  # share of real sheets that are turned by lot and made anew as those to tune on
_SAMPLE_SCALES = (5.55, 5.7, 5.85, 6.0, 6.2)  # of the generator's own sheets
_FRAMED = 180.0  # mm; a narrower sheet has no room for a frame
_SMALLEST = 3.4  # px a mm at which a whole sheet is still asked about
_MOST_TRIES = 200  # sheets looked at for one that a whole picture shows legibly
_MOST_PIXELS = 3_500_000  # of a drawn sheet


class Window(NamedTuple):
    """A part of a scene, or all of it, from the pixel ``left``, ``top`` on."""

    scene: Scene
    left: int
    top: int
    view: View
    enlarged: int  # a place in FACTORS


@dataclass(frozen=True)
class SheetMaker:
    """Makes the chunk of a number; the same one for the same number, settings, tokenizer and material."""

    settings: Settings
    tokenizer_file: Path
    material_file: Path

    def empty(self, name: str) -> Chunk:
        """A chunk of a shape, with nothing in it."""
        shape, sets = self.settings.shapes[name], self.settings.question_sets
        count, width, height = shape.fresh, shape.width, shape.height
        return Chunk(
            np.zeros((count, height, width), np.uint8),
            np.zeros((count, sets, sum(shape.slots)), np.int16),
            np.zeros((count, sets, sum(shape.slots)), np.uint8),
            np.zeros((count, height // SPOT, width // SPOT), np.uint8),
            np.zeros((count, 2, height // CELL, width // CELL), np.uint8),
            np.zeros((count, sets, len(shape.slots)), np.uint8),
            np.zeros(count, np.uint8),
        )

    def __call__(self, number: int, name: str) -> Chunk:
        shape, chunk = self.settings.shapes[name], self.empty(name)
        rng = random.Random(f"{self.settings.seed} {number}")
        windows = self.windows(shape, rng, held_out=number >= VALIDATION_CHUNK)
        for i in range(shape.fresh):
            scene, left, top, view, chunk.enlarged[i] = next(windows)
            chunk.pictures[i] = scene.pixels[top : top + shape.height, left : left + shape.width]
            chunk.characters[i] = scene.characters(left, top, shape.width, shape.height)
            chunk.kinds[i] = kinds(view)
            for k in range(self.settings.question_sets):
                asked = ask(view, len(shape.slots), self._words, rng)
                self._encode(shape, asked, chunk.tokens[i, k], chunk.answers[i, k], chunk.asked[i, k])
        return chunk

    def windows(self, shape: Shape, rng: random.Random, *, held_out: bool = False) -> Iterator[Window]:
        """Windows without end.

        Args:
            held_out: real layouts are those of the repositories that are never trained on.
        """
        real = self._material.held_out if held_out else self._material.sheets
        while True:
            if not shape.windows:
                scene = self._page(shape, real, rng)
                yield Window(scene, 0, 0, scene.view(0, 0, shape.width, shape.height), 0)
                continue
            scene, enlarged = self._scene(shape, real, rng)
            focus = scene.focus() or [(0.0, 0.0)]
            high, wide = scene.pixels.shape
            for _ in range(shape.windows):
                x, y = rng.choice(focus)
                left = min(max(0, int(x - rng.uniform(0.05, 0.95) * shape.width)), wide - shape.width)
                top = min(max(0, int(y - rng.uniform(0.05, 0.95) * shape.height)), high - shape.height)
                yield Window(scene, left, top, scene.view(left, top, shape.width, shape.height), enlarged)

    def _scene(self, shape: Shape, real: Sequence[Sheet], rng: random.Random) -> tuple[Scene, int]:
        """A drawn sheet at least as large as the shape, and by how much its windows are enlarged."""
        enlarged, chance = 0, rng.random()
        if chance < _REAL_SHARE:
            scale = REAL_SCALE * rng.uniform(0.97, 1.03)
        elif chance < _REAL_SHARE + _ENLARGED_SHARE:
            enlarged = rng.randrange(1, len(FACTORS))
            scale = REAL_SCALE * rng.uniform(0.95, 1.1) * FACTORS[enlarged]
        else:
            scale = math.exp(rng.uniform(*map(math.log, _SCALES)))
        sheet = self.sheet((2.5 * shape.width / scale, 2.5 * shape.height / scale), real, rng)
        most = math.sqrt(_MOST_PIXELS / (sheet.size[0] * sheet.size[1]))
        if scale > most:
            scale, enlarged = most, 0
        width = max(shape.width, round(sheet.size[0] * scale))
        height = max(shape.height, round(sheet.size[1] * scale))
        return Scene(sheet, width, height), enlarged

    def _page(self, shape: Shape, real: Sequence[Sheet], rng: random.Random) -> Scene:
        """A whole sheet in a picture of the shape."""
        scale = REAL_SCALE if shape.width > 1000 else rng.choice(_SAMPLE_SCALES)
        for _ in range(_MOST_TRIES):
            sheet = self.sheet((shape.width / scale, shape.height / scale), real, rng)
            if min(shape.width / sheet.size[0], shape.height / sheet.size[1]) >= _SMALLEST:
                return Scene(sheet, shape.width, shape.height)
        raise UserError(
            f"{_MOST_TRIES} sheets are too large for a picture of {shape.width} x {shape.height} px: "
            "give the shape windows, or name other sources"
        )

    def sheet(self, size: tuple[float, float], real: Sequence[Sheet], rng: random.Random) -> Sheet:
        """A sheet of one of the sources; ``size`` in mm is that of sheets which are not ``real`` ones."""
        sources = self.settings.sources
        (source,) = rng.choices(list(sources), list(sources.values()))
        if source == "real":
            sheet = rng.choice(real)
            if rng.random() < _RENAMED_SHARE:
                return self._renamer(turned(sheet, rng.randrange(LAYOUTS)), rng)
            return self._remixer(sheet, rng)
        if source == "library":
            return plain_sheet(self._material.library, size, rng)
        if source == "rows":
            return plain_sheet(self._own, size, rng)
        if size[0] * size[1] > 70_000:  # the generator's circuits fill no larger sheet
            size = (size[0] / 2, size[1] / 2)
        title = TitleBlock(made_up(rng), "", made_up(rng), made_up(rng))
        frame = 0.5 if size[0] > _FRAMED else 0.0
        sheet, _ = compose(rng, draw_style(rng, frame=frame), size, title, "")
        return _scrambled(sheet, rng) if rng.random() < 0.4 else sheet

    def _encode(
        self,
        shape: Shape,
        asked: Sequence[Question],
        tokens: np.ndarray,
        answers: np.ndarray,
        names: np.ndarray,
    ) -> None:
        """Write each question and its answer into its slot; an answer that is too long is cut off."""
        start = 0
        for number, (length, one) in enumerate(zip(shape.slots, asked, strict=True)):
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
    def _words(self) -> tuple[str, ...]:
        """Texts of the tokens that are whole characters."""
        texts = (self._tokenizer.decode([i]) for i in range(self._tokenizer.get_vocab_size()))
        return tuple(text for text in texts if text.strip() and "\ufffd" not in text)

    @cached_property
    def _material(self) -> material.Material:
        return material.read(self.material_file)

    @cached_property
    def _remixer(self) -> Remixer:
        return Remixer(self._material)

    @cached_property
    def _renamer(self) -> Renamer:
        return Renamer(self._material)

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

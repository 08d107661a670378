"""The invented projects of the built-in generator: names, styles, and the rows of each."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

from schematic_reader.kicad.model import Point, TitleBlock
from schematic_reader.synthetic.circuits.style import HouseStyle, draw_style

_BLOCK = 24  # rows that are divided into projects together, so that a row's project needs no other block
_SHEETS = (1, 2, 3, 4)
_SHEET_WEIGHTS = (0.3, 0.3, 0.25, 0.15)
_ONSETS = (
    "b",
    "br",
    "d",
    "f",
    "gl",
    "h",
    "k",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "qu",
    "r",
    "s",
    "st",
    "t",
    "v",
    "z",
)
_VOWELS = ("a", "e", "i", "o", "u", "ae", "io", "ou")
_CODAS = ("", "", "n", "r", "x", "l", "sk", "m", "th")
_KINDS = (
    "board",
    "node",
    "shield",
    "breakout",
    "hat",
    "module",
    "badge",
    "logger",
    "driver",
    "adapter",
    "kit",
)
_SENTENCES = (
    "Hardware files of the {name} {kind}.",
    "{name}: a small {kind} with {first}.",
    "Open hardware {kind}, {first} and {last} on one sheet.",
    "KiCad project of {name}",
    "{first} {kind}, revision {rev}",
    "",
)
# Pixels to a millimetre: text of 1.27 mm is then 7.0 to 7.9 pixels high, as high as it must be to be read.
_DENSITIES = (5.55, 5.55, 5.7, 5.85, 6.0, 6.2)
_LEAST_FRAME_WIDTH = 200.0  # mm; the frame's title block takes 110 mm of it


@dataclass(frozen=True, slots=True)
class Project:
    """The properties that the sheets of one repository share; ``density`` in pixels per millimetre."""

    name: str
    style: HouseStyle
    density: float
    kind: str
    rev: str
    date: str
    company: str

    @property
    def repository(self) -> str:
        return self.name.split("/")[1]

    def paper(self, width: int, height: int) -> Point:
        """The paper in mm that fills a picture of ``width`` x ``height`` pixels."""
        return (round(width / self.density, 2), round(height / self.density, 2))

    def title(self, subject: str) -> TitleBlock:
        return TitleBlock(subject, self.date, self.rev, self.company)

    def describe(self, titles: list[str], rng: random.Random) -> str:
        """One line as a repository's README may have it; sometimes none."""
        first, last = (titles[0].lower(), titles[-1].lower()) if titles else ("wiring", "wiring")
        return rng.choice(_SENTENCES).format(
            name=self.repository, kind=self.kind, first=first, last=last, rev=self.rev
        )


def _word(rng: random.Random, syllables: int) -> str:
    parts = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(syllables)]
    return "".join(parts) + rng.choice(_CODAS)


def invented_name(rng: random.Random) -> str:
    """An ``owner/repository`` of invented words."""
    owner = _word(rng, rng.randint(2, 3))
    if rng.random() < 0.3:
        owner += rng.choice(("-labs", "-hw", "works", str(rng.randint(1, 99))))
    separator = rng.choice(("-", "_", "-"))
    return f"{owner}/{_word(rng, 2)}{separator}{rng.choice(_KINDS)}"


def project_of(seed: int, row: int, width: int) -> tuple[Project, int]:
    """The project that a row belongs to and the number of the row's sheet in it, from 1.

    Depends on the arguments alone. ``width`` (pixels) decides whether a drawing frame has room.
    """
    block, place = divmod(row, _BLOCK)
    start = 0
    for number, size in enumerate(_sizes(seed, block)):
        if place < start + size:
            return _project(seed, block, number, width), place - start + 1
        start += size
    raise AssertionError("the sizes of a block's projects add up to the block")


@lru_cache(maxsize=64)
def _sizes(seed: int, block: int) -> tuple[int, ...]:
    rng = random.Random(f"{seed}:block:{block}")
    sizes: list[int] = []
    left = _BLOCK
    while left:
        size = min(left, rng.choices(_SHEETS, _SHEET_WEIGHTS)[0])
        sizes.append(size)
        left -= size
    return tuple(sizes)


@lru_cache(maxsize=64)
def _project(seed: int, block: int, number: int, width: int) -> Project:
    rng = random.Random(f"{seed}:project:{block}:{number}")
    name = invented_name(rng)
    density = rng.choice(_DENSITIES)
    framed = 0.7 if width / density >= _LEAST_FRAME_WIDTH else 0.0
    return Project(
        name=name,
        style=draw_style(rng, frame=framed),
        density=density,
        kind=rng.choice(_KINDS),
        rev=rng.choice(("A", "B", "1", "1.0", "1.1", "2", "0.1")),
        date=f"20{rng.randint(18, 25)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}",
        company=name.split("/")[0] if rng.random() < 0.4 else "",
    )

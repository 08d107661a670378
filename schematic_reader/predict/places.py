"""Where on a sheet a part was read: the core of each tile whose answer names it."""

from __future__ import annotations

from collections.abc import Iterable

from schematic_reader.io.tiles import Tiling
from schematic_reader.tasks.contract import Task
from schematic_reader.tasks.description import DescriptionTask

Box = tuple[float, float, float, float]
"""Left, top, width and height as shares of the picture's width and height."""

Places = dict[str, tuple[Box, ...]]
"""By reference and by library symbol, the boxes in the order of the tiles."""


def places(task: Task, tiling: Tiling, answers: Iterable[tuple[int, str]]) -> Places:
    """Where the answers about a sheet's tiles name what.

    Args:
        answers: the number of a tile and the answer about it, in the order of the tiles.
    """
    found: Places = {}
    for number, text in answers:
        for name in dict.fromkeys(_named(task, text)):
            found[name] = (*found.get(name, ()), core_box(tiling, number))
    return found


def core_box(tiling: Tiling, number: int) -> Box:
    """The core of a tile, as far as it is on the sheet."""
    width, height = tiling.scaled
    left, top, right, bottom = tiling.core(number)
    right, bottom = min(right, width), min(bottom, height)
    return left / width, top / height, (right - left) / width, (bottom - top) / height


def _named(task: Task, text: str) -> Iterable[str]:
    """The references and library symbols of an answer."""
    if isinstance(task, DescriptionTask):
        for symbol in task.symbols(text):
            yield from (name for name in (symbol.reference, symbol.name) if name)
    else:
        yield from map(task.name_of, task.parse(text).items)

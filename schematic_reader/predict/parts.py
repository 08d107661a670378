"""The reading of a sheet, and the parts of several sheets as one list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from schematic_reader.kicad.bom import ListedSymbol
from schematic_reader.kicad.nets.netlist import Net
from schematic_reader.predict.opened_sheet import SheetOrigin
from schematic_reader.predict.part_kinds import part_kind
from schematic_reader.predict.places import Places
from schematic_reader.tasks.components import is_none
from schematic_reader.tasks.contract import EMPTY

DOUBTFUL = 0.5
"""A part of a lower calibrated confidence is more likely wrong than right, and marked as doubtful."""


def is_doubtful(confidence: float | None, *, calibrated: bool) -> bool:
    """Whether what has this confidence is marked; without a calibration nothing is."""
    return calibrated and confidence is not None and confidence < DOUBTFUL


@dataclass(frozen=True)
class Part:
    """A part on a sheet; ``confidence`` is the probability that it is there, None where there is none.

    ``placed`` are the references and values of its symbols, where the sheet was read from its file.
    """

    name: str
    confidence: float | None
    placed: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> str:
        return part_kind(self.name)


@dataclass(frozen=True)
class Reading:
    """The model's answer for the sheet at ``origin``, and for the task components the parts in it.

    ``cut`` is true where the answer was truncated at ``evaluate.max_new_tokens``, ``from_file`` where no
    model was asked: the parts are those of the KiCad file. ``calibrated`` is true where the confidences are
    probabilities, by which parts are ``DOUBTFUL``. The root sheet of a project has the ``nets`` of
    all its sheets. ``symbols`` are the placed ones, power symbols included, of a KiCad file or of the answer
    to a structured task. ``places`` tells where on a sheet that was cut into tiles its parts were read.
    ``sub_sheets`` are the names of the sub-sheets of a KiCad file or of such an answer. ``readable`` is false
    where all parts of such an answer are doubtful, or it names neither a part nor a sub-sheet, as of a photo
    or a page of text; None where confidences do not tell.
    """

    origin: SheetOrigin
    answer: str
    parts: tuple[Part, ...]
    cut: bool
    from_file: bool = False
    nets: tuple[Net, ...] = ()
    symbols: tuple[ListedSymbol, ...] = ()
    places: Places = field(default_factory=dict)
    calibrated: bool = False
    sub_sheets: tuple[str, ...] = ()
    readable: bool | None = None

    @property
    def unlike(self) -> bool:
        """Whether something was read, but nothing that is likely to be right."""
        return self.readable is False and not self.empty

    @property
    def has_sub_sheets_alone(self) -> bool:
        """Whether sub-sheets were read, and no part: of many projects that is what the root sheet has."""
        return bool(self.sub_sheets) and not any(symbol.is_part for symbol in self.symbols)

    @property
    def empty(self) -> bool:
        """Whether nothing was read: no part, and for a structured task no text or that of an empty sheet."""
        answer = self.answer.strip()
        return not self.parts and (not answer or is_none(answer) or answer in EMPTY.values())


@dataclass(frozen=True)
class PartLine:
    """A line of the list of parts; ``confidence`` is the highest of its sheets, by which it is ``doubtful``.

    ``placed`` are the references and values of sheets read from their files, each once, and ``read_from`` has
    ``file``, ``picture`` or both.
    """

    part: str
    kind: str
    seen_in: tuple[str, ...]
    confidence: float | None
    placed: tuple[tuple[str, str], ...] = ()
    read_from: tuple[str, ...] = ("picture",)
    doubtful: bool = False


def part_list(readings: Iterable[Reading]) -> list[PartLine]:
    """Every part once, by kind and name, with the sheets that show it in their order."""
    seen: dict[str, list[tuple[Reading, Part]]] = {}
    for reading in readings:
        for part in reading.parts:
            seen.setdefault(part.name, []).append((reading, part))
    lines = []
    for name, found in seen.items():
        confidences = [part.confidence for _, part in found if part.confidence is not None]
        sheets = tuple(dict.fromkeys(str(reading.origin) for reading, _ in found))
        placed = tuple(dict.fromkeys(one for _, part in found for one in part.placed))
        read_from = tuple(sorted({"file" if reading.from_file else "picture" for reading, _ in found}))
        highest = max(confidences, default=None)
        doubtful = is_doubtful(highest, calibrated=any(reading.calibrated for reading, _ in found))
        lines.append(PartLine(name, part_kind(name), sheets, highest, placed, read_from, doubtful))
    return sorted(lines, key=lambda line: (line.kind, line.part.casefold(), line.part))

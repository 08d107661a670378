"""What was read on a sheet, and the parts of several sheets as one bill of materials."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schematic_reader.predict.opened_sheet import SheetOrigin
from schematic_reader.predict.part_kinds import kind_of


@dataclass(frozen=True)
class Part:
    """A part that a sheet shows; ``confidence`` is the probability that it does, None where none was kept."""

    name: str
    confidence: float | None

    @property
    def kind(self) -> str:
        return kind_of(self.name)


@dataclass(frozen=True)
class Reading:
    """What the model said about the sheet at ``origin``: its answer, and for components the parts in it.

    ``cut`` tells that the answer ran into ``evaluate.max_new_tokens``.
    """

    origin: SheetOrigin
    answer: str
    parts: tuple[Part, ...]
    cut: bool


@dataclass(frozen=True)
class BomLine:
    """A line of a bill of materials. ``confidence`` is that of the sheet that shows the part most clearly."""

    part: str
    kind: str
    seen_in: tuple[str, ...]
    confidence: float | None


def bill_of_materials(readings: Iterable[Reading]) -> list[BomLine]:
    """Every part once, by kind and name, with the sheets that show it in their order."""
    seen: dict[str, list[tuple[str, float | None]]] = {}
    for reading in readings:
        for part in reading.parts:
            seen.setdefault(part.name, []).append((str(reading.origin), part.confidence))
    lines = []
    for name, places in seen.items():
        confidences = [confidence for _, confidence in places if confidence is not None]
        sheets = tuple(dict.fromkeys(sheet for sheet, _ in places))
        lines.append(BomLine(name, kind_of(name), sheets, max(confidences, default=None)))
    return sorted(lines, key=lambda line: (line.kind, line.part.casefold(), line.part))

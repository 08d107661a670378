"""The bill of materials of all sheets that were read, grouped as KiCad's own export groups it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from schematic_reader.io.display import printable
from schematic_reader.kicad.bom import ListedSymbol, grouped, parts_of, parts_of_answer, reference_ranges
from schematic_reader.predict.part_kinds import part_kind
from schematic_reader.predict.parts import Reading, is_doubtful, part_list

_POWER = "power"


@dataclass(frozen=True)
class BomLine:
    """A line of a bill of materials.

    Where an answer gives names alone (the task components), ``references`` and ``value`` are empty and
    ``quantity`` is None. ``sheets`` are those that show the parts; ``confidence`` is the lowest of the parts,
    of a name that several sheets show the highest, and None where there is none. By it the line is
    ``doubtful``.
    """

    references: tuple[str, ...]
    value: str
    quantity: int | None
    symbol: str
    kind: str
    sheets: tuple[str, ...]
    confidence: float | None
    dnp: bool
    doubtful: bool

    @property
    def ranges(self) -> str:
        """The references as ``C1, C3-C5``."""
        return reference_ranges(self.references)


def bill_of_materials(readings: Sequence[Reading]) -> list[BomLine]:
    """The lines by their first references, then those of names alone by kind and name.

    Power symbols, flags and what is excluded from a bill of materials are left out. A part on several sheets
    of one project, or pages of one file, counts once; other files are taken for other projects.
    """
    parts = [part for project in _projects(readings) for part in _parts(project)]
    names = part_list(reading for reading in readings if _has_names_alone(reading))
    calibrated = any(reading.calibrated for reading in readings)
    return [_line(group, calibrated=calibrated) for group in grouped(parts)] + [
        BomLine((), "", None, name.part, name.kind, name.seen_in, name.confidence, False, name.doubtful)
        for name in names
        if name.kind != _POWER
    ]


def bom_notes(readings: Sequence[Reading]) -> Iterator[str]:
    """A line for each thing that the bill of materials lacks or may count twice."""
    if names := [reading for reading in readings if _has_names_alone(reading)]:
        yield (
            f"{_named(names)}: names alone: references, values and quantities are in answers to --task json, "
            "for which the adapter must be trained"
        )
    lost = [
        one
        for one in readings
        if not (one.empty or one.has_sub_sheets_alone or one.parts or one.symbols or one.from_file)
    ]
    if lost:
        yield f"{_named(lost)}: no symbol can be read from the answer, so none is in the bill of materials"
    seen: set[str] = set()
    twice: set[str] = set()
    for project in _projects(readings):
        references = {part.reference for part in _parts(project) if part.is_annotated}
        twice |= seen & references
        seen |= references
    if twice:
        yield (
            f"several files have {printable(reference_ranges(twice))}, counted once for each file: read one "
            "project at a time, or one PDF of all its sheets"
        )


def listed(readings: Sequence[Reading]) -> list[ListedSymbol]:
    """Every placed symbol, power symbols included, in the order of the sheets; or names alone."""
    symbols: list[ListedSymbol] = []
    for reading in readings:
        symbols += _symbols(reading)
        if _has_names_alone(reading):
            sheet = str(reading.origin)
            symbols += [ListedSymbol(part.name, "", "", sheet=sheet) for part in reading.parts]
    return symbols


def _named(readings: Sequence[Reading]) -> str:
    more = f" and {len(readings) - 1} more" if len(readings) > 1 else ""
    return f"{readings[0].origin}{more}"


def _has_names_alone(reading: Reading) -> bool:
    return bool(reading.parts) and not reading.from_file and not reading.symbols


def _projects(readings: Sequence[Reading]) -> list[list[Reading]]:
    """The readings of the pages of one file together, and those of root sheets with what is below them."""
    projects: list[list[Reading]] = []
    of_several_roots: dict[str, list[Reading]] = {}  # by the file of the project
    current: list[Reading] = []
    for reading in readings:
        origin = reading.origin
        if not current or not (origin.sheet.strip("/") or origin.file == current[-1].origin.file):
            current = of_several_roots.setdefault(origin.project, []) if origin.project else []
            if not current:
                projects.append(current)
        current.append(reading)
    return projects


def _parts(project: Sequence[Reading]) -> list[ListedSymbol]:
    """The parts of a project, each once: in a file by reference, in answers by all that is read of one."""
    symbols = [symbol for reading in project for symbol in _symbols(reading)]
    return parts_of(symbols) if project[0].from_file else parts_of_answer(symbols)


def _symbols(reading: Reading) -> Iterator[ListedSymbol]:
    """The symbols of a reading with its sheet."""
    for symbol in reading.symbols:
        confidence = 1.0 if reading.from_file else symbol.confidence
        yield replace(symbol, sheet=str(reading.origin), confidence=confidence)


def _line(parts: Sequence[ListedSymbol], *, calibrated: bool) -> BomLine:
    first = parts[0]
    lowest = min((part.confidence for part in parts if part.confidence is not None), default=None)
    return BomLine(
        references=tuple(part.reference for part in parts),
        value=first.value,
        quantity=len(parts),
        symbol=first.name,
        kind=part_kind(first.name),
        sheets=tuple(dict.fromkeys(part.sheet for part in parts)),
        confidence=lowest,
        dnp=first.dnp,
        doubtful=is_doubtful(lowest, calibrated=calibrated),
    )

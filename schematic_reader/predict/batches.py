"""Read the files of a command line: pictures in batches by the model, KiCad files as they are."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from schematic_reader.cli import UserError, say_error
from schematic_reader.io.display import ellipsized, printable
from schematic_reader.io.outside_paths import is_file, real_path
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_folder import (
    file_in,
    is_project_name,
    is_sheet_name,
    project_beside,
    root_sheets,
)
from schematic_reader.predict.drawn_project import project_pictures
from schematic_reader.predict.input_files import STANDARD_INPUT, named_files, read_file, sub_sheets_in
from schematic_reader.predict.kicad_file import KicadReading, KicadTexts, ReadKicad, kicad_texts
from schematic_reader.predict.opened_sheet import OpenedSheet, SheetLimits, SheetOrigin, open_sheets
from schematic_reader.predict.parts import Reading
from schematic_reader.predict.rendering import vector_format
from schematic_reader.predict.sheet_reader import SheetReader

log = logging.getLogger(__name__)

_MAX_NAMES = 200  # characters of a warning for what a sheet names

Found = Reading | OpenedSheet
"""A sheet that is read already, or a picture for the model."""


def read_files(
    arguments: Sequence[str],
    limits: SheetLimits,
    load: Callable[[], SheetReader],
    *,
    kicad: ReadKicad | None,
) -> tuple[list[Reading], int, SheetReader | None]:
    """The readings of all sheets, in their order; how many files could not be read; the model, if loaded.

    The model is loaded when the first picture is open, so that bad files are reported at once, and not at all
    for KiCad files, which ``kicad`` reads; without it they are drawn and the model is asked.
    """
    readings: list[Reading | None] = []
    waiting: list[tuple[int, OpenedSheet]] = []
    failed, reader = 0, None
    for found in chain(opened(arguments, limits, kicad), [None]):
        if isinstance(found, UserError):
            say_error(str(found))
            failed += 1
        for sheet in found if isinstance(found, list) else []:
            readings.append(sheet if isinstance(sheet, Reading) else None)
            if isinstance(sheet, OpenedSheet):
                waiting.append((len(readings) - 1, sheet))
                reader = reader or load()
        while reader and waiting and (len(waiting) >= reader.batch_size or found is None):
            start = time.perf_counter()
            batch, waiting = waiting[: reader.batch_size], waiting[reader.batch_size :]
            for (place, _), reading in zip(batch, reader.read([sheet for _, sheet in batch]), strict=True):
                readings[place] = reading
            log.info("%d read, %.1f s a sheet", len(batch), (time.perf_counter() - start) / len(batch))
    done = [reading for reading in readings if reading is not None]
    for reading in done:
        if reading.empty and not reading.sub_sheets:
            log.warning("%s: nothing was read: the answer names no part", reading.origin)
        if reading.has_sub_sheets_alone and not reading.from_file:  # of a file they are followed
            names = printable(ellipsized(", ".join(reading.sub_sheets), _MAX_NAMES))
            log.warning("%s: no part was read, but sub-sheets: %s", reading.origin, names)
        if reading.unlike:
            log.warning(
                "%s: does not look like the sheets that the model was made for: all that is read is doubtful",
                reading.origin,
            )
        if reading.cut:
            log.warning("%s: answer truncated at evaluate.max_new_tokens, may be incomplete", reading.origin)
    return done, failed, reader


def opened(
    arguments: Sequence[str], limits: SheetLimits, kicad: ReadKicad | None
) -> Iterator[list[Found] | UserError]:
    """The sheets of each file, or what is wrong with it; what is not read of it is logged."""
    below = sub_sheets_in(arguments)
    waiting: dict[Path, str] = {}  # sub-sheets, which their root sheets should lead to
    seen = _Seen()
    for name in named_files(arguments):
        if isinstance(name, UserError):
            yield name
        elif (path := real_path(name)) in below:
            waiting[path] = name
        else:
            yield from _sheets_of(name, limits, kicad, seen)
    for path, name in waiting.items():
        if path not in seen.followed:
            yield from _sheets_of(name, limits, kicad, seen)


@dataclass(frozen=True, slots=True)
class _Seen:
    """KiCad files, resolved: projects and sheets that were read as roots, and what their boxes led to."""

    roots: set[Path] = field(default_factory=set)
    followed: set[Path] = field(default_factory=set)


def _sheets_of(
    name: str, limits: SheetLimits, kicad: ReadKicad | None, seen: _Seen, project: Path | None = None
) -> Iterator[list[Found] | UserError]:
    """The sheets of one file, of each root sheet where it is a project; none of a KiCad file in ``seen``.

    ``project`` is the project file that lists it, if one does.
    """
    if is_project_name(name) or is_sheet_name(name):
        if (path := real_path(name)) in seen.roots:
            return
        seen.roots.add(path)
    try:
        label, data = read_file(name)
        if is_project_name(name):
            for root in root_sheets(Path(name), data):
                if isinstance(root, KicadError):
                    yield UserError(f"{name}: {root}")
                else:
                    yield from _sheets_of(str(root), limits, kicad, seen, Path(name))
            return
        found: list[Found] = []
        notes: list[str] = []
        if vector_format(data) != "kicad":
            sheets = open_sheets(label, data, limits)
            found += sheets
            notes += [note for sheet in sheets for note in sheet.notes]
        elif kicad:
            found, notes = _read_kicad(name, label, data, kicad, seen.followed, project)
        else:
            found, notes = _draw_kicad(name, label, data, limits, seen.followed, project)
    except KicadError as error:
        yield UserError(f"{name}: {error}")
        return
    except UserError as error:
        yield error
        return
    for note in notes:
        log.warning("%s", printable(note))  # a name in a file may have line breaks
    yield found


_Followed = TypeVar("_Followed", KicadReading, KicadTexts)


def _follow(
    name: str,
    label: str,
    data: bytes,
    by: Callable[..., _Followed],
    followed: set[Path],
    listing: Path | None,
) -> tuple[_Followed, str]:
    """What ``by`` (``ReadKicad`` or ``kicad_texts``) finds in a KiCad file and what is below it.

    Also the label of the folder in which its files and notes are. ``listing`` is the project file that lists
    it, if one does, else that beside it counts. Raises UserError.
    """
    path = Path(name)
    folder = None if name == STANDARD_INPUT else path.parent
    root = label if folder is None else path.name

    def read(file: str) -> bytes | None:
        if file == root:
            return data
        of_kicad = is_sheet_name(file) or is_project_name(file)
        if folder is None or not of_kicad or not is_file(folder / file):
            return None
        followed.add(real_path(folder / file))
        try:
            return read_file(str(folder / file))[1]
        except UserError:
            return None

    project = (listing or project_beside(path)) if folder else None
    find = partial(file_in, folder) if folder else str
    try:
        found = by(root, read, project=project and _from(folder, project), find=find)
    except UserError as error:
        raise UserError(f"{label}: {error}") from None
    return found, os.path.dirname(label) if folder else ""  # noqa: PTH120, a label


def _from(folder: Path | None, file: Path) -> str:
    """The file's path from the folder."""
    return file.name if file.parent == folder else os.path.relpath(file, folder)


def _read_kicad(
    name: str, label: str, data: bytes, kicad: ReadKicad, followed: set[Path], project: Path | None
) -> tuple[list[Found], list[str]]:
    """The readings of a KiCad file and its sub-sheets, and what is not in them."""
    found, folder = _follow(name, label, data, kicad, followed, project)
    readings = [replace(reading, origin=_inside(folder, reading.origin)) for reading in found.readings]
    return list(readings), [os.path.join(folder, note) for note in found.notes]  # noqa: PTH118


def _draw_kicad(
    name: str, label: str, data: bytes, limits: SheetLimits, followed: set[Path], project: Path | None
) -> tuple[list[Found], list[str]]:
    """The pictures of a KiCad file and its sub-sheets, and what is not among them.

    Raises:
        UserError: the root sheet cannot be drawn.
    """
    found, folder = _follow(name, label, data, kicad_texts, followed, project)
    placed = [(_inside(folder, origin), text) for origin, text in found.sheets]
    notes = [os.path.join(folder, note) for note in found.notes]  # noqa: PTH118
    drawn, notes = project_pictures(KicadTexts(placed, found.variables, notes), limits)
    return list(drawn), notes


def _inside(folder: str, origin: SheetOrigin) -> SheetOrigin:
    project = origin.project and os.path.join(folder, origin.project)  # noqa: PTH118
    return replace(origin, file=os.path.join(folder, origin.file), project=project)  # noqa: PTH118

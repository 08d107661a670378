"""The files of one upload to the page as sheets: pictures for the model, KiCad files as they are."""

from __future__ import annotations

import posixpath
from collections import Counter
from dataclasses import dataclass

from schematic_reader.cli import UserError
from schematic_reader.kicad.project_folder import (
    SHEET_SUFFIX,
    is_project_name,
    project_of,
    spelled_alike,
    sub_sheet_names,
)
from schematic_reader.predict.drawn_project import drawn_sheets, project_pictures
from schematic_reader.predict.kicad_file import ReadKicad, kicad_texts
from schematic_reader.predict.opened_sheet import OpenedSheet, SheetLimits, SheetOrigin, open_sheets
from schematic_reader.predict.parts import Reading
from schematic_reader.predict.rendering import vector_format

MAX_SHEETS = 50  # of all files of one upload, as of one file


@dataclass(frozen=True)
class DroppedSheet:
    """A sheet of an upload.

    ``opened`` is None where a KiCad file cannot be drawn, ``reading`` where the model is to be asked.
    """

    origin: SheetOrigin
    opened: OpenedSheet | None
    reading: Reading | None = None


def dropped_sheets(
    files: list[tuple[str, bytes]], limits: SheetLimits, kicad: ReadKicad | None
) -> tuple[list[DroppedSheet], list[str]]:
    """The sheets of an upload, and a line for each file, page or sub-sheet that is not among them.

    KiCad files are read by ``kicad``; without it they are drawn and the model is asked.
    """
    by_name, errors = _project_files(files)
    dropped: list[DroppedSheet] = []
    notes: list[str] = []
    below: set[str] = set()

    def is_root(name: str, data: bytes) -> bool:
        return name not in by_name or bool(sub_sheet_names(data))

    # Root sheets first: a sub-sheet that is dropped with its root is read as part of it.
    for name, data in sorted(files, key=lambda file: not is_root(*file)):
        try:
            if vector_format(data) == "kicad":
                if name in below or name not in by_name:
                    continue
                new, noted = _kicad_sheets(name, by_name, kicad, limits, MAX_SHEETS - len(dropped))
                below |= {sheet.origin.file for sheet in new}
            elif is_project_name(name):
                continue
            else:
                _check_room(1, MAX_SHEETS - len(dropped))
                opened = open_sheets(name, data, limits)
                new = [DroppedSheet(sheet.origin, sheet) for sheet in opened]
                noted = [note for sheet in opened for note in sheet.notes]
                _check_room(len(new), MAX_SHEETS - len(dropped))
            dropped += new
            notes += noted
        except UserError as error:
            line = str(error)
            errors.append(line if line.startswith(f"{name}: ") else f"{name}: {line}")
    return dropped, errors + notes


def _project_files(files: list[tuple[str, bytes]]) -> tuple[dict[str, bytes], list[str]]:
    """The KiCad files of an upload by name, and a line for each name that does not tell which one is meant.

    A browser sends names without their folders.
    """
    sheets = [(name, data) for name, data in files if vector_format(data) == "kicad"]
    projects = [(name, data) for name, data in files if is_project_name(name)]
    times = Counter(name for name, _ in sheets)
    errors = [
        f"{name}: {count} sheets have this name: drop one project at a time"
        for name, count in times.items()
        if count > 1
    ]
    if not sheets:
        alone = f"it holds no sheet: drop the project's {SHEET_SUFFIX} too"
        errors += [f"{name}: {alone}" for name, _ in projects]
    return dict(projects) | {name: data for name, data in sheets if times[name] == 1}, errors


def _kicad_sheets(
    name: str, files: dict[str, bytes], kicad: ReadKicad | None, limits: SheetLimits, room: int
) -> tuple[list[DroppedSheet], list[str]]:
    """A KiCad sheet and those below it, each as it is used, and a line for what is not read or not shown.

    Raises:
        UserError: it is no sheet that can be read or, for the model, drawn, or there are more than ``room``.
    """
    _check_room(1, room)
    project = project_of(name, list(filter(is_project_name, files)))

    def find(file: str) -> str:
        names = (spelled_alike(name, files) for name in (file, posixpath.basename(file)))
        return next(filter(None, names), file)

    if kicad is None:
        texts = kicad_texts(name, files.get, project=project, find=find)
        _check_room(len(texts.sheets), room)
        pictures, notes = project_pictures(texts, limits)
        return [DroppedSheet(opened.origin, opened) for opened in pictures], notes
    found = kicad(name, files.get, project=project, find=find)
    _check_room(len(found.readings), room)
    dropped: list[DroppedSheet] = []
    notes = list(found.notes)
    for reading, drawn in zip(found.readings, drawn_sheets(found.texts(), limits), strict=True):
        opened = drawn if isinstance(drawn, OpenedSheet) else None
        if opened is None:
            notes.append(f"{drawn}; its parts are read all the same")
        dropped.append(DroppedSheet(reading.origin, opened, reading))
    return dropped, notes


def _check_room(sheets: int, room: int) -> None:
    """Raises UserError: an upload has no room for so many further sheets."""
    if sheets > room:
        raise UserError(f"over {MAX_SHEETS} sheets at once: drop fewer, or read it by stages.predict")

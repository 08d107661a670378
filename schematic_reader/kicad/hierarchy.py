"""A project's sheets: a root sheet and its sub-sheets, each as often as it is used."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from schematic_reader.kicad.model import Sheet
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_file import ProjectFile, with_project
from schematic_reader.kicad.read_symbols import SheetUse
from schematic_reader.kicad.reader import read_sheet, symbol_instances
from schematic_reader.kicad.sexpr import Node
from schematic_reader.kicad.text_variables import resolved

MAX_USES = 1000
"""Uses of sheets that are followed; real projects have some dozens."""

_MAX_DEPTH = 30

ReadText = Callable[[str], str | None]
"""The text of a file of the project, by its path from the root sheet's folder; None where there is none."""


@dataclass(frozen=True, slots=True)
class UsedSheet:
    """A sheet as one part of a project.

    Attributes:
        file: its path from the root sheet's folder.
        name: the names of the sheet boxes down to it, as KiCad shows them: ``/`` or ``/Power/Left/``.
        sheet: with the references of this use, text variables replaced.
    """

    file: str
    name: str
    sheet: Sheet


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The sheets of a project from the root down, and a line for each that is not followed."""

    sheets: list[UsedSheet] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def follow_sheets(file: str, read: ReadText, project: ProjectFile) -> Hierarchy:
    """Read the root sheet ``file`` and all that is below it.

    A sub-sheet that is missing, damaged or contains itself is named in ``unread`` and passed over.

    Raises:
        KicadError: the root sheet is no KiCad 6 to 10 sheet.
    """
    text = read(file)
    if text is None:
        raise KicadError("there is no such file")
    found = Hierarchy()
    root = _as_used(read_sheet(text), file, project)
    found.sheets.append(UsedSheet(file, "/", root))
    below = _Below(read, project, symbol_instances(text), found)
    below.follow(root, (file,), f"/{root.uuid}", "/")
    return found


@dataclass(frozen=True, slots=True)
class _Below:
    """Follows sub-sheets, depth first and in the order of the file, into ``found``."""

    read: ReadText
    project: ProjectFile
    instances: Mapping[str, Node]
    found: Hierarchy

    def follow(self, sheet: Sheet, files: tuple[str, ...], path: str, name: str) -> None:
        """Follow the boxes of ``sheet``, whose file is the last of ``files``, those down to it."""
        for box in sheet.sheets:
            file = posixpath.normpath(
                posixpath.join(posixpath.dirname(files[-1]), box.file_name.replace("\\", "/"))
            )
            box_name, label = f"{name}{box.name}/", f"sub-sheet {box.file_name!r} ({name}{box.name})"
            if len(self.found.sheets) >= MAX_USES or len(files) > _MAX_DEPTH:
                self.found.unread.append(f"{label} is not followed: over {MAX_USES} sheets")
                return
            if not box.file_name:
                self.found.unread.append(f"sub-sheet {name}{box.name} names no file")
                continue
            if file in files:
                self.found.unread.append(f"{label} contains itself and is not followed")
                continue
            text = self.read(file)
            if text is None:
                self.found.unread.append(f"{label} is not there and is not followed")
                continue
            box_path = f"{path}/{box.uuid}"
            try:
                below = read_sheet(text, SheetUse(box_path, self.instances))
            except KicadError as error:
                self.found.unread.append(f"{label} is not followed: {error}")
                continue
            below = _as_used(below, file, self.project)
            self.found.sheets.append(UsedSheet(file, box_name, below))
            self.follow(below, (*files, file), box_path, box_name)


def _as_used(sheet: Sheet, file: str, project: ProjectFile) -> Sheet:
    """The sheet with what its project defines, and the use's references and values as its fields."""
    sheet = resolved(with_project(replace(sheet, file_name=posixpath.basename(file)), project))
    symbols = []
    for symbol in sheet.symbols:
        used = {"Reference": symbol.designator, "Value": symbol.instance_value or symbol.value}
        properties = tuple(
            replace(field, value=used.get(field.key, field.value)) for field in symbol.properties
        )
        symbols.append(replace(symbol, properties=properties))
    return replace(sheet, symbols=tuple(symbols))

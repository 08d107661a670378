"""A project's sheets: a root sheet and its sub-sheets, each as often as it is used."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from schematic_reader.kicad.model import Sheet
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_file import ProjectFile, with_project
from schematic_reader.kicad.read_symbols import SheetUse
from schematic_reader.kicad.reader import read_sheet, symbol_instances
from schematic_reader.kicad.text_variables import resolved

MAX_USES = 1000
"""Uses of sheets that are followed; real projects have some dozens."""

_MAX_DEPTH = 30

ReadText = Callable[[str], str | None]
"""The text of a file of the project, by its path from the root sheet's folder; None where there is none."""

FindFile = Callable[[str], str]
"""The path of a file from the root sheet's folder as it is there, for one as a sheet box spells it."""


@dataclass(frozen=True, slots=True)
class UsedSheet:
    """A sheet as one part of a project.

    Attributes:
        file: its path from the root sheet's folder.
        name: the names of the sheet boxes down to it, as KiCad shows them: ``/`` or ``/Power/Left/``.
        sheet: with the references of this use, text variables replaced. Symbols below a box that is not
            populated, or not in the bill of materials, are not either.
        use: by which ``sheet_use.text_of_use`` makes the text of this use.
    """

    file: str
    name: str
    sheet: Sheet
    use: SheetUse


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The sheets of a project from the root down, and a line for each that is not followed."""

    sheets: list[UsedSheet] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def follow_sheets(file: str, read: ReadText, project: ProjectFile, find: FindFile = str) -> Hierarchy:
    """Read the root sheet ``file`` and all that is below it.

    A sub-sheet that is missing, damaged or contains itself is named in ``unread`` and passed over.

    Raises:
        KicadError: the root sheet is no KiCad 6 to 10 sheet.
    """
    text = read(file)
    if text is None:
        raise KicadError("there is no such file")
    root = _as_used(read_sheet(text), "/", file, file, project)
    use = SheetUse(f"/{root.uuid}", symbol_instances(text))
    found = Hierarchy([UsedSheet(file, "/", root, use)])
    _Below(read, find, project, found).follow(found.sheets[0], use, (file,))
    return found


@dataclass(frozen=True, slots=True)
class _Below:
    """Follows sub-sheets, depth first and in the order of the file, into ``found``."""

    read: ReadText
    find: FindFile
    project: ProjectFile
    found: Hierarchy

    def follow(
        self,
        above: UsedSheet,
        use: SheetUse,
        files: tuple[str, ...],
        *,
        dnp: bool = False,
        in_bom: bool = True,
    ) -> None:
        """Follow the boxes of a sheet, whose file is the last of ``files``, those down to it.

        ``dnp`` and ``in_bom`` are what the boxes down to it say.
        """
        for box in above.sheet.sheets:
            file = self.find(
                posixpath.normpath(
                    posixpath.join(posixpath.dirname(files[-1]), box.file_name.replace("\\", "/"))
                )
            )
            name = f"{above.name}{box.name}"
            label = f"sub-sheet {box.file_name!r} ({name})"
            if len(self.found.sheets) >= MAX_USES or len(files) > _MAX_DEPTH:
                self.found.unread.append(
                    f"{label} is not followed: over {MAX_USES} sheets or {_MAX_DEPTH} levels"
                )
                return
            if not box.file_name:
                self.found.unread.append(f"sub-sheet {name} names no file")
                continue
            if file in files:
                self.found.unread.append(f"{label} contains itself and is not followed")
                continue
            box_use = SheetUse(f"{use.path}/{box.uuid}", use.instances)
            try:
                text = self.read(file)
                if text is None:
                    self.found.unread.append(f"{label} is not there and is not followed")
                    continue
                sheet = _as_used(read_sheet(text, box_use), f"{name}/", file, files[0], self.project)
            except KicadError as error:
                self.found.unread.append(f"{label} is not followed: {error}")
                continue
            flags = {"dnp": dnp or box.dnp, "in_bom": in_bom and box.in_bom}
            below = UsedSheet(file, f"{name}/", _inheriting(sheet, **flags), box_use)
            self.found.sheets.append(below)
            self.follow(below, box_use, (*files, file), **flags)


def _inheriting(sheet: Sheet, *, dnp: bool, in_bom: bool) -> Sheet:
    """The sheet below boxes with these settings."""
    if in_bom and not dnp:
        return sheet
    symbols = (replace(s, dnp=s.dnp or dnp, in_bom=s.in_bom and in_bom) for s in sheet.symbols)
    return replace(sheet, symbols=tuple(symbols))


def _as_used(sheet: Sheet, name: str, file: str, root: str, project: ProjectFile) -> Sheet:
    """The sheet with what its project and its place there define, and the use's references and values."""
    place = {
        "SHEETNAME": name.split("/")[-2],
        "SHEETPATH": name,
        "SHEETFILE": posixpath.basename(file),
    }
    sheet = resolved(with_project(replace(sheet, file_name=posixpath.basename(root)), project), place)
    symbols = []
    for symbol in sheet.symbols:
        used = symbol.used_fields
        properties = tuple(
            replace(field, value=used.get(field.key, field.value)) for field in symbol.properties
        )
        symbols.append(replace(symbol, properties=properties))
    return replace(sheet, symbols=tuple(symbols))

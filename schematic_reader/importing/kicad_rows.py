"""Rows from a KiCad project: each sheet as often as it is used, drawn by this project's own renderer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from schematic_reader.importing.imported import Imported
from schematic_reader.io.outside_paths import is_file, real_path, reason_of, shown_name
from schematic_reader.kicad.drawing.draw import draw_sheet, encode_png
from schematic_reader.kicad.drawing.raster import DrawingError
from schematic_reader.kicad.hierarchy import UsedSheet, follow_sheets
from schematic_reader.kicad.kiutils import to_json, to_yaml
from schematic_reader.kicad.model import Sheet
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_file import ProjectFile, read_project
from schematic_reader.kicad.project_folder import (
    MAX_SHEET_BYTES,
    SHEET_SUFFIX,
    file_in,
    is_sheet_name,
    project_beside,
    project_text,
    root_sheets,
    sheet_text,
)
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.sheet_use import text_of_use


@dataclass(frozen=True, slots=True)
class KicadRoot:
    """A root sheet, the ``name`` that its rows get, and the project file that lists it, if one does."""

    path: Path
    name: str
    project: Path | None = None

    def imported(self) -> Imported:
        """The rows of the root sheet and of all below it that place a component."""
        found = Imported()
        project = self._project(found)
        texts: dict[str, str] = {}

        def text(file: str) -> str | None:
            path = self.path.parent / file
            if file not in texts and is_sheet_name(file) and is_file(path):
                found.files.add(real_path(path))
                try:
                    texts[file] = sheet_text(read_bytes(path))
                except OSError as error:
                    raise KicadError(reason_of(error)) from None
            return texts.get(file)

        try:
            find = partial(file_in, self.path.parent)
            followed = follow_sheets(self.path.name, text, project, find)
        except KicadError as error:
            found.leave_out(self.path, error)
            return found
        found.notes += [f"{self.path}: {note}" for note in followed.unread]
        for used in followed.sheets:
            place = "" if used.name == "/" else f" as {used.name}"
            try:
                row = _row(used, text_of_use(texts[used.file], used.use), project, self.name)
            except DrawingError as error:
                found.leave_out(self.path.parent / used.file, f"it cannot be drawn{place}: {error}")
                continue
            if row["components_used"]:
                found.rows.append(row)
            else:
                found.leave_out(self.path.parent / used.file, f"it places no component{place}")
        return found

    def _project(self, found: Imported) -> ProjectFile:
        """What the project file defines."""
        path = self.project or project_beside(self.path)
        if path is None:
            return ProjectFile()
        try:
            return read_project(project_text(read_bytes(path)))
        except (KicadError, OSError) as error:
            found.leave_out(path, error)
            return ProjectFile()


def listed_roots(project: Path) -> list[Path | KicadError]:
    """The root sheets of a ``.kicad_pro`` file, as ``root_sheets`` has them. Raises KicadError, OSError."""
    return root_sheets(project, read_bytes(project))


def read_bytes(path: Path) -> bytes:
    """The file's bytes, at most one more than ``MAX_SHEET_BYTES``."""
    with path.open("rb") as file:
        return file.read(MAX_SHEET_BYTES + 1)


def _row(used: UsedSheet, text: str, project: ProjectFile, name: str) -> dict[str, Any]:
    """The row of a sheet whose ``text`` is that of its use; its picture shows the project's variables."""
    sheet = read_sheet(text)
    file = Path(shown_name(used.file))
    shown = replace(sheet, file_name=file.name, text_variables=project.text_variables)
    place = used.name.strip("/").replace("/", "-")
    return raw_row(text, sheet, shown, f"{file.stem}{place and f'-{place}'}.png", name)


def raw_row(text: str, sheet: Sheet, shown: Sheet, picture: str, name: str) -> dict[str, Any]:
    """A row in the raw schema: a sheet's ``text``, what is read of it, and a picture of ``shown``.

    JSON and YAML are those of the text, as in the data set.
    """
    return {
        "schematic": text,
        "image": {"bytes": encode_png(draw_sheet(shown)), "path": picture},
        "components_used": sheet.component_names,
        "json": to_json(sheet),
        "yaml": to_yaml(sheet),
        "name": name,
        "description": None,
        "type": SHEET_SUFFIX,
    }

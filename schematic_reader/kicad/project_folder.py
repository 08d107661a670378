"""The files of a KiCad project: which sheets are its roots, which are below others, and their texts."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from schematic_reader.io.outside_paths import is_file, real_path
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_file import listed_root_sheets

SHEET_SUFFIX, PROJECT_SUFFIX = ".kicad_sch", ".kicad_pro"
MAX_SHEET_BYTES = 100_000_000

_SUB_SHEET = re.compile(rb'"Sheet ?file"\s+"((?:[^"\\]|\\.){1,1000})"')


def is_sheet_name(name: str | Path) -> bool:
    """Whether that is the name of a sheet; its suffix may be in capitals, as Windows takes it."""
    return str(name).lower().endswith(SHEET_SUFFIX)


def is_project_name(name: str | Path) -> bool:
    """Whether that is the name of a project file; its suffix may be in capitals."""
    return str(name).lower().endswith(PROJECT_SUFFIX)


def is_autosave_name(name: str) -> bool:
    """Whether that is KiCad's copy of a sheet that is being edited, or was in a crash."""
    return is_sheet_name(name) and name.startswith("_autosave-")


def sheet_text(data: bytes) -> str:
    """The text of a ``.kicad_sch``. Raises KicadError where it is no UTF-8 or over ``MAX_SHEET_BYTES``."""
    if len(data) > MAX_SHEET_BYTES:
        raise KicadError(
            f"over {MAX_SHEET_BYTES // 1_000_000} MB: remove pictures from it, or split it into sub-sheets"
        )
    return project_text(data)


def project_text(data: bytes) -> str:
    """The text of a file of a project. Raises KicadError where it is no UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise KicadError("it is not UTF-8: save it with KiCad 6 or later") from None


def root_sheets(project: Path, data: bytes) -> list[Path | KicadError]:
    """The root sheets of a project file: those it lists (KiCad 10), else the sheet of its own name.

    They need not be there. In place of one whose name is no sheet's stands what is wrong with it.

    Raises:
        KicadError: it is no project file.
    """
    text = project_text(data)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise KicadError("not a KiCad 6 to 10 project file: no JSON") from None
    files = listed_root_sheets(document)
    return [_listed_root(project.parent, name) for name in files] or [_own_sheet(project)]


def _listed_root(folder: Path, name: str) -> Path | KicadError:
    if not is_sheet_name(name):
        return KicadError(f"it lists {name[:80]!r} as a root sheet, which is no {SHEET_SUFFIX}")
    return folder / file_in(folder, name.replace("\\", "/"))


def _own_sheet(project: Path) -> Path:
    """The sheet of a project's own name, whether it is there or not."""
    own = project.with_suffix(SHEET_SUFFIX)
    same = (path for path in _beside(project) if is_sheet_name(path.name) and path.stem == project.stem)
    alike = project.with_name(file_in(project.parent, own.name))
    return own if is_file(own) else next(same, alike)


def file_in(folder: Path, name: str) -> str:
    """The path from the folder of a file that its project names: the name itself where that is there.

    Else the only path that is spelled alike, since Windows and macOS take such files for each other; the name
    where there is none.
    """
    if not name or is_file(folder / name):
        return name
    found = Path()
    for part in Path(name).parts:
        if part != os.pardir and not os.path.lexists(folder / found / part):
            part = spelled_alike(part, _names_in(folder / found)) or part
        found /= part
    return str(found) if is_file(folder / found) else name


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208, names alone
    except (OSError, ValueError):
        return []


def spelled_alike(name: str, names: Iterable[str]) -> str | None:
    """Of the names that one, else the only one that differs in case, or in how its accents are encoded."""
    names = list(names)
    if name in names:
        return name
    alike = [other for other in names if folded(other) == folded(name)]
    return alike[0] if len(alike) == 1 else None


def folded(name: str) -> str:
    """The name as file systems compare it for which neither case nor the encoding of accents counts."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def project_beside(sheet: Path) -> Path | None:
    """The project file that goes with a sheet: that of its own name, else the only one of its folder."""
    own = sheet.with_suffix(PROJECT_SUFFIX)
    if is_file(own):
        return own
    found = project_of(sheet.name, [path.name for path in _beside(sheet) if is_project_name(path.name)])
    return sheet.with_name(found) if found else None


def project_of(sheet: str, projects: Sequence[str]) -> str | None:
    """Of the project files of one folder that of a sheet: that of its own name, else the only one.

    Its own name may be in other case where no second one is spelled so.
    """
    stems = [os.path.splitext(name)[0] for name in projects]  # noqa: PTH122
    own = spelled_alike(os.path.splitext(sheet)[0], stems)  # noqa: PTH122
    return projects[stems.index(own)] if own else projects[0] if len(projects) == 1 else None


def _beside(file: Path) -> list[Path]:
    return sorted(file.parent.glob("*"))


def sub_sheet_names(data: bytes) -> list[str]:
    """The files of the sub-sheets of a KiCad sheet, as it names them, each once; without parsing it."""
    return list(dict.fromkeys(os.fsdecode(name).replace("\\", "/") for name in _SUB_SHEET.findall(data)))


def below_others(sheets: Iterable[Path]) -> set[Path]:
    """The sheets, given as resolved paths, that are below root sheets among them: those that none names.

    Sheets that name each other in a circle to which no root leads are not below any. A sheet that cannot be
    read names none.
    """
    sheets = set(sheets)
    if len(sheets) < 2:
        return set()  # nor need it be read for that
    names = {sheet: _named_by(sheet) for sheet in sheets}
    roots = set(names).difference(*names.values())
    below: set[Path] = set()
    waiting = list(roots)
    while waiting:
        found = names[waiting.pop()] & names.keys() - below
        below |= found
        waiting += found
    return below


def _named_by(sheet: Path) -> set[Path]:
    """The files of the sub-sheets that a sheet names, without itself."""
    try:
        with sheet.open("rb") as file:
            found = sub_sheet_names(file.read(MAX_SHEET_BYTES))
    except OSError:  # told when it is read as a sheet
        return set()
    return {real_path(sheet.parent / file_in(sheet.parent, name)) for name in found} - {sheet}

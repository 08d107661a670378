"""The files of a KiCad project: which sheets are its roots, which are below others, and their texts."""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from schematic_reader.kicad.nodes import KicadError

SHEET_SUFFIX, PROJECT_SUFFIX = ".kicad_sch", ".kicad_pro"
MAX_SHEET_BYTES = 100_000_000

_SUB_SHEET = re.compile(rb'"Sheet ?file"\s+"((?:[^"\\]|\\.){1,1000})"')


def sheet_text(data: bytes) -> str:
    """The text of a ``.kicad_sch``. Raises KicadError where it is no UTF-8 or over ``MAX_SHEET_BYTES``."""
    if len(data) > MAX_SHEET_BYTES:
        raise KicadError(f"over {MAX_SHEET_BYTES // 1_000_000} MB: is this a sheet?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise KicadError("it is not UTF-8: save it with KiCad 6 or later") from None


def root_sheets(project: str, data: bytes) -> list[str]:
    """The root sheets of a project file: those it lists (KiCad 10), else the sheet of its own name.

    Raises:
        KicadError: it is no project file.
    """
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise KicadError("not a KiCad 6 to 10 project file: no JSON") from None
    schematic = document.get("schematic") if isinstance(document, dict) else None
    listed = schematic.get("top_level_sheets") if isinstance(schematic, dict) else None
    files = [
        sheet["filename"]
        for sheet in (listed if isinstance(listed, list) else [])
        if isinstance(sheet, dict) and isinstance(sheet.get("filename"), str)
    ]
    return files or [f"{posixpath.splitext(project)[0]}{SHEET_SUFFIX}"]


def sub_sheet_names(data: bytes) -> list[str]:
    """The files of the sub-sheets of a KiCad sheet, as it names them, each once; without parsing it."""
    return list(dict.fromkeys(os.fsdecode(name).replace("\\", "/") for name in _SUB_SHEET.findall(data)))


def below_others(sheets: Iterable[Path]) -> set[Path]:
    """The sheets, given as resolved paths, that others of them name as their sub-sheets.

    Where every sheet is below another, none is.

    Raises:
        OSError: a sheet cannot be read.
    """
    sheets = set(sheets)
    named: set[Path] = set()
    for sheet in sheets:
        with sheet.open("rb") as file:
            names = sub_sheet_names(file.read(MAX_SHEET_BYTES))
        paths = ((sheet.parent / name).resolve() for name in names)
        named.update(path for path in paths if path != sheet)
    return sheets & named if not sheets <= named else set()

"""Input files of a command line: files, folders and standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from schematic_reader.cli import UserError
from schematic_reader.io.outside_paths import files_below, is_file, real_path, reason_of, shown_name
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_folder import (
    SHEET_SUFFIX,
    below_others,
    is_autosave_name,
    is_project_name,
    is_sheet_name,
    root_sheets,
)
from schematic_reader.predict.opened_sheet import MAX_BYTES

STANDARD_INPUT = "-"
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".svg", ".pdf", SHEET_SUFFIX, ".gif", ".bmp", ".tif", ".tiff",
)  # fmt: skip


def named_files(arguments: Sequence[str]) -> Iterator[str | UserError]:
    """The files that the arguments of a command line name, or what is wrong with an argument.

    A folder stands for the files with one of ``SUFFIXES`` in it and in the folders in it, by name; those that
    start with a dot, and KiCad's autosaves, are left out.
    """
    for word in arguments:
        if not word:  # as of an unset variable of the shell; as a path it is this folder
            yield UserError("an argument is empty: name a sheet, or . for this folder")
            continue
        if word == STANDARD_INPUT or not _is_folder(word):
            yield word
            continue
        locked: list[OSError] = []
        inside = sorted(path for path in _saved_files(Path(word), locked) if path.suffix.lower() in SUFFIXES)
        yield from (UserError(f"{Path(error.filename)}: {reason_of(error).lower()}") for error in locked)
        if not inside and not locked:
            yield UserError(f"{word}: the folder holds no sheet ({', '.join(SUFFIXES)})")
        yield from map(str, inside)


def _saved_files(folder: Path, locked: list[OSError]) -> Iterator[Path]:
    """``files_below`` without KiCad's autosaves."""
    return (path for path in files_below(folder, locked) if not is_autosave_name(path.name))


def _is_folder(word: str) -> bool:
    """Whether it is one; unlike ``Path.is_dir`` of Python 3.11, this raises for no name."""
    return os.path.isdir(word)  # noqa: PTH112


def sub_sheets_in(arguments: Sequence[str]) -> set[Path]:
    """The KiCad sheets of a command line that are read as part of root sheets there."""
    named: set[Path] = set()
    for word in arguments:
        if word in ("", STANDARD_INPUT):
            continue
        files = _saved_files(Path(word), []) if _is_folder(word) else _listed_roots(word)
        named.update(real_path(path) for path in files if is_sheet_name(path.name) and is_file(path))
    return below_others(named)


def _listed_roots(word: str) -> list[Path]:
    """The file that is named, the root sheets of a project file instead; what is wrong is told elsewhere."""
    if not is_project_name(word):
        return [Path(word)]
    try:
        return [root for root in root_sheets(Path(word), read_file(word)[1]) if isinstance(root, Path)]
    except (UserError, KicadError):
        return []


def read_file(name: str) -> tuple[str, bytes]:
    """The file's name for the output, and its bytes, at most one more than ``MAX_BYTES``.

    Raises:
        UserError: it is missing or cannot be read; one line that names it.
    """
    if name == STANDARD_INPUT:
        return "standard input", _standard_input()
    try:
        label = shown_name(name)
        with Path(name).open("rb") as file:
            return label, file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"{label}: {reason_of(error).lower()}") from None
    except ValueError:  # a NUL or half a surrogate pair, as a project file may list
        raise UserError(f"{name}: no file can have this name") from None


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise UserError("standard input: it is closed: send a sheet to it, or name a file")
    try:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"standard input: {reason_of(error).lower()}") from None

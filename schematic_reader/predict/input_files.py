"""Input files of a command line: files, folders and standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from schematic_reader.cli import UserError
from schematic_reader.kicad.project_folder import SHEET_SUFFIX, below_others
from schematic_reader.predict.opened_sheet import MAX_BYTES

STANDARD_INPUT = "-"
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".svg", ".pdf", ".kicad_sch", ".gif", ".bmp", ".tif", ".tiff",
)  # fmt: skip


def named_files(arguments: Sequence[str]) -> Iterator[str | UserError]:
    """The files that the arguments of a command line name, or what is wrong with an argument.

    A folder stands for the files with one of ``SUFFIXES`` in it and in the folders in it, by name; those that
    start with a dot are left out.
    """
    for word in arguments:
        if not word:  # as of an unset variable of the shell; as a path it is this folder
            yield UserError("an argument is empty: name a sheet, or . for this folder")
            continue
        path = Path(word)
        if word == STANDARD_INPUT or not path.is_dir():
            yield word
            continue
        inside = sorted(
            found
            for found in path.rglob("*")
            if found.suffix.lower() in SUFFIXES
            and found.is_file()
            and not any(part.startswith(".") for part in found.relative_to(path).parts)
        )
        if not inside:
            yield UserError(f"{word}: the folder holds no sheet ({', '.join(SUFFIXES)})")
        yield from map(str, inside)


def sub_sheets_in(arguments: Sequence[str]) -> set[Path]:
    """The KiCad sheets in the folders of a command line that are read as part of root sheets there."""
    below: set[Path] = set()
    for word in arguments:
        if word in ("", STANDARD_INPUT) or not Path(word).is_dir():
            continue
        sheets = (path for path in Path(word).rglob(f"*{SHEET_SUFFIX}") if path.is_file())
        below |= below_others(path.resolve() for path in sheets)
    return below


def read_file(name: str) -> tuple[str, bytes]:
    """The file's name for the output, and its bytes, at most one more than ``MAX_BYTES``.

    Raises:
        UserError: it is missing or cannot be read; one line that names it.
    """
    if name == STANDARD_INPUT:
        return "standard input", sys.stdin.buffer.read(MAX_BYTES + 1)
    label = os.fsencode(name).decode("utf-8", "replace")  # a name may be no UTF-8
    try:
        with Path(name).open("rb") as file:
            return label, file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"{label}: {(error.strerror or str(error)).lower()}") from None

"""Load symbol libraries from a folder of ``.kicad_sym`` files, such as Debian's ``kicad-symbols``."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from schematic_reader.kicad.model import LibSymbol
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.reader import read_library

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Library:
    """All symbols of a folder by ``library:name``, and the files that could not be read."""

    symbols: dict[str, LibSymbol]
    skipped: dict[str, str]  # file name to the reason


def load_library(folder: Path, *, leave_out: tuple[str, ...] = ()) -> Library:
    """Read every ``.kicad_sym`` file of a folder, in the order of their names.

    A library is called as its file is; those whose names start with one of ``leave_out`` are not read. A
    file that is no library is skipped, named in ``skipped`` and logged with what is wrong with it.
    Raises ValueError where the folder holds no library at all.
    """
    files = sorted(folder.glob("*.kicad_sym"))
    if not files:
        raise ValueError(
            f"{folder} holds no .kicad_sym file: install Debian's package kicad-symbols, whose libraries"
            " are in /usr/share/kicad/symbols"
        )
    symbols: dict[str, LibSymbol] = {}
    skipped: dict[str, str] = {}
    for file in files:
        if file.name.startswith(leave_out):
            continue
        try:
            library = read_library(file.read_text(encoding="utf-8"))
        except (KicadError, UnicodeDecodeError) as error:
            skipped[file.name] = str(error)
            LOG.warning("%s is skipped: %s", file.name, error)
            continue
        for name, symbol in library.items():
            lib_id = f"{file.stem}:{name}"
            symbols[lib_id] = replace(symbol, lib_id=lib_id)
    return Library(symbols, skipped)

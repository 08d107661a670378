"""Load the symbol libraries of a folder, such as Debian's ``kicad-symbols``.

A library is a ``.kicad_sym`` file, or from KiCad 10 on a ``.kicad_symdir`` folder with a file a symbol.
"""

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
    """Read every library of a folder, in the order of their names.

    A library is called as its file or folder is; those whose names start with one of ``leave_out`` are not
    read. One that cannot be read is skipped, named in ``skipped`` and logged with what is wrong with it.
    Raises ValueError where the folder holds no library at all.
    """
    files = sorted((*folder.glob("*.kicad_sym"), *folder.glob("*.kicad_symdir")))
    if not files:
        raise ValueError(
            f"{folder} holds no .kicad_sym file or .kicad_symdir folder: install Debian's package"
            " kicad-symbols, whose libraries are in /usr/share/kicad/symbols"
        )
    symbols: dict[str, LibSymbol] = {}
    skipped: dict[str, str] = {}
    for file in files:
        if file.name.startswith(leave_out):
            continue
        try:
            parts = sorted(file.glob("*.kicad_sym")) if file.is_dir() else [file]
            library = read_library(*(part.read_text(encoding="utf-8") for part in parts))
        except (KicadError, OSError, UnicodeDecodeError) as error:
            skipped[file.name] = str(error)
            LOG.warning("%s is skipped: %s", file.name, error)
            continue
        for name, symbol in library.items():
            lib_id = f"{file.stem}:{name}"
            symbols[lib_id] = replace(symbol, lib_id=lib_id)
    return Library(symbols, skipped)

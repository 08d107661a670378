"""Folders of symbol libraries: names, broken files, and Debian's own where it is installed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.library import load_library
from schematic_reader.kicad.model import PlacedSymbol, Sheet
from schematic_reader.kicad.reader import read_library, read_sheet
from schematic_reader.kicad.writer import write_sheet
from tests.support.kicad_sheets import GATE

DEBIAN = Path("/usr/share/kicad/symbols")


def test_symbols_are_called_after_their_file(tmp_path: Path) -> None:
    (tmp_path / "B.kicad_sym").write_text('(kicad_symbol_lib (symbol "X") (symbol "Y" (extends "X")))')
    (tmp_path / "A.kicad_sym").write_text('(kicad_symbol_lib (symbol "X"))')
    (tmp_path / "notes.txt").write_text("no library")
    library = load_library(tmp_path)
    assert list(library.symbols) == ["A:X", "B:X", "B:Y"]
    assert library.symbols["B:Y"].lib_id == "B:Y"
    assert library.skipped == {}


def test_broken_files_are_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "good.kicad_sym").write_text('(kicad_symbol_lib (symbol "X"))')
    (tmp_path / "cut.kicad_sym").write_text('(kicad_symbol_lib (symbol "X"')
    (tmp_path / "old.kicad_sym").write_text("EESchema-LIBRARY Version 2.4\n")
    (tmp_path / "bytes.kicad_sym").write_bytes(b"(kicad_symbol_lib \xff\xfe)")
    (tmp_path / "link.kicad_sym").symlink_to("gone.kicad_sym")
    library = load_library(tmp_path)
    assert list(library.symbols) == ["good:X"]
    assert list(library.skipped) == ["bytes.kicad_sym", "cut.kicad_sym", "link.kicad_sym", "old.kicad_sym"]
    assert "2 lists are not closed" in library.skipped["cut.kicad_sym"]


def test_an_empty_folder_names_the_package(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="install Debian's package kicad-symbols"):
        load_library(tmp_path)


def test_debians_symbols_parse_and_draw() -> None:
    files = sorted(DEBIAN.glob("*.kicad_sym"))
    if not files:
        pytest.skip("needs Debian's package kicad-symbols")
    rng = random.Random(2)
    for file in rng.sample(files, 6):
        for name, symbol in rng.sample(sorted(read_library(file.read_text()).items()), 1):
            sheet = Sheet(
                size=(200, 200),
                paper="User",
                lib_symbols={name: symbol},
                symbols=(PlacedSymbol(name, (100, 100)),),
                frame=False,
            )
            assert read_sheet(write_sheet(sheet)).lib_symbols[name].units == symbol.units
            assert len(draw_sheet(sheet, width=256).getcolors()) > 1


def test_drawing_needs_no_library() -> None:
    sheet = Sheet(lib_symbols={"Logic:Gate": GATE}, symbols=(PlacedSymbol("Logic:Missing", (50, 50)),))
    blank = Sheet(lib_symbols={"Logic:Gate": GATE})
    assert draw_sheet(sheet, width=200).tobytes() == draw_sheet(blank, width=200).tobytes()

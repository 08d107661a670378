"""Texts in outline fonts, where fontconfig and a font are installed."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.drawing.faces import face_mask, find_font
from schematic_reader.kicad.drawing.palette import PAPER
from schematic_reader.kicad.model import Sheet, Text, TextStyle

SCALE = 8  # pixels a millimetre
BLANK = Sheet(size=(60, 60), frame=False)
STYLE = TextStyle(5, face="DejaVu Sans")


def picture(*texts: Text) -> np.ndarray:
    return np.asarray(draw_sheet(replace(BLANK, graphics=texts), width=60 * SCALE).convert("RGB")).astype(int)


def inked(rgb: np.ndarray) -> np.ndarray:
    return np.abs(rgb - PAPER).max(axis=2) > 60


def span(mask: np.ndarray, axis: int) -> float:
    found = np.flatnonzero(mask.any(axis=1 - axis))
    return (found[-1] + 1 - found[0]) / SCALE


@pytest.fixture(autouse=True)
def _installed() -> None:
    if find_font("DejaVu Sans", False, False) is None:
        pytest.skip("needs fontconfig's fc-match and any outline font")


def test_a_face_is_drawn_in_an_outline_font_of_its_size() -> None:
    outline, stroke = (inked(picture(Text("HHH", (30, 30), style=s))) for s in (STYLE, TextStyle(5)))
    # Capitals are 0.66 to 0.75 em high in usual fonts; strokes as high as the text size and a pen more.
    assert 5 * 1.4 * 0.6 < span(outline, 0) < 5 * 1.4 * 0.8
    assert (outline != stroke).any()
    wide = inked(picture(Text("HHH", (30, 30), style=replace(STYLE, width=10))))
    assert span(wide, 1) == pytest.approx(2 * span(outline, 1), abs=1.5)
    assert span(wide, 0) == pytest.approx(span(outline, 0), abs=0.2)


def test_alignment_puts_the_text_beside_its_anchor() -> None:
    def columns(h_align: str) -> np.ndarray:
        return np.flatnonzero(
            inked(picture(Text("HHH", (30, 30), style=replace(STYLE, h_align=h_align)))).any(axis=0)
        )

    assert columns("left")[0] >= 30 * SCALE - 1
    assert columns("right")[-1] <= 30 * SCALE + 1
    assert abs(columns("center")[[0, -1]].mean() - 30 * SCALE) < 2

    def rows(v_align: str) -> np.ndarray:
        return np.flatnonzero(
            inked(picture(Text("H\nH", (30, 30), style=replace(STYLE, v_align=v_align)))).any(axis=1)
        )

    assert rows("top")[0] < rows("top")[-1]
    assert rows("bottom")[-1] < 30 * SCALE < rows("top")[-1]
    assert rows("center")[0] < 30 * SCALE < rows("center")[-1]


def test_vertical_text_is_level_text_turned_to_the_left() -> None:
    level = inked(picture(Text("FL", (30, 30.254), style=STYLE)))
    upright = inked(picture(Text("FL", (30, 30.254), angle=90, style=STYLE)))
    assert (np.rot90(level) != upright).mean() < 0.004
    assert upright.sum() > 500


def test_a_face_that_no_machine_has_is_drawn_in_the_nearest_font() -> None:
    assert find_font("No Such Face", True, True) is not None
    assert inked(picture(Text("H", (30, 30), style=replace(STYLE, face="No Such Face")))).any()


@pytest.mark.parametrize("face", ["", ":", "\0", '"'])
def test_what_is_no_name_has_no_font(face: str) -> None:
    assert find_font(face, False, False) is None


_IN_A_LOCALE_OF_ASCII = """
import sys
from schematic_reader.kicad.drawing.faces import find_font
assert sys.getfilesystemencoding() == "ascii"
print(find_font("No \u30b4\u30b7\u30c3\u30af", False, False) is not None)
"""


def test_a_face_with_letters_that_the_locale_lacks_has_a_font(tmp_path: Path) -> None:
    (tmp_path / "find.py").write_text(_IN_A_LOCALE_OF_ASCII, encoding="utf-8")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    words = [sys.executable, str(tmp_path / "find.py")]
    done = subprocess.run(words, env={**os.environ, **ascii_only}, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_without_fontconfig_texts_are_stroked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    find_font.cache_clear()
    try:
        stroked = picture(Text("H", (30, 30), style=STYLE))
    finally:
        find_font.cache_clear()
    assert (stroked == picture(Text("H", (30, 30), style=replace(STYLE, face="")))).all()


def test_huge_texts_are_left_to_the_stroke_font() -> None:
    long = ("H" * 100_000, "\n" * 100_000, "H" * 1_000_001)
    for style, text in ((replace(STYLE, size=1e4), "H"), *((STYLE, text) for text in long)):
        assert face_mask(text, style, ("left", "top"), (0.0, 0.0), SCALE) is None
    assert math.isfinite(picture(Text("H" * 1000, (-1e4, 3e4), style=STYLE)).sum())

"""Lay out text in the stroke font: KiCad's markup, alignment and line spacing.

Coordinates are in em (1 = the text size) with x to the right and y downward, and the anchor of the text
at the origin. Metrics (advance widths apart) are KiCad's own: they are checked against real pictures in
tests/unit/kicad/drawing/test_real_sheets.py.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

import numpy as np

from schematic_reader.kicad.drawing.glyphs import METRICS, STROKES
from schematic_reader.kicad.drawing.newstroke import newstroke_glyph
from schematic_reader.kicad.shapes import TextStyle

Segments = np.ndarray  # float64, shape (n, 4): x0, y0, x1, y1

_CAP_HEIGHT = 1.0  # em, on a grid of 6
_GRID = _CAP_HEIGHT / 6
_UNITS = 21  # of the font's metrics in one em
_BASELINE = 1 / 21  # KiCad's glyphs sit a little below the baseline
_LINE_PITCH = 1.60994
_FIRST_LINE = 1.17  # height that KiCad counts for the first line when it centres a text
_ITALIC_SLANT = 1 / 8
_SCRIPT_SCALE = 0.8
_SUPERSCRIPT_SHIFT = -0.35
_SUBSCRIPT_SHIFT = 0.15
_OVERBAR = -1.28
_TAB = 4  # characters from one tab stop to the next, each counted as an em; stops are a space behind the last
_UNKNOWN = "?"
_SAME_GLYPH = {"\u03bc": "µ", "\u2126": "Ω"}

_MARKUP = re.compile(r"[~_^]\{")
_ESCAPES = {
    "{slash}": "/",
    "{backslash}": "\\",
    "{lt}": "<",
    "{gt}": ">",
    "{colon}": ":",
    "{dblquote}": '"',
    "{quote}": "'",
    "{space}": " ",
    "{tab}": "\t",
    "{return}": "\n",
    "{brace}": "{",
    "{amp}": "&",
    "{bar}": "|",
    "{tilde}": "~",
}
_ESCAPE = re.compile("|".join(map(re.escape, _ESCAPES)))


def unescape(text: str) -> str:
    """KiCad's ``{slash}`` and the like as the characters they stand for."""
    return _ESCAPE.sub(lambda m: _ESCAPES[m.group()], text) if "{" in text else text


@lru_cache(maxsize=512)
def _glyph(char: str) -> tuple[Segments, float]:
    """Segments and advance width of one character."""
    char = _SAME_GLYPH.get(char, char)
    if char not in STROKES:
        found = newstroke_glyph(char)
        if found is not None:
            return found
        char = _UNKNOWN
    advance, left = (value / _UNITS for value in METRICS[char])
    points: list[tuple[float, float, float, float]] = []
    for line in STROKES[char].split(";") if STROKES[char] else ():
        corners = [tuple(float(v) * _GRID for v in pair.split(",")) for pair in line.split()]
        points += [(a[0], -a[1], b[0], -b[1]) for a, b in pairwise(corners)]
    segments = np.array(points, dtype=np.float64).reshape(-1, 4)
    segments[:, 0::2] += left
    segments[:, 1::2] += _BASELINE
    return segments, advance


def _runs(text: str) -> list[tuple[str, str]]:
    """Cut a line into (style, text) runs; the style is "", "~" (overbar), "_" or "^"."""
    runs: list[tuple[str, str]] = []
    position = 0
    while (start := _MARKUP.search(text, position)) is not None:
        runs.append(("", text[position : start.start()]))
        depth, end = 1, start.end()
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        runs.append((text[start.start()], text[start.end() : end - (depth == 0)]))
        position = end
    runs.append(("", text[position:]))
    return [run for run in runs if run[1]]


@lru_cache(maxsize=8192)
def line_segments(line: str) -> tuple[Segments, float]:
    """Segments of one line that starts at x = 0 on the baseline y = 0, and its advance width, in em."""
    parts: list[Segments] = []
    cursor = 0.0
    for style, run in _runs(line):
        scale = _SCRIPT_SCALE if style in ("_", "^") else 1.0
        shift = {"_": _SUBSCRIPT_SHIFT, "^": _SUPERSCRIPT_SHIFT}.get(style, 0.0)
        start = cursor
        count = 0  # KiCad's tab stops are at a number of characters, unless the text is past that already
        for char in unescape(run):
            count += 1
            if char == "\t":
                count = -(-count // _TAB) * _TAB
                stop = start + count - 1 + _glyph(" ")[1]
                further = max(int((cursor - stop) // _TAB) + 1, 0)
                count += further * _TAB
                cursor = stop + further * _TAB
                continue
            segments, advance = _glyph(char)
            if len(segments):
                placed = segments * scale
                placed[:, 0::2] += cursor
                placed[:, 1::2] += shift
                parts.append(placed)
            cursor += advance * scale
        if style == "~":
            parts.append(np.array([[start + 0.1, _OVERBAR, cursor - 0.1, _OVERBAR]]))
    joined = np.concatenate(parts) if parts else np.zeros((0, 4))
    joined.flags.writeable = False
    return joined, cursor


def text_lines(text: str) -> list[str]:
    """The lines of a text; like KiCad, a newline at the very end opens no further one."""
    return text.removesuffix("\n").split("\n")


def text_width(text: str) -> float:
    """Advance width of the longest line, in em of letters as wide as high."""
    return max(line_segments(line)[1] for line in text_lines(text))


def letter_width(style: TextStyle) -> float:
    """What an em of ``text_width`` measures in mm."""
    return style.width or style.size


def text_height(text: str) -> float:
    """Height that KiCad counts for the text when it aligns it, in em."""
    return _FIRST_LINE + _LINE_PITCH * (len(text_lines(text)) - 1)


def layout(text: str, style: TextStyle, h_align: str, v_align: str, pen: float) -> Segments:
    """Segments of a text around its anchor, in em of the style's size; ``pen`` is the pen width in em.

    ``h_align`` is left, center or right, ``v_align`` top, center or bottom, in place of the style's own.
    """
    stretch = style.width / style.size if style.width else 1.0
    return _layout(text, h_align, v_align, round(pen, 3), style.italic, stretch)


@lru_cache(maxsize=8192)
def _layout(text: str, h_align: str, v_align: str, pen: float, italic: bool, stretch: float) -> Segments:
    left = pen / 1.52  # so that the edge of the first stroke, not its axis, meets the anchor
    top = 1.0 - 0.052 * pen - {"top": 0.0, "center": 0.5, "bottom": 1.0}[v_align] * text_height(text)
    parts: list[Segments] = []
    for number, line in enumerate(text_lines(text)):
        segments, width = line_segments(line)
        if not len(segments):
            continue
        placed = segments.copy()
        if stretch != 1.0:
            placed[:, 0::2] *= stretch
            width *= stretch
        if italic:
            placed[:, 0::2] -= placed[:, 1::2] * _ITALIC_SLANT
        placed[:, 0::2] += {"left": left, "center": -width / 2, "right": -(width + left)}[h_align]
        placed[:, 1::2] += top + number * _LINE_PITCH
        parts.append(placed)
    joined = np.concatenate(parts) if parts else np.zeros((0, 4))
    joined.flags.writeable = False
    return joined

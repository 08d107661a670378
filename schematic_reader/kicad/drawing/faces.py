"""Texts in outline fonts: the installed font that fontconfig finds for a face, as KiCad does.

Fonts differ from machine to machine, and so do these texts, as they do in KiCad. Without fontconfig
(``fc-match``) or any font, texts are drawn in the stroke font. Generated sheets name no faces.
"""

from __future__ import annotations

import re
import subprocess
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from schematic_reader.kicad.drawing.strokes import text_lines, unescape
from schematic_reader.kicad.shapes import TextStyle

_EM = 1.4  # of the text size: KiCad's outline fonts beside its stroke font
_FIRST_LINE = 1.17  # of the text size, as for strokes
_BASELINE = 0.75  # of the text size below the top of a text; fitted to pictures of KiCad sheets
_SUBSAMPLES = 4
_LARGEST_EM = 4000  # subsamples
_MOST_SUBSAMPLES = 64_000_000  # of one text
_MARKUP = re.compile(r"[~_^]\{([^{}]*)\}")


class TextMask(NamedTuple):
    """Coverage of pixels, uint8 (height, width), and where its upper left corner lies from the anchor."""

    coverage: np.ndarray
    left: int
    top: int


def face_mask(
    text: str, style: TextStyle, align: tuple[str, str], anchor: tuple[float, float], scale: float
) -> TextMask | None:
    """A level text in the font of its face, or None where it cannot be drawn so.

    Args:
        align: horizontal (left, center, right) and vertical (top, center, bottom).
        anchor: in pixels; of it the part after the point decides how pixels are covered.
        scale: pixels a millimetre.
    """
    em = round(style.size * _EM * scale * _SUBSAMPLES)
    found = find_font(style.face, style.bold, style.italic)
    if found is None or not 1 <= em <= _LARGEST_EM or len(text) > ImageFont.MAX_STRING_LENGTH:
        return None
    font = _font(*found, em)
    lines = [_MARKUP.sub(r"\1", unescape(line)) for line in text_lines(text)]
    stretch = style.width / style.size if style.width else 1.0
    unit = style.size * scale * _SUBSAMPLES  # the text size
    pitch = _EM * unit
    up = {"top": 0.0, "center": 0.5, "bottom": 1.0}[align[1]]
    first = (_BASELINE - up * _FIRST_LINE) * unit - up * pitch * (len(lines) - 1)
    widths = [font.getlength(line) * stretch for line in lines]
    share = {"left": 0.0, "center": 0.5, "right": 1.0}[align[0]]
    left = int(-max(widths) * share - em) // _SUBSAMPLES
    top = int(first - 1.5 * em) // _SUBSAMPLES
    across = int(max(widths) + 2 * em) // _SUBSAMPLES + 2
    down = int(pitch * (len(lines) - 1) + 2.5 * em) // _SUBSAMPLES + 2
    if across * down * _SUBSAMPLES**2 > _MOST_SUBSAMPLES:
        return None
    page = Image.new("L", (across * _SUBSAMPLES, down * _SUBSAMPLES))
    inside = [(value - int(value // 1)) * _SUBSAMPLES for value in anchor]
    for number, (line, width) in enumerate(zip(lines, widths, strict=True)):
        x = inside[0] - left * _SUBSAMPLES - width * share
        y = inside[1] - top * _SUBSAMPLES + first + number * pitch
        _write(page, font, line, (x, y), stretch)
    return TextMask(np.asarray(page.reduce(_SUBSAMPLES)), left, top)


def _write(
    page: Image.Image,
    font: ImageFont.FreeTypeFont,
    line: str,
    at: tuple[float, float],
    stretch: float,
) -> None:
    """Lay a line of text on the page, its baseline starting at ``at``."""
    x0, y0, x1, y1 = (round(value) for value in font.getbbox(line, anchor="ls"))
    if x1 <= x0 or y1 <= y0:
        return
    ink = Image.new("L", (x1 - x0, y1 - y0))
    ImageDraw.Draw(ink).text((-x0, -y0), line, fill=255, font=font, anchor="ls")
    if stretch != 1.0:
        ink = ink.resize((max(round(ink.width * stretch), 1), ink.height), Image.Resampling.BOX)
    page.paste(255, (round(at[0] + x0 * stretch), round(at[1] + y0)), ink)


@lru_cache(maxsize=256)
def find_font(face: str, bold: bool, italic: bool) -> tuple[str, int] | None:
    """File and index of the installed font that is nearest to a face, or None."""
    name = re.sub(r"[^\w .+]", " ", face).strip()
    if not name:
        return None
    pattern = name + ":bold" * bold + ":italic" * italic
    try:
        done = subprocess.run(
            ["fc-match", "--format", "%{file}\n%{index}", pattern.encode()],  # whatever the locale
            capture_output=True,
            encoding="utf-8",
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    file, _, index = done.stdout.partition("\n")
    if not file or not index.isdigit():
        return None
    try:
        _font(file, int(index), 16)
    except (OSError, ValueError):
        return None
    return file, int(index)


@lru_cache(maxsize=64)
def _font(file: str, index: int, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size, index, layout_engine=ImageFont.Layout.BASIC)

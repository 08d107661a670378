"""Lay a drawing with a transparent background on white paper, so that its lines are seen."""

from __future__ import annotations

from PIL import Image, ImageOps, ImageStat

from schematic_reader.io.picture import on_white

_FAINT = 64  # levels of 255 below white: a line that is not darker is hardly seen on white
_PAGE = 128  # the mean opacity, of 255, from which what covers the picture is a page and no lines


def on_paper(image: Image.Image) -> Image.Image:
    """The image in RGB, its transparency on white, its lines in black where white would hide them.

    It hides those of a page in a dark theme that was exported without its background.
    """
    sheet = on_white(image)
    if not image.has_transparency_data:
        return sheet
    darkest = min(low for low, _ in sheet.getextrema())  # type: ignore[misc]
    if darkest <= 255 - _FAINT:
        return sheet
    opacity = image.convert("RGBA").getchannel("A")
    if ImageStat.Stat(opacity).mean[0] >= _PAGE:
        return sheet
    return ImageOps.invert(opacity).convert("RGB")

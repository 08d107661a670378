"""The font that an SVG's text is drawn in where the one that it names is not installed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import ImageFont

FONT_FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".fonts",
    Path.home() / ".local/share/fonts",
)
_SIMILAR = ("Arial", "LiberationSans-Regular", "DejaVuSans", "NotoSans-Regular", "FreeSans")
"""Files, without suffix, of fonts that look as those of schematic editors: Arial, Verdana, Helvetica."""


def fallback_font(folders: Iterable[Path] = FONT_FOLDERS) -> str | None:
    """The family of an installed font, without serifs if there is one; None where no font is installed."""
    files = {
        file.stem: file
        for folder in folders
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in (".ttf", ".otf")
    }
    for file in [*(files[name] for name in _SIMILAR if name in files), *files.values()]:
        try:
            family = ImageFont.truetype(file).getname()[0]
        except OSError:  # damaged
            continue
        if family:
            return family
    return None

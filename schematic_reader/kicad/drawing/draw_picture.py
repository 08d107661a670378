"""Draw the pictures that a sheet has within its file."""

from __future__ import annotations

import base64
import io
import logging

from PIL import Image

from schematic_reader.io.picture import FORMATS, PictureError, picture_errors
from schematic_reader.kicad.drawing.plotter import Plotter
from schematic_reader.kicad.model import EmbeddedPicture

LOG = logging.getLogger(__name__)

_MOST_PIXELS = 64_000_000  # of one picture; larger ones are not drawn
_DENSITY = 300  # pixels an inch, where the picture or the file's version does not tell
_MM_AN_INCH = 25.4


def draw_picture(plotter: Plotter, picture: EmbeddedPicture) -> None:
    """Draw one picture under all else; one that cannot be decoded is left out with a line in the log."""
    try:
        with picture_errors():
            opened = Image.open(io.BytesIO(base64.b64decode(picture.data)), formats=FORMATS)
            if opened.width * opened.height > _MOST_PIXELS:
                raise ValueError(f"it has {opened.width} x {opened.height} pixels")
            density = _DENSITY if picture.default_density else _own_density(opened)
            mm = picture.scale * _MM_AN_INCH / density
            width, height = opened.width * mm, opened.height * mm
            (x, y) = picture.at
            plotter.picture(opened.convert("RGBA"), (x - width / 2, y - height / 2), (width, height))
    except PictureError as error:
        LOG.warning("a picture within the sheet is not drawn: %s", error)


def _own_density(picture: Image.Image) -> float:
    """Pixels an inch as KiCad reads them: whole pixels a centimetre of a PNG, whole inches of others."""
    given = picture.info.get("dpi")
    if not given or not given[0] > 1:
        return _DENSITY
    across = float(given[0])
    if picture.format == "PNG":
        across = float(round(int(across / 2.54 + 1e-3) * 2.54))
    return across if across > 1 else _DENSITY

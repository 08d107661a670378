"""Pictures of sheets within a page."""

from __future__ import annotations

import base64
import io

from PIL import Image

from schematic_reader.io.picture import fit_within, open_picture

MAX_PICTURE_BYTES = 400_000
"""Of one picture; with the limits on text, a page stays under 10 MB whatever is shown."""

_MAX_SIDE = 1400


def picture_uri(data: bytes, *, max_side: int = _MAX_SIDE) -> str:
    """The sheet's encoded picture as a data URI: WebP on white, without loss where that fits the limit."""
    return image_uri(fit_within(open_picture(data), max_side=max_side, max_pixels=max_side * max_side))


def image_uri(image: Image.Image) -> str:
    """The same of an RGB picture that is decoded already."""
    encoded = _webp(image, lossless=True)
    while len(encoded) > MAX_PICTURE_BYTES:
        encoded = _webp(image, lossless=False)
        image = image.resize((max(1, image.width * 2 // 3), max(1, image.height * 2 // 3)))
    return "data:image/webp;base64," + base64.b64encode(encoded).decode("ascii")


def _webp(image: Image.Image, *, lossless: bool) -> bytes:
    data = io.BytesIO()
    image.save(data, "WEBP", lossless=lossless, quality=60, method=4)
    return data.getvalue()

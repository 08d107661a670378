"""Pictures as messengers, scanners and screens leave them: compressed, blurred, resized, without colour.

``appearance`` does the like to windows in training; here it is the file of a whole sheet, sizes included.
"""

from __future__ import annotations

import io
import random

from PIL import Image, ImageEnhance, ImageFilter

_BLUR = 0.8  # px, the most
_SCALES = (0.7, 1.3)
_QUALITIES = (35, 90)  # of JPEG


def worn(png: bytes, rng: random.Random) -> bytes:
    """The RGB or RGBA picture as PNG again, after each of some changes that by chance it goes through."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    if rng.random() < 0.4:
        scale = rng.uniform(*_SCALES)
        small = picture.resize([round(side * scale) for side in picture.size], Image.Resampling.BICUBIC)
        picture = small.resize(picture.size, Image.Resampling.BICUBIC) if rng.random() < 0.5 else small
    if rng.random() < 0.4:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, _BLUR)))
    if rng.random() < 0.25:
        picture = picture.convert("L").convert("RGB")
    if rng.random() < 0.25:
        picture = ImageEnhance.Contrast(picture).enhance(rng.uniform(0.6, 1.5))
    if rng.random() < 0.6:
        jpeg = io.BytesIO()
        picture.save(jpeg, "JPEG", quality=rng.randint(*_QUALITIES))
        picture = Image.open(jpeg).convert("RGB")
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()

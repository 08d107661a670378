"""How high the text of a picture is: what is shrunk below a few pixels no model reads."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image
from scipy import ndimage

ENOUGH_TEXT = 6.0
"""Pixels; a sheet with higher text, such as a screenshot of a large display, is shrunk before it is cut."""

_CONTRAST = 48  # levels of 255 between ink and paper
_MIN_GLYPHS = 20  # below it their median says nothing
_LABELLED_PIXELS = 16_000_000  # a larger picture is reduced first
_MIN_HEIGHT = 4  # pixels; less is a dot or a dash


def text_height(picture: Image.Image) -> float:
    """The median height in pixels of what is shaped like a letter on an RGB picture; 0 where too few are."""
    factor = math.ceil((picture.width * picture.height / _LABELLED_PIXELS) ** 0.5)
    picture = picture.reduce(factor) if factor > 1 else picture
    grey = np.asarray(picture.convert("L"), np.int16)
    paper = int(np.median(grey[:: max(1, len(grey) // 500)]))
    labels, _ = ndimage.label(np.abs(grey - paper) > _CONTRAST, structure=np.ones((3, 3)))
    boxes = [box for box in ndimage.find_objects(labels) if box is not None]
    sizes = np.array([(down.stop - down.start, across.stop - across.start) for down, across in boxes])
    if not len(sizes):
        return 0.0
    heights, widths = sizes[:, 0], sizes[:, 1]
    letters = (heights >= _MIN_HEIGHT) & (heights <= picture.height / 20)
    letters &= (widths <= 1.5 * heights) & (widths * 6 >= heights)
    return factor * float(np.median(heights[letters])) if letters.sum() >= _MIN_GLYPHS else 0.0

"""Decode, flatten and shrink a picture of a sheet, in one way for every stage."""

from __future__ import annotations

import io
import warnings

from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


class PictureError(ValueError):
    """The bytes are no usable picture; ``reason`` is the metric that counts the row."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def decode_picture(data: bytes, *, max_pixels: int | None = None) -> Image.Image:
    """Decode ``data`` wholly, in the mode that it has.

    Args:
        data: an encoded picture in one of ``FORMATS``.
        max_pixels: the most pixels, width times height, that are decoded; None for pictures that
            clean-to-parquet has already admitted.

    Raises:
        PictureError: ``image_corrupt`` if it does not decode to its end, ``too_large`` over ``max_pixels``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # bombs (measured below) and damaged metadata
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            if max_pixels is not None and image.width * image.height > max_pixels:
                raise PictureError("too_large", f"{image.width} x {image.height} pixels")
            image.load()
            return image
    except Image.DecompressionBombError as error:
        raise PictureError("too_large", str(error)) from None
    except PictureError:
        raise
    except (OSError, SyntaxError, ValueError, IndexError, KeyError, TypeError, EOFError) as error:
        # What Pillow's decoders raise on damaged bytes; it documents no narrower set.
        raise PictureError("image_corrupt", str(error)) from None


def open_picture(data: bytes, *, max_pixels: int | None = None) -> Image.Image:
    """Decode ``data`` wholly and lay it on white.

    KiCad's renderings are RGBA with transparency, which ``convert("RGB")`` would turn black.

    Args:
        data: an encoded picture in one of ``FORMATS``.
        max_pixels: see ``decode_picture``.

    Returns:
        An RGB image, all pixels loaded.

    Raises:
        PictureError: see ``decode_picture``.
    """
    image = decode_picture(data, max_pixels=max_pixels)
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    layer = image.convert("RGBA")
    sheet = Image.new("RGB", layer.size, "white")
    sheet.paste(layer, mask=layer.getchannel("A"))  # the bytes of alpha_composite in half its time
    return sheet


def fitted_size(width: int, height: int, *, max_side: int, max_pixels: int) -> tuple[int, int]:
    """Width and height after shrinking to at most ``max_side`` a side and ``max_pixels`` in all.

    Aspect ratio is kept to the rounding of one pixel; nothing is ever enlarged.
    """
    scale = min(1.0, max_side / max(width, height), (max_pixels / (width * height)) ** 0.5)
    if scale == 1.0:
        return width, height
    return max(1, int(width * scale)), max(1, int(height * scale))


def fit_within(image: Image.Image, *, max_side: int, max_pixels: int) -> Image.Image:
    """Shrink ``image`` to its ``fitted_size``."""
    size = fitted_size(*image.size, max_side=max_side, max_pixels=max_pixels)
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)

"""Decode, turn upright, flatten and shrink a picture of a sheet, in one way for every stage."""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from schematic_reader.io.png_strips import InterlacedError, png_orientation, png_strips
from schematic_reader.io.tones import eight_bit

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")

FULL_SIZE_PIXELS = 50_000_000
"""Pixels up to which a picture is decoded at its full size; larger ones are reduced as they are decoded."""

MIN_SIDE = 28
"""The least width and height in pixels: the models' smallest patch."""

MAX_ASPECT = 100
"""The most of the longer side over the shorter; processors of the Qwen-VL models refuse over 200."""

BLANK_CONTRAST = 16
"""Levels of 255 between the darkest and the brightest pixel of a channel, below which a page is blank."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels of a picture."""

_BICUBIC_REACH = 3  # pixels beside a place that its level depends on, rounded up
_UNREDUCED_BYTES = 300_000_000  # of a large picture in a format that is only decoded whole
_STRIP_PIXELS = 1_000_000
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPPED = range(5, 9)  # orientations that exchange width and height
_THUMBNAIL = 1  # bit of the TIFF tag NewSubfileType
# What Pillow's decoders raise on damaged bytes; it documents no narrower set.
_DAMAGE = (
    OSError, SyntaxError, ValueError, IndexError, KeyError, TypeError, EOFError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip


class PictureError(ValueError):
    """The bytes are no usable picture; ``reason`` is the metric that counts the row."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A decoded picture.

    Attributes:
        image: upright, 8 bits a channel; reduced by 2, 4, 8... where the file has over ``FULL_SIZE_PIXELS``.
        width, height: of the upright picture at its full size.
        frames: the frames or pages that its file holds.
    """

    image: Image.Image
    width: int
    height: int
    frames: int


def decode_picture(data: bytes, *, max_pixels: int | None = None, frame: int = 0) -> DecodedPicture:
    """Decode ``data`` wholly, in the mode that it has where that has 8 bits a channel.

    Args:
        data: an encoded picture in one of ``FORMATS``.
        max_pixels: the most pixels, width times height, that are decoded; None for pictures that
            clean-to-parquet has already admitted.
        frame: its number from 0, in an animation or a file of several pages.

    Raises:
        PictureError: ``image_corrupt`` if it does not decode to its end, ``too_large`` over ``max_pixels`` or
            where it takes too much memory to decode.
    """
    with picture_errors():
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        frames = _frame_count(image, data)
        if frame:
            image.seek(frame)
        width, height = image.size
        if max_pixels is not None and width * height > max_pixels:
            raise PictureError("too_large", f"{width} x {height} pixels")
        factor = 1
        while width * height > FULL_SIZE_PIXELS * factor**2:
            factor *= 2
        if factor == 1:
            image.load()
            decoded, turn = eight_bit(image), _orientation(image)
        else:
            decoded, turn = _decode_reduced(image, data, factor)
        if turn in _TURNS:
            decoded = decoded.transpose(_TURNS[turn])
        if turn in _SWAPPED:
            width, height = height, width
        return DecodedPicture(decoded, width, height, frames)


def page_numbers(data: bytes) -> list[int] | None:
    """The frames of a TIFF that are pages, and no thumbnails of one; None for every other format.

    Raises:
        PictureError: ``image_corrupt``, see ``decode_picture``.
    """
    with picture_errors():
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.format != "TIFF":
            return None
        pages = []
        for number in range(_frame_count(image, data)):
            image.seek(number)
            if not int(image.tag_v2.get(254, 0)) & _THUMBNAIL:  # type: ignore[attr-defined]
                pages.append(number)
        return pages or [0]


@contextmanager
def picture_errors() -> Iterator[None]:
    """Raise PictureError for what Pillow raises on damaged and on huge pictures."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # bombs (measured by decode_picture) and damaged metadata
            yield
    except Image.DecompressionBombError as error:
        raise PictureError("too_large", str(error)) from None
    except PictureError:
        raise
    except UnidentifiedImageError:  # its text has an address in memory
        kinds = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise PictureError("image_corrupt", f"it is no {kinds}, or its beginning is damaged") from None
    except _DAMAGE as error:
        raise PictureError("image_corrupt", str(error)) from None


def _frame_count(image: ImageFile.ImageFile, data: bytes) -> int:
    """Frames of an animation or pages of a TIFF; 1 where they cannot be counted.

    A photograph's second picture (MPO), such as its brightness map, is none.
    """
    if image.format == "MPO":
        return 1
    if image.format in ("GIF", "TIFF"):  # counting moves to the last one
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    try:
        return int(getattr(image, "n_frames", 1))
    except _DAMAGE:
        return 1


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none or EXIF is damaged. A TIFF is turned by Pillow."""
    try:
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    except _DAMAGE:
        return 1
    return turn if isinstance(turn, int) else 1


def _decode_reduced(image: ImageFile.ImageFile, data: bytes, factor: int) -> tuple[Image.Image, int]:
    """The picture on white, in RGB, reduced by ``factor`` while it is decoded, and its orientation.

    JPEG is scaled by its decoder. PNG is decoded and reduced in strips of rows. Others, and interlaced PNG,
    are decoded whole as long as that takes at most ``_UNREDUCED_BYTES``.
    """
    width, height = image.size
    if image.format in ("JPEG", "MPO"):
        image.draft(None, (width // factor, height // factor))
        image.load()
        return on_white(eight_bit(image)), _orientation(image)
    if image.format == "PNG":
        rows = max(1, _STRIP_PIXELS // (width * factor)) * factor
        try:
            strips = (_reduced(strip, factor) for strip in png_strips(data, rows))
            return _stacked(strips, width, height, factor), png_orientation(data)
        except InterlacedError:
            pass
    pixel_bytes = {"1": 1, "L": 1, "P": 1, "I;16": 4, "I;16B": 4, "I": 16, "F": 16}.get(image.mode, 4)
    if width * height * pixel_bytes > _UNREDUCED_BYTES:
        raise PictureError(
            "too_large", f"{width} x {height} pixels of {image.format}, which is decoded whole"
        )
    image.load()
    whole, turn = eight_bit(image), _orientation(image)
    step = max(1, _STRIP_PIXELS // (width * factor)) * factor
    strips = (
        _reduced(whole.crop((0, top, width, min(height, top + step))), factor)
        for top in range(0, height, step)
    )
    return _stacked(strips, width, height, factor), turn


def _reduced(strip: Image.Image, factor: int) -> Image.Image:
    return on_white(eight_bit(strip)).reduce(factor)


def _stacked(strips: Iterator[Image.Image], width: int, height: int, factor: int) -> Image.Image:
    """Reduced strips, from the top down, as one picture of a reduced ``width`` x ``height``."""
    sheet = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height
    return sheet


def open_picture(data: bytes, *, max_pixels: int | None = None) -> Image.Image:
    """Decode ``data`` wholly and lay it on white: an RGB image, all pixels loaded.

    Args:
        data, max_pixels: see ``decode_picture``, whose size it has.

    Raises:
        PictureError: see ``decode_picture``.
    """
    return on_white(decode_picture(data, max_pixels=max_pixels).image)


def open_fitted(data: bytes, *, max_side: int, max_pixels: int) -> Image.Image:
    """The picture as a model gets it: on white, of the ``fitted_size`` of its full size.

    Raises:
        PictureError: see ``decode_picture``.
    """
    decoded = decode_picture(data)
    size = fitted_size(decoded.width, decoded.height, max_side=max_side, max_pixels=max_pixels)
    return resized(on_white(decoded.image), size)


def on_white(image: Image.Image) -> Image.Image:
    """The image in RGB, its transparency on white.

    KiCad's renderings are RGBA with transparency, which ``convert("RGB")`` would turn black.
    """
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    layer = image.convert("RGBA")
    sheet = Image.new("RGB", layer.size, "white")
    sheet.paste(layer, mask=layer.getchannel("A"))  # the bytes of alpha_composite in half its time
    return sheet


def check_shape(width: int, height: int) -> None:
    """Check that a model can take a picture of this size in pixels.

    Raises:
        PictureError: ``too_small`` or ``too_narrow``.
    """
    if min(width, height) < MIN_SIDE:
        raise PictureError("too_small", f"{width} x {height} pixels: a side is under {MIN_SIDE}")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PictureError(
            "too_narrow", f"{width} x {height} pixels: one side is over {MAX_ASPECT} times the other"
        )


def is_blank(image: Image.Image) -> bool:
    """Whether an RGB picture shows nothing: no channel has a contrast of ``BLANK_CONTRAST`` levels."""
    return all(high - low < BLANK_CONTRAST for low, high in image.getextrema())  # type: ignore[misc]


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
    return resized(image, fitted_size(*image.size, max_side=max_side, max_pixels=max_pixels))


def resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image at that size in pixels; itself where it has it."""
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def resized_part(image: Image.Image, size: tuple[int, int], part: Box) -> Image.Image:
    """What ``part`` shows of the image at that size in pixels, without resizing the rest.

    Rows are resized before columns, which Pillow chooses by the size, so that a level differs by 2 at most
    from that of any other part: places are float32, once for rows and once for columns.
    """
    if size == image.size:
        return image.crop(part)
    (left, top, right, bottom), (across, down) = part, (image.width / size[0], image.height / size[1])
    reach = _BICUBIC_REACH * max(down, 1.0)
    first, last = max(0, int(top * down - reach)), min(image.height, math.ceil(bottom * down + reach))
    rows = image.crop((0, first, image.width, last))
    width, height = right - left, bottom - top
    rows = rows.resize(
        (width, last - first), Image.Resampling.BICUBIC, (left * across, 0, right * across, last - first)
    )
    return rows.resize(
        (width, height), Image.Resampling.BICUBIC, (0, top * down - first, width, bottom * down - first)
    )

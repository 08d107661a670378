"""Open a sheet from outside, a picture or a vector file, as the model gets it."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageOps

from schematic_reader.cli import UserError
from schematic_reader.config import ImageLimits, Params
from schematic_reader.io.picture import PictureError, fit_within, open_picture
from schematic_reader.kicad.drawing.draw import PIXELS_PER_MM
from schematic_reader.predict.rendering import RenderScale, render, vector_format

MAX_BYTES = 100_000_000  # of one file; a page of a schematic has a few hundred thousand
MIN_SIDE = 32  # pixels; a letter takes 5


@dataclass(frozen=True)
class SheetLimits:
    """Limits on the size of sheets, and the resolution of rendering.

    Attributes:
        image: the model's limits.
        max_pixels: width times height of the largest picture that is decoded.
        scale: of vector files.
    """

    image: ImageLimits
    max_pixels: int
    scale: RenderScale


@dataclass(frozen=True)
class SheetOrigin:
    """Where a sheet comes from: the name of its file, and its page from 1 where a file may have several."""

    file: str
    page: int | None = None

    def __str__(self) -> str:
        return self.file if self.page is None else f"{self.file} page {self.page}"


@dataclass(frozen=True)
class OpenedSheet:
    """One sheet; the picture is RGB and within the limits."""

    origin: SheetOrigin
    picture: Image.Image


def open_sheets(file: str, data: bytes, limits: SheetLimits) -> list[OpenedSheet]:
    """The sheets of a file: one, or each page of a PDF. The format is told by content, not by name.

    Raises:
        UserError: it is no sheet, too small or too large, damaged or encrypted; one line that names the file.
    """
    try:
        if len(data) > MAX_BYTES:
            raise UserError(f"over {MAX_BYTES // 1_000_000} MB: is this a sheet?")
        kind = vector_format(data)
        if kind is None:
            return [OpenedSheet(SheetOrigin(file), _checked(_picture(data, limits), limits))]
        pages = [_checked(page, limits) for page in render(kind, data, limits.scale)]
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    if kind != "pdf":
        return [OpenedSheet(SheetOrigin(file), page) for page in pages]
    return [OpenedSheet(SheetOrigin(file, number), page) for number, page in enumerate(pages, start=1)]


def _picture(data: bytes, limits: SheetLimits) -> Image.Image:
    if not data:
        raise UserError("it is empty")
    try:
        # Photographs have their orientation in EXIF.
        return ImageOps.exif_transpose(open_picture(data, max_pixels=limits.max_pixels))
    except PictureError as error:
        if error.reason == "too_large":
            raise UserError(
                f"over {limits.max_pixels:,} pixels: make the picture smaller, or raise clean.max_pixels in "
                "params.yaml"
            ) from None
        raise UserError(
            "no readable sheet: expected a complete PNG, JPEG, WebP, SVG, PDF or .kicad_sch"
        ) from None


def _checked(picture: Image.Image, limits: SheetLimits) -> Image.Image:
    """The picture within the limits."""
    fitted = fit_within(picture, max_side=limits.image.max_side, max_pixels=limits.image.max_pixels)
    if min(fitted.size) < MIN_SIDE:
        raise UserError(
            f"{picture.width} x {picture.height} pixels is too small or too narrow for a sheet: at least "
            f"{MIN_SIDE} a side must be left when it is at most {limits.image.max_side} long"
        )
    return fitted


def render_scale(params: Params) -> RenderScale:
    """Vector files are rendered at the scale of the sheets that the model was trained on.

    Open Schematics has kicad-cli's renderings, all of one scale; generated sheets are all of one size.
    """
    data, image = params.active.data, params.image
    canvas = (data.width, data.height) if data.source == "sample" and data.width and data.height else None
    return RenderScale(PIXELS_PER_MM, image.max_side, image.max_pixels, canvas)

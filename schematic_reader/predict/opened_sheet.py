"""Open a sheet from outside, a picture or a vector file, as the model gets it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from schematic_reader.cli import UserError
from schematic_reader.config import ImageLimits, Params
from schematic_reader.io.display import printable
from schematic_reader.io.paper import on_paper
from schematic_reader.io.picture import (
    PictureError,
    check_shape,
    decode_picture,
    fitted_size,
    is_blank,
    page_numbers,
    resized,
)
from schematic_reader.io.reader_settings import ReaderSettings, canvas
from schematic_reader.io.tiles import Tiling, tiling
from schematic_reader.kicad.drawing.draw import PIXELS_PER_MM
from schematic_reader.kicad.text_size import MIN_TEXT, TEXT_MM
from schematic_reader.predict.rendering import MAX_PAGES, RenderScale, render, vector_format
from schematic_reader.predict.text_height import ENOUGH_TEXT, text_height

_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b")  # ZIP and gzip, such as .svgz
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
MAX_BYTES = 100_000_000  # of one file; a page of a schematic has a few hundred thousand


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
    """Where a sheet comes from: the name of its file, and its page from 1 where a file may have several.

    ``sheet`` is the place in its project of a sheet read from a KiCad file, such as ``/Power/``, and
    ``project`` the project file where that lists several root sheets.
    """

    file: str
    page: int | None = None
    sheet: str = ""
    project: str = ""

    def __str__(self) -> str:
        """In one line for people: names come from outside."""
        file = printable(self.file)
        if self.sheet.strip("/"):
            return f"{file} {printable(self.sheet)}"
        return file if self.page is None else f"{file} page {self.page}"


@dataclass(frozen=True)
class OpenedSheet:
    """One sheet.

    Attributes:
        picture: RGB, within the limits; of the size ``tiling.scaled`` where the sheet is cut.
        notes: name in a line each what is not read.
        tiling: how it is cut; None where it is asked about as a whole.
    """

    origin: SheetOrigin
    picture: Image.Image
    notes: tuple[str, ...] = ()
    tiling: Tiling | None = None


def open_sheets(
    file: str, data: bytes, limits: SheetLimits, variables: Sequence[tuple[str, str]] = ()
) -> list[OpenedSheet]:
    """The sheets of a file: one, or each page of a PDF or a TIFF. The format is told by content, not by name.

    A page among others that is blank or cannot be opened is left out, and the first sheet's ``notes`` name
    it. ``variables`` are the text variables of a KiCad sheet's project, with their values.

    Raises:
        UserError: it is no sheet, too small or too large, damaged or encrypted; one line that names the file.
    """
    sheets: list[OpenedSheet] = []
    refused: list[str] = []
    try:
        if len(data) > MAX_BYTES:
            raise UserError(
                f"over {MAX_BYTES // 1_000_000} MB: save it smaller, or its pages as files of their own"
            )
        kind = vector_format(data)
        for page in _rendered(kind, data, limits, variables) if kind else _decoded(data, limits):
            origin = SheetOrigin(file, page.number)
            if isinstance(page, _UnopenedPage):
                refused.append(f"{origin}: {page.reason}")
                continue
            try:
                sheets.append(_checked(origin, page, limits))
            except PictureError as error:
                refused.append(f"{origin}: {error.reason}: {error}")
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    if not sheets:
        raise UserError("; ".join(refused))
    return [replace(sheets[0], notes=(*refused, *sheets[0].notes)), *sheets[1:]]


@dataclass(frozen=True)
class _Page:
    """An RGB picture before it is shrunk.

    Attributes:
        number: from 1, where the file may have several.
        width, height: at full size, in pixels.
        text: the height of its text in pixels at full size, None where that is not known.
        frames: of the file of which this is the first.
    """

    number: int | None
    picture: Image.Image
    width: int
    height: int
    text: float | None
    frames: int = 1


@dataclass(frozen=True)
class _UnopenedPage:
    """One of several pages that cannot be opened."""

    number: int
    reason: UserError


def _rendered(
    kind: str, data: bytes, limits: SheetLimits, variables: Sequence[tuple[str, str]]
) -> Iterator[_Page | _UnopenedPage]:
    pages = render(kind, data, limits.scale, variables)
    for number, found in enumerate(pages, start=1):
        if isinstance(found, UserError):
            yield _UnopenedPage(number, found)
            continue
        picture, pixels_per_mm = found
        text = TEXT_MM * pixels_per_mm
        yield _Page(number if kind == "pdf" else None, picture, *picture.size, text)


def _decoded(data: bytes, limits: SheetLimits) -> Iterator[_Page | _UnopenedPage]:
    """The pages of a TIFF, or the one picture or the first frame of other formats."""
    if not data:
        raise UserError("it is empty")
    if data.startswith(_LFS_POINTER):
        raise UserError("a Git LFS pointer, not the file itself: run git lfs pull")
    if data.startswith(_ARCHIVES):
        raise UserError("an archive: unpack it")
    try:
        pages = page_numbers(data)
    except PictureError as error:
        raise _refusal(error, limits) from None
    if pages and len(pages) > MAX_PAGES:
        raise UserError(f"the TIFF has {len(pages)} pages, at most {MAX_PAGES} are read: split it")
    several = bool(pages and len(pages) > 1)
    for number, frame in enumerate(pages or [0], start=1):
        try:
            decoded = decode_picture(data, max_pixels=limits.max_pixels, frame=frame)
        except PictureError as error:
            if not several:
                raise _refusal(error, limits) from None
            yield _UnopenedPage(number, _refusal(error, limits))
            continue
        picture, size = on_paper(decoded.image), (decoded.width, decoded.height)
        frames = 1 if pages else decoded.frames
        shrinks = _fitted(size, limits) != size
        text = text_height(picture) * size[0] / picture.width if shrinks else None
        yield _Page(number if several else None, picture, *size, text or None, frames)


def _refusal(error: PictureError, limits: SheetLimits) -> UserError:
    """What is wrong with a picture that cannot be decoded, and what to do about it."""
    if error.reason != "too_large":
        return UserError(
            "no readable sheet: expected a complete PNG, JPEG, WebP, GIF, BMP, TIFF, SVG, PDF or .kicad_sch"
        )
    if "decoded whole" in str(error):
        return UserError(f"{error}: save it as PNG or JPEG")
    return UserError(
        f"over {limits.max_pixels:,} pixels: make the picture smaller, or raise clean.max_pixels in "
        "params.yaml"
    )


def _fitted(size: tuple[int, int], limits: SheetLimits) -> tuple[int, int]:
    return fitted_size(*size, max_side=limits.image.max_side, max_pixels=limits.image.max_pixels)


def _checked(origin: SheetOrigin, page: _Page, limits: SheetLimits) -> OpenedSheet:
    """The page within the limits.

    Raises:
        PictureError: no model can take it: ``too_small``, ``too_narrow`` or ``blank``.
    """
    size = page.width, page.height
    check_shape(*size)
    if is_blank(page.picture):
        raise PictureError("blank", "the page shows nothing")
    tiles = _tiling(size, page.text, limits)
    fitted = tiles.scaled if tiles else _fitted(size, limits)
    notes = []
    if page.frames > 1:
        notes.append(f"{origin}: the first of {page.frames} frames is read")
    text = page.text and page.text * fitted[0] / page.width
    if text and text < MIN_TEXT:
        setting = "image.tiles" if tiles else "image.max_side"
        notes.append(
            f"{origin}: text is some {text:.1f} pixels high at {fitted[0]} x {fitted[1]} pixels, too small "
            f"to be read (under {MIN_TEXT:g}): cut the page into parts, or raise the profile's "
            f"{setting} for a model trained with it"
        )
    return OpenedSheet(origin, resized(page.picture, fitted), tuple(notes), tiles)


def _tiling(size: tuple[int, int], text: float | None, limits: SheetLimits) -> Tiling | None:
    """How a page of this size in pixels is cut, None where it is asked about as a whole.

    Where its text is higher than a model needs, it is cut in a smaller size, into fewer tiles.
    """
    scale = ENOUGH_TEXT / text if text and text > ENOUGH_TEXT else 1.0
    width, height = (max(1, round(side * scale)) for side in size)
    return tiling(width, height, limits.image)


def render_scale(params: Params, settings: ReaderSettings | None = None) -> RenderScale:
    """Vector files are rendered at the scale of the sheets that the model was trained on.

    Open Schematics has kicad-cli's renderings, all of one scale; generated sheets are all of one size.

    Args:
        settings: of the model, where it tells them.
    """
    image = params.active.image
    fixed = settings.canvas if settings else canvas(params.active.data)
    return RenderScale(PIXELS_PER_MM, image.max_side, image.max_pixels, fixed, image.tiles)

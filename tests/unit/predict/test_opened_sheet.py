"""Sheets from outside: what each kind of file becomes, and one line for what is none."""

from __future__ import annotations

import base64
import codecs
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from schematic_reader.cli import UserError
from schematic_reader.config import ImageLimits
from schematic_reader.predict import opened_sheet, rendering
from schematic_reader.predict.input_files import named_files, read_file
from schematic_reader.predict.opened_sheet import SheetLimits, SheetOrigin, open_sheets
from schematic_reader.predict.rendering import RenderScale
from schematic_reader.synthetic.sample import make_row
from tests.support.foreign_files import BAD, SVG, pdf, picture
from tests.support.kicad_projects import absurd_sheet

LIMITS = SheetLimits(ImageLimits(1024, 1_048_576), 150_000_000, RenderScale(4.0, 1024, 1_048_576))
ON_CANVAS = SheetLimits(LIMITS.image, LIMITS.max_pixels, RenderScale(4.0, 1024, 1_048_576, (640, 448)))


def opened(data: bytes, limits: SheetLimits = LIMITS) -> Image.Image:
    (found,) = open_sheets("file", data, limits)
    assert found.picture.mode == "RGB"
    return found.picture


def dark(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L")) < 128


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_picture_keeps_its_pixels(kind: str) -> None:
    found = dark(opened(picture(kind)))
    assert found.shape == (90, 120)
    assert found[:29, :29].all() and not found[32:].any() and not found[:, 32:].any()


def test_transparency_is_white_and_a_photograph_stands_upright() -> None:
    out = io.BytesIO()
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    clear.putpixel((5, 7), (0, 0, 0, 255))
    clear.save(out, "PNG")
    assert np.argwhere(dark(opened(out.getvalue()))).tolist() == [[7, 5]]
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    Image.open(io.BytesIO(picture())).save(out, "JPEG", exif=exif)
    found = dark(opened(out.getvalue()))
    assert found.shape == (120, 90)
    assert found[:29, 61:].all() and not found[:, :58].any()


def test_a_large_picture_is_shrunk_as_in_training() -> None:
    assert opened(picture(size=(3000, 1500))).size == (1024, 512)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("href", ["{}", "file://{}", "&secret;"])
@pytest.mark.parametrize("attribute", ["href", "xlink:href"])
def test_an_svg_draws_no_other_file(tmp_path: Path, href: str, attribute: str, nested: bool) -> None:
    other = tmp_path / "other.png"
    Image.new("RGB", (60, 60)).save(other)
    name = f'<!DOCTYPE svg [<!ENTITY secret "{other}">]>'
    more = 'xmlns:xlink="http://www.w3.org/1999/xlink" width="90mm" height="60mm"'

    def drawing(shown: str) -> str:
        return f'{name}<svg {SVG} {more}><image {attribute}="{shown}" width="50%" height="50%"/></svg>'

    shown = drawing(href.format(other))
    if nested:
        shown = drawing("data:image/svg+xml;base64," + base64.b64encode(shown.encode()).decode())
    with pytest.raises(UserError, match="blank"):
        opened(shown.encode())
    own = "data:image/png;base64," + base64.b64encode(other.read_bytes()).decode()
    assert dark(opened(drawing(own).encode())).any()


@pytest.mark.parametrize(
    ("root", "size"),
    [
        ('width="100mm" height="50mm" viewBox="0 0 2 1"', (400, 200)),
        ('width="10cm" height="2in" viewBox="0 0 100 50.8"', (400, 203)),
        ('width="144pt" height="9pc" viewBox="0 0 4 3"', (203, 152)),
        ('width="384" height="192px" viewBox="0 0 2 1"', (406, 203)),  # 96 px are an inch
        ('width="100%" height="100%" viewBox="0 0 384 192"', (406, 203)),
        ('viewBox="0,0,384,192"', (406, 203)),
        ('width="100mm" viewBox="0 0 2 1"', (400, 200)),
        ('height="50mm" viewBox="0 0 2 1"', (400, 200)),
        ('width="1000mm" height="500mm" viewBox="0 0 2 1"', (1024, 512)),
        ('viewBox="0 0 2 1"', (1024, 512)),  # too small to have a scale
    ],
)
def test_svg_is_drawn_at_the_scale_of_its_paper(root: str, size: tuple[int, int]) -> None:
    text = (
        f'<?xml version="1.0"?>\n<!-- by hand -->\n<svg {SVG} {root}><rect width="100%" height="50%"/></svg>'
    )
    found = opened(text.encode())
    assert found.size == size
    upper, lower = dark(found)[: size[1] // 2 - 2, :-2], dark(found)[size[1] // 2 + 2 :]
    assert upper.all() and not lower.any()  # what is not painted is white


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "iso-8859-1", "utf-16", "utf-16-be", "gb18030", "no-such"]
)
def test_an_svg_is_read_in_the_encoding_that_it_declares(encoding: str) -> None:
    body = '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="200"><title>10 \xb5F</title>'
    body += '<rect width="150" height="200"/></svg>'
    declared = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>' + body
    if encoding == "no-such":
        with pytest.raises(UserError, match="the SVG is damaged .unknown encoding: no-such"):
            opened(declared.encode())
        return
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    assert dark(opened(mark + declared.encode(encoding))).mean() == pytest.approx(0.5, abs=0.01)


def test_every_page_of_a_pdf_is_a_sheet() -> None:
    # A black box over the left half of 216 x 144 pt, which are 76.2 x 50.8 mm.
    pages = open_sheets("two.pdf", pdf(width=216, height=144, content="0 0 108 144 re f", pages=2), LIMITS)
    assert [page.origin for page in pages] == [SheetOrigin("two.pdf", 1), SheetOrigin("two.pdf", 2)]
    for page in pages:
        assert page.picture.size == (305, 203)
        found = dark(page.picture)
        assert found[:, :151].all() and not found[:, 154:].any()


def pages(*images: Image.Image, kind: str = "TIFF") -> bytes:
    out = io.BytesIO()
    images[0].save(out, kind, save_all=True, append_images=images[1:])
    return out.getvalue()


def test_a_page_of_a_pdf_that_cannot_be_rendered_costs_no_other() -> None:
    before, box, after = pdf(width=216, height=144, content="0 0 99 99 re f", pages=3).rpartition(
        b"0 0 216 144"
    )
    strip = b"0 0 216 1.4"
    assert len(strip) == len(box)  # so that all offsets in the file stay right
    found = open_sheets("a.pdf", before + strip + after, LIMITS)
    assert [sheet.origin.page for sheet in found] == [1, 2]
    assert found[0].notes == ("a.pdf page 3: 76.2 x 0.494 mm is too narrow for a sheet: export a whole page",)


def test_a_page_of_a_tiff_that_is_damaged_costs_no_other() -> None:
    first, second = (Image.open(io.BytesIO(picture(size=size))) for size in ((120, 90), (90, 60)))
    out = io.BytesIO()
    first.save(out, "TIFF", save_all=True, append_images=[second, first], compression="tiff_deflate")
    with Image.open(io.BytesIO(out.getvalue())) as scan:
        scan.seek(1)
        (strip,) = scan.tag_v2[273]  # type: ignore[attr-defined]
    data = bytearray(out.getvalue())
    data[strip : strip + 20] = b"\xff" * 20
    found = open_sheets("a.tif", bytes(data), LIMITS)
    assert [(sheet.origin.page, sheet.picture.size) for sheet in found] == [(1, (120, 90)), (3, (120, 90))]
    assert len(found[0].notes) == 1 and found[0].notes[0].startswith("a.tif page 2: no readable sheet: ")


def test_every_page_of_a_tiff_is_a_sheet_and_a_blank_one_is_named() -> None:
    first, second = Image.open(io.BytesIO(picture())), Image.open(io.BytesIO(picture(size=(90, 60))))
    sheets = open_sheets("scan.tif", pages(first, Image.new("RGB", (90, 60), "white"), second), LIMITS)
    assert [sheet.origin for sheet in sheets] == [SheetOrigin("scan.tif", 1), SheetOrigin("scan.tif", 3)]
    assert [sheet.picture.size for sheet in sheets] == [(120, 90), (90, 60)]
    assert [sheet.notes for sheet in sheets] == [("scan.tif page 2: blank: the page shows nothing",), ()]
    assert open_sheets("one.tif", pages(first), LIMITS)[0].origin == SheetOrigin("one.tif")
    with pytest.raises(UserError, match=r"many\.tif: the TIFF has 51 pages, at most 50"):
        open_sheets("many.tif", pages(*[first] * 51), LIMITS)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_of_an_animation_is_read_and_told(kind: str) -> None:
    first = Image.open(io.BytesIO(picture()))
    (sheet,) = open_sheets("a", pages(first, first.transpose(Image.Transpose.ROTATE_180), kind=kind), LIMITS)
    assert sheet.notes == ("a: the first of 2 frames is read",)
    assert dark(sheet.picture)[:29, :29].all()


def lettered(size: tuple[int, int], letter: int) -> bytes:
    """A page with letters so many pixels high."""
    image = Image.new("RGB", size, "white")
    font = ImageFont.load_default(letter / 0.73)  # the height of a capital over the font's size
    pen = ImageDraw.Draw(image)
    for row in range(8):
        pen.text((size[0] // 10, size[1] * (row + 1) // 10), "NET RESET HEX", fill="black", font=font)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_a_picture_whose_text_shrinks_too_far_is_named() -> None:
    (sheet,) = open_sheets("a", lettered((4096, 3000), 12), LIMITS)
    assert sheet.picture.size == (1024, 750)
    (note,) = sheet.notes
    height = re.match(
        r"a: text is some (\d\.\d) pixels high at 1024 x 750 pixels, too small to be read", note
    )
    assert height and float(height[1]) == pytest.approx(12 / 4, abs=0.3)
    assert not open_sheets("a", lettered((4096, 3000), 24), LIMITS)[0].notes
    assert not open_sheets("a", lettered((900, 600), 3), LIMITS)[0].notes  # not shrunk: as it came


def test_a_drawing_whose_paper_is_too_large_is_named() -> None:
    def page(side: int) -> bytes:
        return f'<svg {SVG} width="{side}mm" height="{side}mm"><rect width="9" height="9"/></svg>'.encode()

    assert not open_sheets("a4", page(297), LIMITS)[0].notes  # 1.27 mm are 4.4 pixels
    (note,) = open_sheets("a3", page(420), LIMITS)[0].notes
    assert note.startswith("a3: text is some 3.1 pixels high at 1024 x 1024 pixels")


TILES = 6
CUT = replace(
    LIMITS,
    image=replace(LIMITS.image, tiles=TILES),
    scale=replace(LIMITS.scale, tiles=TILES),
)


def test_a_large_picture_is_enlarged_where_it_is_cut() -> None:
    (sheet,) = open_sheets("a", lettered((1400, 900), 6), CUT)
    assert sheet.tiling and sheet.tiling.scaled == sheet.picture.size == (2100, 1350)
    assert not sheet.notes
    (small,) = open_sheets("a", lettered((400, 300), 6), CUT)
    assert small.tiling and len(small.tiling) == 1 and small.picture.size == (600, 450)


@pytest.mark.parametrize(
    ("letter", "tiles", "high"), [(6, 6, 4), (12, 6, 8), (16, 6, 9), (24, 2, 9), (60, 1, 9)]
)
def test_a_picture_with_high_text_is_shrunk(letter: int, tiles: int, high: float) -> None:
    """To 6 pixels, which are enlarged to 9 where the tiles allow it."""
    size = (3840, 2160)
    (sheet,) = open_sheets("screenshot", lettered(size, letter), CUT)
    assert sheet.tiling and len(sheet.tiling) == tiles
    height = letter * sheet.picture.width / size[0]
    assert height == pytest.approx(high, abs=0.6)  # measured to a pixel
    assert bool(sheet.notes) == (height < 4)
    assert all("raise the profile's image.tiles" in note for note in sheet.notes)


@pytest.mark.parametrize("kind", ["svg", "pdf"])
def test_a_drawing_is_rendered_at_its_own_scale_where_it_is_cut(kind: str) -> None:
    """A2 has 594 x 420 mm: 2376 x 1680 pixels at 4 a mm."""
    drawn = {
        "svg": f'<svg {SVG} width="594mm" height="420mm"><rect width="9" height="9"/></svg>'.encode(),
        "pdf": pdf(width=594 / 25.4 * 72, height=420 / 25.4 * 72, content="0 0 9 9 re f"),
    }
    limits = replace(CUT, image=replace(CUT.image, max_side=768), scale=replace(CUT.scale, max_side=768))
    limits = replace(limits, image=replace(limits.image, tiles=12), scale=replace(limits.scale, tiles=12))
    (sheet,) = open_sheets("a2", drawn[kind], limits)
    assert sheet.tiling and sheet.picture.size == sheet.tiling.scaled == (2376, 1680)
    assert not sheet.notes


def test_a_vendors_usual_export_is_read() -> None:
    image = Image.new("L", (9355, 6615), 255)
    image.paste(0, (0, 0, 2000, 2000))
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    found = dark(opened(out.getvalue()))
    assert found.shape == (724, 1024)
    assert found[:217, :217].all() and not found[221:].any()


def test_a_generated_sheet_becomes_the_picture_that_training_shows() -> None:
    row = make_row(5, 42, width=640, height=448)
    shown = Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")
    assert opened(row["schematic"].encode(), ON_CANVAS).tobytes() == shown.tobytes()


def test_drawings_are_fitted_onto_the_canvas() -> None:
    box = f'<svg {SVG} width="10mm" height="10mm"><rect width="100%" height="100%"/></svg>'
    found = dark(opened(box.encode(), ON_CANVAS))
    assert found.shape == (448, 640)
    assert found[:444, :444].all() and not found[:, 448:].any()


@pytest.mark.parametrize("name", list(BAD))
def test_what_is_no_sheet_is_one_line_that_names_the_file(name: str) -> None:
    data, line = BAD[name]
    with pytest.raises(UserError) as error:
        open_sheets(name, data, LIMITS)
    assert str(error.value).startswith(f"{name}: ") and line in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 250


def test_a_file_that_is_too_long_or_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "SECONDS", 0.001)
    with pytest.raises(UserError, match=r"^file: rendering takes over 0.001 seconds"):
        opened(pdf())
    monkeypatch.setattr(opened_sheet, "MAX_BYTES", 1_000_000)
    with pytest.raises(
        UserError, match="^file: over 1 MB: save it smaller, or its pages as files of their own$"
    ):
        opened(b"x" * 1_000_001)


def test_a_sheet_with_more_to_draw_than_any_is_a_line() -> None:
    fix = "If so, remove graphics from it, or split it into sub-sheets"
    with pytest.raises(UserError) as raised:
        opened(absurd_sheet(700).encode())
    assert str(raised.value) == f"file: over 2,000,000 strokes are to be drawn: is this a sheet? {fix}"


def test_a_folder_stands_for_the_sheets_in_it(tmp_path: Path) -> None:
    for name in (
        "b.PNG",
        "a.svg",
        "notes.txt",
        ".hidden.png",
        "in/c.kicad_sch",
        ".git/d.png",
        "_autosave-c.kicad_sch",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "none").mkdir()
    words = ["-", str(tmp_path), str(tmp_path / "notes.txt"), str(tmp_path / "none")]
    *found, error = list(named_files(words))
    assert found == [
        "-",
        *(str(tmp_path / name) for name in ("a.svg", "b.PNG", "in/c.kicad_sch", "notes.txt")),
    ]
    assert isinstance(error, UserError) and "holds no sheet" in str(error)


def test_a_name_that_is_no_utf8_can_be_shown(tmp_path: Path) -> None:
    path: Any = bytes(tmp_path) + b"/\xff.png"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"data")
    (name,) = named_files([str(tmp_path)])
    assert isinstance(name, str)
    assert read_file(name) == (f"{tmp_path}/\ufffd.png", b"data")
    with pytest.raises(UserError, match=r"none\.png: no such file"):
        read_file(str(tmp_path / "none.png"))


@pytest.mark.parametrize(
    "head", ["", f"<!-- {'licence ' * 2000}-->", f"<!DOCTYPE svg [<!ENTITY a '{'a' * 9000}'>]>"]
)
@pytest.mark.parametrize("prefix", ["", "svg:"])
def test_an_svg_may_have_a_long_head_and_prefixed_names(head: str, prefix: str) -> None:
    """As drawing programs write them."""
    space = f"xmlns{prefix and ':svg'}='http://www.w3.org/2000/svg'"
    path = f"<{prefix}path d='M0 0H40V40H0Z'/>"
    drawing = f"{head}<{prefix}svg {space} width='120' height='90'>{path}</{prefix}svg>"
    assert dark(opened(drawing.encode())).any()
    assert dark(opened(drawing.encode("utf-16"))).any()


def test_white_lines_on_a_transparent_background_are_seen() -> None:
    """As of a page in a dark theme, in PNG, SVG and PDF."""
    image, out = Image.new("RGBA", (120, 90), (0, 0, 0, 0)), io.BytesIO()
    ImageDraw.Draw(image).rectangle((0, 0, 29, 29), fill="white")
    image.save(out, "PNG")
    found = dark(opened(out.getvalue()))
    assert found[:30, :30].all() and not found[30:].any() and not found[:, 30:].any()
    white, black = (
        opened(f'<svg xmlns="http://www.w3.org/2000/svg" width="120" height="90">'
               f'<path d="M10 10H60V70" fill="none" stroke="{color}" stroke-width="2"/></svg>'.encode())
        for color in ("white", "black")
    )  # fmt: skip
    assert dark(black).any() and np.array_equal(dark(white), dark(black))
    white, black = (opened(pdf(content=f"{level} G 9 w 20 20 m 200 20 l 200 99 l S")) for level in (1, 0))
    assert dark(black).any() and np.array_equal(dark(white), dark(black))

"""Render vector files: PDF by PDFium, SVG by resvg, KiCad text by this project's own renderer.

Files from outside can crash a renderer (a deeply nested SVG overflows resvg's stack) or keep it busy for
hours, so each is rendered in a process of its own, with limits on time and memory:
``python -m schematic_reader.predict.rendering KIND SCALE``, SCALE as JSON, reads a line of JSON with the text
variables of a KiCad sheet and then the file from standard input, and writes each page to standard output as
width, height (32 bits each, big-endian), pixels per mm (a float of 64 bits) and RGB bytes; for one of several
pages that cannot be rendered, 0, the bytes of a line that says why, 0.0 and that line. A bad file is one line
on standard error, with exit status 1.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image as PILImage

from schematic_reader.cli import UserError, run
from schematic_reader.io.paper import on_paper
from schematic_reader.io.picture import fitted_size, is_blank
from schematic_reader.predict.svg_fonts import fallback_font

MAX_PAGES = 50
SECONDS = 60
_MODULE = "schematic_reader.predict.rendering"
_MEMORY = 4 << 30  # bytes of address space
_SUPERSAMPLING = 2  # times the limits: shrinking keeps thin strokes visible, as in training
_MAX_ASPECT_RATIO = 20  # of the longer side to the shorter
_MIN_LENGTH = 25.4  # mm; anything smaller has no meaningful scale
_MIN_FRAMED_WIDTH = 200.0  # mm
_MAX_LENGTH = 100_000.0  # mm
_MM_PER_POINT = 25.4 / 72
_MM_PER_PIXEL = 25.4 / 96  # CSS
_MM = {
    "": _MM_PER_PIXEL,
    "px": _MM_PER_PIXEL,
    "pt": _MM_PER_POINT,
    "pc": 12 * _MM_PER_POINT,
    "in": 25.4,
    "cm": 10.0,
    "mm": 1.0,
}
_HEADER = struct.Struct(">IId")
_BOM_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_XML = re.compile(rb"<[!?:\w]")
_HTML = re.compile(r"\s*<(!doctype\s+)?html", re.IGNORECASE)
_NO_SVG = "it is XML or HTML, but no SVG"
_XML_ENCODING = re.compile(rb"<\?xml[^>]*?\sencoding\s*=\s*[\"']([\w.:-]+)")


@dataclass(frozen=True)
class RenderScale:
    """The resolution at which vector files are rendered.

    Attributes:
        pixels_per_mm: of a sheet that fits the limits.
        max_side: the model's limit on width and height, in pixels.
        max_pixels: its limit on width times height; a rendering may exceed both and is shrunk afterwards.
        tiles: the most tiles that a larger rendering is cut into; 1 where it is shrunk.
        canvas: width and height in pixels. With it every rendering has this size, scaled to fit and placed in
            the upper left corner of white paper, as ``synthetic.sample`` draws its sheets.
    """

    pixels_per_mm: float
    max_side: int
    max_pixels: int
    canvas: tuple[int, int] | None = None
    tiles: int = 1


def vector_format(data: bytes) -> str | None:
    """``pdf``, ``kicad`` or ``svg`` (all XML and HTML) by the file's first bytes; None for all else."""
    head = data[:4096].removeprefix(codecs.BOM_UTF8).lstrip()
    if data.startswith(_BOM_UTF16):
        head = data[:8192].decode("utf-16", "ignore").encode("utf-8", "ignore").lstrip()
    if b"%PDF-" in data[:1024]:  # PDFium accepts a header this late
        return "pdf"
    if head.startswith((b"(kicad_sch", b"EESchema")):
        return "kicad"
    if _XML.match(head):  # its root may come after a long comment or document type
        return "svg"
    return None


Rendering = tuple[PILImage.Image, float]
"""A page in RGB and its pixels per mm."""


def render(
    kind: str, data: bytes, scale: RenderScale, variables: Sequence[tuple[str, str]] = ()
) -> list[Rendering | UserError]:
    """All pages, rendered in a process of its own, or why one of several cannot be rendered.

    Args:
        variables: of the project of a KiCad sheet, with their values.

    Raises:
        UserError: the file is damaged, encrypted, has too many pages or takes too much time or memory.
    """
    root = str(Path(__file__).resolve().parents[2])
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", _MODULE, kind, json.dumps(asdict(scale))],
            input=json.dumps(list(variables)).encode() + b"\n" + data,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env={**os.environ, "PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"rendering takes over {SECONDS} seconds: export it as a PNG") from None
    if done.returncode:
        line = done.stderr.decode(errors="replace").strip()
        if line.startswith("error: "):  # Python 3.12.1 may crash at exit, after the line is printed
            raise UserError(line.removeprefix("error: "))
        raise UserError("rendering failed: the file is damaged or too large; export it as a PNG")
    return list(_pages(done.stdout))


def _pages(stream: bytes) -> Iterator[Rendering | UserError]:
    at = 0
    while at < len(stream):
        width, height, pixels_per_mm = _HEADER.unpack_from(stream, at)
        at += _HEADER.size
        if not width:
            yield UserError(stream[at : at + height].decode())
            at += height
            continue
        yield PILImage.frombytes("RGB", (width, height), stream[at : at + 3 * width * height]), pixels_per_mm
        at += 3 * width * height


def main() -> None:
    """Render the file on standard input."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    kind, settings = sys.argv[1:]
    scale = RenderScale(**json.loads(settings))
    variables = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    pages: Iterator[Rendering | UserError]
    if kind == "kicad":
        pages = _render_kicad(data, scale, tuple((name, value) for name, value in variables))
    else:
        pages = {"pdf": _render_pdf, "svg": _render_svg}[kind](data, scale)
    for found in pages:
        if isinstance(found, UserError):
            line = str(found).encode()
            sys.stdout.buffer.write(_HEADER.pack(0, len(line), 0.0) + line)
            continue
        picture, pixels_per_mm = found
        page = _on_white(picture, scale.canvas or picture.size)
        sys.stdout.buffer.write(_HEADER.pack(*page.size, pixels_per_mm) + page.tobytes())


def _size(width: float, height: float, scale: RenderScale) -> tuple[int, int]:
    """The size in pixels of a sheet of ``width`` x ``height`` mm.

    A sheet of a few millimetres by its file has no meaningful scale and is rendered as large as the limits
    allow.
    """
    if not (0 < width < _MAX_LENGTH and 0 < height < _MAX_LENGTH):
        raise UserError(f"a sheet of {width:g} x {height:g} mm cannot be rendered: give it a paper size")
    if max(width, height) > _MAX_ASPECT_RATIO * min(width, height):
        raise UserError(f"{width:.3g} x {height:.3g} mm is too narrow for a sheet: export a whole page")
    if scale.canvas:
        pixels_per_mm = min(scale.canvas[0] / width, scale.canvas[1] / height)
        return round(width * pixels_per_mm), round(height * pixels_per_mm)
    longest = max(width, height)
    pixels_per_mm = scale.pixels_per_mm if longest >= _MIN_LENGTH else scale.max_side / longest
    pixels = (round(width * pixels_per_mm), round(height * pixels_per_mm))
    side = _SUPERSAMPLING * scale.max_side * scale.tiles
    area = _SUPERSAMPLING**2 * scale.max_pixels * scale.tiles
    return fitted_size(*pixels, max_side=side, max_pixels=area)


def _on_white(picture: PILImage.Image, size: tuple[int, int]) -> PILImage.Image:
    """White paper of that size with the picture in its upper left corner."""
    paper = PILImage.new("RGB", size, "white")
    paper.paste(picture.convert("RGB"))
    return paper


def _render_pdf(data: bytes, scale: RenderScale) -> Iterator[Rendering | UserError]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise UserError("the PDF is encrypted: save it without a password") from None
        raise UserError("the PDF is damaged: export it again") from None
    if len(document) > MAX_PAGES:
        raise UserError(
            f"the PDF has {len(document)} pages, at most {MAX_PAGES} are read: save those with schematics as "
            "a file of their own"
        )
    for number in range(len(document)):
        try:
            page = document[number]
            width, height = page.get_size()  # points
            size = _size(width * _MM_PER_POINT, height * _MM_PER_POINT, scale)
            drawn = page.render(scale=size[0] / width, rev_byteorder=True).to_pil()
            if is_blank(drawn.convert("RGB")):  # its lines may be white
                bitmap = page.render(
                    scale=size[0] / width,
                    rev_byteorder=True,
                    fill_color=(255, 255, 255, 0),
                    force_bitmap_format=pypdfium2.raw.FPDFBitmap_BGRA,
                )
                drawn = on_paper(bitmap.to_pil())
        except (pypdfium2.PdfiumError, UserError) as error:
            damaged = UserError("the page is damaged: export the PDF again")
            reason = error if isinstance(error, UserError) else damaged
            if len(document) == 1:
                raise reason from None
            yield reason
            continue
        yield _on_white(drawn, size), size[0] / (width * _MM_PER_POINT)  # PDFium rounds up


def _render_svg(data: bytes, scale: RenderScale) -> Iterator[Rendering]:
    import resvg_py

    text = _xml_text(data)
    paper = _svg_size(text)
    width, height = _size(*paper, scale)
    font = (
        fallback_font()
    )  # resvg draws no text at all in a font that is missing, but for the generic families
    try:
        document = _self_contained(text)
        if font is None and _shows_text(document):
            raise UserError(
                "no font is installed to draw the SVG's text (Debian: apt install fonts-dejavu-core)"
            )
        png = resvg_py.svg_to_bytes(
            svg_string=document,
            width=width,
            height=height,
            dpi=96,
            serif_family=font,
            sans_serif_family=font,
        )
    except (ValueError, ElementTree.ParseError) as error:
        raise UserError(f"the SVG is damaged ({error}): export it again") from None
    drawn = PILImage.open(io.BytesIO(png))  # resvg keeps the ratio of the SVG's own
    yield _on_white(on_paper(drawn), (width, height)), width / paper[0]


def _xml_text(data: bytes) -> str:
    """The text of an XML file by its byte order mark, the encoding that it declares, or as UTF-8.

    Python's parser knows but a few encodings. Raises UserError: it is of none or of another one.
    """
    declared = _XML_ENCODING.match(data)
    encoding = declared[1].decode("ascii") if declared else "utf-8-sig"
    if data.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    elif data.startswith(_BOM_UTF16):
        encoding = "utf-16"
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise UserError(f"the SVG is damaged ({error}): export it again") from None


def _self_contained(document: str) -> str:
    """The SVG without references to other files, which resvg would read and draw: data URLs alone stay.

    The tree is written anew, so that resvg sees what was looked at, with entities in place.
    """
    root = ElementTree.fromstring(document)  # noqa: S314, bounded process
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name.rpartition("}")[2] == "href" and not value.strip().startswith(("data:", "#")):
                del element.attrib[name]
    return ElementTree.tostring(root, encoding="unicode")


def _shows_text(document: str) -> bool:
    """Whether an SVG has text to be seen; KiCad's has each as lines, and once more without any opacity."""
    root = ElementTree.fromstring(document)  # noqa: S314, bounded process
    texts = (one for one in root.iter() if one.tag.rpartition("}")[2] == "text")
    return any(one.get("opacity") != "0" and "".join(one.itertext()).strip() for one in texts)


def _svg_size(document: str) -> tuple[float, float]:
    """Width and height in mm as the root element gives them."""
    try:
        _, root = next(ElementTree.iterparse(io.StringIO(document), events=["start"]))  # noqa: S314, bounded process
    except (ElementTree.ParseError, StopIteration):
        damaged = "the SVG is damaged: export it again"
        raise UserError(_NO_SVG if _HTML.match(document) else damaged) from None
    if root.tag.rpartition("}")[2] != "svg":
        raise UserError(_NO_SVG)
    box = [
        float(number) for number in root.get("viewBox", "").replace(",", " ").split() if _is_number(number)
    ]
    viewed = box[2:] if len(box) == 4 and box[2] and box[3] else None
    width, height = _length(root.get("width")), _length(root.get("height"))
    if viewed and width is None and height is None:
        width, height = viewed[0] * _MM_PER_PIXEL, viewed[1] * _MM_PER_PIXEL
    elif viewed and width is None and height is not None:
        width = height * viewed[0] / viewed[1]
    elif viewed and height is None and width is not None:
        height = width * viewed[1] / viewed[0]
    if not width or not height:
        raise UserError("the SVG has no size: give it a width and a height, or a viewBox")
    return width, height


def _length(text: str | None) -> float | None:
    """An SVG length in mm; None where it is relative or missing."""
    number = (text or "").strip().rstrip("%abcdefghijklmnopqrstuvwxyz")
    unit = (text or "").strip()[len(number) :]
    return float(number) * _MM[unit] if _is_number(number) and unit in _MM else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _render_kicad(
    data: bytes, scale: RenderScale, variables: tuple[tuple[str, str], ...]
) -> Iterator[Rendering]:
    from schematic_reader.kicad.drawing.draw import draw_sheet
    from schematic_reader.kicad.drawing.raster import DrawingError
    from schematic_reader.kicad.nodes import KicadError
    from schematic_reader.kicad.reader import read_sheet

    try:
        sheet = read_sheet(data.decode("utf-8-sig"))
    except KicadError as error:
        raise UserError(str(error)) from None
    except UnicodeDecodeError:
        raise UserError("it is not UTF-8: save it with KiCad 6 or later") from None
    width, height = scale.canvas or _size(*sheet.size, scale)
    # On small paper the frame's title block would cover the circuit.
    framed = sheet.frame and sheet.size[0] >= _MIN_FRAMED_WIDTH
    sheet = replace(sheet, frame=framed, text_variables=variables)
    pixels_per_mm = min(width / sheet.size[0], height / sheet.size[1])
    try:
        yield draw_sheet(sheet, width=width, height=height), pixels_per_mm
    except DrawingError as error:
        raise UserError(str(error)) from None


if __name__ == "__main__":
    run(main)

"""Files as strangers send them, good and bad, written by hand so that each byte is known."""

from __future__ import annotations

import gzip
import io

from PIL import Image, ImageDraw

from tests.support.raw_rows import bomb

SVG = 'xmlns="http://www.w3.org/2000/svg"'


def pdf(
    *, width: float = 300, height: float = 200, content: str = "", pages: int = 1, locked: bool = False
) -> bytes:
    """A PDF whose pages, in points, all show ``content`` (PDF operators); ``locked`` by some password."""
    kids = " ".join(f"{4 + i} 0 R" for i in range(pages))
    page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents 3 0 R>>"
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {pages}>>",
        f"<</Length {len(content)}>>stream\n{content}\nendstream",
        *[page] * pages,
    ]
    trailer = f"/Size {len(objects) + 2}/Root 1 0 R"
    if locked:
        objects.append(f"<</Filter/Standard/V 1/R 2/O<{'ab' * 32}>/U<{'cd' * 32}>/P -4>>")
        trailer += f"/Encrypt {len(objects)} 0 R/ID[<00><00>]"
    out = "%PDF-1.4\n"
    starts = []
    for number, body in enumerate(objects, start=1):
        starts.append(len(out))
        out += f"{number} 0 obj{body}endobj\n"
    table = "".join(f"{start:010d} 00000 n \n" for start in starts)
    xref = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    return f"{out}{xref}trailer<<{trailer}>>\nstartxref\n{len(out)}\n%%EOF\n".encode()


def picture(kind: str = "PNG", size: tuple[int, int] = (120, 90)) -> bytes:
    """A picture with a black square in its upper left corner."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((0, 0, 29, 29), fill="black")
    out = io.BytesIO()
    image.save(out, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return out.getvalue()


def blank(kind: str = "PNG") -> bytes:
    """A white page."""
    out = io.BytesIO()
    Image.new("RGB", (120, 90), "white").save(out, kind)
    return out.getvalue()


def entity_bomb() -> bytes:
    entities = "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
    document_type = f'<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa">{entities}]>'
    return f'{document_type}<svg {SVG} width="99" height="99"><text>&j;</text></svg>'.encode()


BAD = {
    "text.png": (b"not a picture\n", "no readable sheet"),
    "empty.png": (b"", "it is empty"),
    "pointer.pdf": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run git lfs pull"),
    "one.png": (picture(size=(1, 1)), "too_small: 1 x 1 pixels"),
    "narrow.png": (picture(size=(3000, 29)), "too_narrow: 3000 x 29 pixels"),
    "blank.png": (blank(), "blank: the page shows nothing"),
    "half.jpg": (picture("JPEG")[:400], "no readable sheet"),
    "large.png": (bomb(13_000, 13_000), "over 150,000,000 pixels"),
    "huge.png": (bomb(20_000, 20_000), "over 150,000,000 pixels"),
    "cut.png": (bomb(9_000, 9_000), "no readable sheet"),
    "locked.pdf": (pdf(locked=True), "the PDF is encrypted"),
    "half.pdf": (pdf()[:120], "the PDF is damaged"),
    "book.pdf": (pdf(pages=500), "the PDF has 500 pages, at most 50 are read"),
    "narrow.pdf": (pdf(width=0.001), "mm is too narrow for a sheet"),
    "saved.html": (b"<!doctype html>\n<html><body><svg></svg></body></html>", "but no SVG"),
    "list.xml": (b'<?xml version="1.0"?>\n<export version="E"/>', "but no SVG"),
    "project.zip": (b"PK\x03\x04" + bytes(40), "an archive: unpack it"),
    "drawing.svgz": (gzip.compress(b"<svg/>"), "an archive: unpack it"),
    "half.svg": (f'<svg {SVG} width="90" height="90"><g'.encode(), "the SVG is damaged"),
    "unsized.svg": (f"<svg {SVG}><g/></svg>".encode(), "the SVG has no size"),
    "latin.svg": (f'<svg {SVG} viewBox="0 0 9 9">\xb5</svg>'.encode("latin-1"), "the SVG is damaged"),
    "bomb.svg": (entity_bomb(), "the SVG is damaged"),
    "deep.svg": (
        f'<svg {SVG} width="90" height="90">{"<g>" * 200_000}{"</g>" * 200_000}</svg>'.encode(),
        "rendering failed",
    ),
    "page.html": (b"<html><body><svg></svg></body></html>", "no SVG"),
    "old.kicad_sch": (b"EESchema Schematic File Version 4\n", "a KiCad 4/5 file"),
    "half.kicad_sch": (b"(kicad_sch (version 1", "not KiCad text"),
    "latin.kicad_sch": (b'(kicad_sch (title "\xb5"))', "it is not UTF-8"),
}  # fmt: skip
"""Files that cannot be read, and what their line says."""

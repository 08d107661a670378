"""A PNG in strips of rows, so that a huge one is reduced without its whole picture in memory.

PNG has no strips, and its row filters refer to the row before. So the rows are inflated a strip at a time and
given to Pillow as a small PNG of its own, which starts with the last row of the strip before.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import ExifTags, Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")  # width, height, bits, colour type, compression, filters, interlacing
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_CARRIERS = {1: 0, 2: 4, 3: 2, 4: 6}  # colour type of 8 bits a channel with so many bytes a pixel


class InterlacedError(ValueError):
    """The PNG is interlaced or has 16 bits of several channels: it is only decoded whole."""


@dataclass(frozen=True)
class _Chunks:
    header: bytes
    beside: list[tuple[bytes, bytes]]  # palette and transparency
    rows: list[bytes]  # compressed
    exif: bytes


def png_strips(data: bytes, rows: int) -> Iterator[Image.Image]:
    """The picture's strips of ``rows`` rows, the last one may have fewer, in the mode of the whole.

    Raises:
        InterlacedError: before the first strip; see there.
        ValueError: the file is damaged. Pillow's errors come as they are.
    """
    chunks = _chunks(data)
    width, height, bits, colour, *_, interlacing = _HEADER.unpack(chunks.header)
    filter_bytes = max(1, bits * _CHANNELS[colour] // 8)
    if interlacing or filter_bytes not in _CARRIERS:
        raise InterlacedError("interlaced, or 16 bits of several channels")
    return _strips(chunks, width, height, rows)


def png_orientation(data: bytes) -> int:
    """The orientation in the PNG's EXIF, 1 where there is none that can be read."""
    exif = Image.Exif()
    try:
        exif.load(_chunks(data).exif)
        turn = exif.get(ExifTags.Base.Orientation, 1)
    except (ValueError, SyntaxError, KeyError, TypeError, OSError, struct.error):
        return 1
    return turn if isinstance(turn, int) else 1


def _chunks(data: bytes) -> _Chunks:
    header, exif, beside, rows = b"", b"", [], []
    place = len(_SIGNATURE)
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += 12 + length
        if kind == b"IHDR":
            header = content
        elif kind in (b"PLTE", b"tRNS"):
            beside.append((kind, content))
        elif kind == b"eXIf":
            exif = content
        elif kind == b"IDAT":
            rows.append(content)
        elif kind == b"IEND":
            break
    if len(header) != _HEADER.size:
        raise ValueError("the PNG has no header")
    return _Chunks(header, beside, rows, exif)


def _strips(chunks: _Chunks, width: int, height: int, rows: int) -> Iterator[Image.Image]:
    _, _, bits, colour, *_ = _HEADER.unpack(chunks.header)
    filter_bytes = max(1, bits * _CHANNELS[colour] // 8)
    length = -(-width * bits * _CHANNELS[colour] // 8)  # bytes of a row without its filter
    carrier = (8, _CARRIERS[filter_bytes], 0, 0, 0)
    inflated = _Inflated(chunks.rows)
    last = bytes(length)  # the row above the first counts as zeros
    for top in range(0, height, rows):
        count = min(rows, height - top)
        filtered = b"\0" + last + inflated.read(count * (1 + length))
        head = _HEADER.pack(length // filter_bytes, count + 1, *carrier)
        plain = _decoded(head, [], filtered).tobytes()[length:]  # rows without filters
        last = plain[-length:]
        unfiltered = b"".join(b"\0" + plain[at : at + length] for at in range(0, len(plain), length))
        yield _decoded(_HEADER.pack(width, count, bits, colour, 0, 0, 0), chunks.beside, unfiltered)


def _decoded(header: bytes, beside: list[tuple[bytes, bytes]], rows: bytes) -> Image.Image:
    """The picture of a PNG of these parts."""
    chunks = [(b"IHDR", header), *beside, (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b"")]
    out = [_SIGNATURE]
    for kind, content in chunks:
        out += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", zlib.crc32(kind + content))]
    image = Image.open(io.BytesIO(b"".join(out)), formats=("PNG",))
    image.load()
    return image


class _Inflated:
    """The bytes of a zlib stream that comes in pieces, a bounded number at a time."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter(pieces)
        self._inflate = zlib.decompressobj()
        self._packed = b""

    def read(self, count: int) -> bytes:
        """The next ``count`` bytes. Raises ValueError where the stream ends before."""
        found = []
        while count:
            piece = self._inflate.decompress(self._packed, count)
            self._packed = self._inflate.unconsumed_tail
            if not piece and not self._packed:
                self._packed = b"" if self._inflate.eof else next(self._pieces, b"")
                if not self._packed:
                    raise ValueError("the PNG has fewer rows than its header declares")
            found.append(piece)
            count -= len(piece)
        return b"".join(found)

"""Pixel digest and perceptual hash of a picture, from one pass over its pixels.

Nearly all pictures of the data set are PNG of 8-bit RGBA without row filters. Their rows are inflated by
zlib-ng and hashed strip by strip, which stays in the processor's cache: decoding and both hashes take less
than half of Pillow's time for decoding alone. Every other picture, and any that is not perfectly valid, is
decoded by Pillow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from PIL import Image
from xxhash import xxh3_128
from zlib_ng import zlib_ng

from schematic_reader.cleaning.perceptual_hash import GRID, cell_sums, ink_hash, ink_of_cells, strip_bounds
from schematic_reader.io.picture import (
    BLANK_CONTRAST,
    FULL_SIZE_PIXELS,
    decode_picture,
    is_blank,
    on_white,
    open_picture,
)

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PLAIN = bytes((8, 6, 0, 0, 0))  # 8 bits, RGBA, deflate, filters by row, not interlaced


@dataclass(frozen=True, slots=True)
class PictureScan:
    """Size and hashes of a picture.

    Attributes:
        width, height: of the upright picture in pixels.
        pixel_digest: of the size and the exact RGBA pixels, the same however they are encoded; of the reduced
            pixels where the picture has over ``FULL_SIZE_PIXELS``. It is not a cryptographic hash.
        perceptual_hash: see ``perceptual_hash.ink_hash``.
        blank: see ``picture.is_blank``.
        frames: the frames or pages of its file; the first one is scanned.
    """

    width: int
    height: int
    pixel_digest: bytes
    perceptual_hash: int
    blank: bool = False
    frames: int = 1


class _NotPlainPngError(Exception):
    """A PNG that is not 8-bit RGBA without filters, or not valid."""


def scan_picture(data: bytes, *, max_pixels: int) -> PictureScan:
    """Decode a picture wholly and hash it.

    Raises:
        PictureError: see ``decode_picture``.
    """
    try:
        width, height, packed = _plain_png(data)
        if width * height <= min(max_pixels, FULL_SIZE_PIXELS):
            scan, maybe_blank = _scan((width, height), (width, height), _inflated(packed, width, height))
            return replace(scan, blank=True) if maybe_blank and is_blank(open_picture(data)) else scan
    except (_NotPlainPngError, zlib_ng.error):  # type: ignore[misc]  # its stub has an instance
        pass
    decoded = decode_picture(data, max_pixels=max_pixels)
    image = decoded.image.convert("RGBA")
    scan, maybe_blank = _scan((decoded.width, decoded.height), image.size, _strips(image))
    return replace(scan, blank=maybe_blank and is_blank(on_white(image)), frames=decoded.frames)


def _scan(full: tuple[int, int], size: tuple[int, int], strips: Iterator[bytes]) -> tuple[PictureScan, bool]:
    """Hash the rows, which come in strips, each row after its filter byte 0. Also: whether it may be blank.

    Args:
        full: width and height of the picture, which its hash and its scan name.
        size: width and height of the rows, which are fewer where it is reduced.
    """
    width, height = size
    digest = xxh3_128(f"{full[0]} x {full[1]}".encode())
    sums = []
    for strip in strips:
        digest.update(strip)
        rows = np.frombuffer(strip, np.uint8).reshape(-1, 1 + 4 * width)
        if any(strip[:: 1 + 4 * width]):
            raise _NotPlainPngError  # a row filter
        # 257 bytes of 255 are the most that a 16-bit sum can hold; it takes a third of the time.
        sums.append(np.add.reduce(rows[:, 1:], axis=0, dtype=np.uint16 if len(rows) <= 257 else np.uint64))
    cells = cell_sums(np.stack(sums).reshape(len(sums), width, 4))
    maybe_blank = bool(np.ptp(ink_of_cells(cells, width, height)) < BLANK_CONTRAST)
    return PictureScan(*full, digest.digest(), ink_hash(cells, width, height)), maybe_blank


def _plain_png(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and compressed rows of a PNG without ancillary chunks and with valid checksums."""
    if data[:8] != _SIGNATURE or data[12:16] != b"IHDR" or data[24:29] != _PLAIN:
        raise _NotPlainPngError
    place, packed, kind = 8, [], b""
    while kind != b"IEND":
        length = int.from_bytes(data[place : place + 4], "big")
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        crc = data[place + 8 + length : place + 12 + length]
        if kind not in (b"IHDR", b"IDAT", b"IEND") or (kind == b"IHDR") != (place == 8):
            raise _NotPlainPngError
        if len(crc) != 4 or zlib_ng.crc32(content, zlib_ng.crc32(kind)) != int.from_bytes(crc, "big"):
            raise _NotPlainPngError
        if kind == b"IDAT":
            packed.append(content)
        place += 12 + length
    width, height = (int.from_bytes(data[start : start + 4], "big") for start in (16, 20))
    if not width or not height:
        raise _NotPlainPngError
    return width, height, packed[0] if len(packed) == 1 else b"".join(packed)


def _inflated(packed: bytes, width: int, height: int) -> Iterator[bytes]:
    """The rows of a zlib stream, a strip at a time; the checksum is verified before the last one."""
    inflate = zlib_ng.decompressobj()
    for first, last in pairwise(strip_bounds(height, GRID)):
        wanted = (last - first) * (1 + 4 * width)
        pieces = []
        while wanted:
            piece = inflate.decompress(packed, wanted)
            if not piece:
                raise _NotPlainPngError
            packed = inflate.unconsumed_tail
            wanted -= len(piece)
            pieces.append(piece)
        if last == height and not inflate.eof and (inflate.decompress(packed, 1) or not inflate.eof):
            raise _NotPlainPngError  # more rows than the picture has, or a stream without an end
        yield pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _strips(image: Image.Image) -> Iterator[bytes]:
    """The rows of an RGBA picture, each after a filter byte 0, in strips."""
    pixels = np.asarray(image).reshape(image.height, -1)
    for first, last in pairwise(strip_bounds(image.height, GRID)):
        yield np.pad(pixels[first:last], ((0, 0), (1, 0))).tobytes()

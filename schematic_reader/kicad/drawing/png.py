"""Write palette pictures as PNG whose bytes depend on the pixels alone.

Compressors differ between zlib versions, so the pixels are stored uncompressed; what keeps the file
(parquet with zstd) compresses it.
"""

from __future__ import annotations

import struct
import zlib

from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INDEXED = 3
_TRUECOLOUR = 2
_STORED_BLOCK = 65535  # bytes, deflate's limit


def encode_png(image: Image.Image) -> bytes:
    """The PNG file of a palette image (mode P); other modes are written as 8-bit RGB."""
    if image.mode != "P":
        image = image.convert("RGB")
    width, height = image.size
    pixels = image.tobytes()
    stride = len(pixels) // height
    # Every row starts with filter type 0 (none).
    rows = b"".join(b"\x00" + pixels[i : i + stride] for i in range(0, len(pixels), stride))
    colour = _INDEXED if image.mode == "P" else _TRUECOLOUR
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))]
    if colour == _INDEXED:
        chunks.append(_chunk(b"PLTE", bytes(image.getpalette("RGB") or ())))
    chunks += [_chunk(b"IDAT", _stored(rows)), _chunk(b"IEND", b"")]
    return _SIGNATURE + b"".join(chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _stored(data: bytes) -> bytes:
    """A zlib stream of stored blocks (RFC 1950, 1951)."""
    parts = [b"\x78\x01"]
    for start in range(0, len(data), _STORED_BLOCK):
        block = data[start : start + _STORED_BLOCK]
        last = start + len(block) == len(data)
        parts += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    parts.append(struct.pack(">I", zlib.adler32(data)))
    return b"".join(parts)

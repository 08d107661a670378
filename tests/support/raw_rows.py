"""Small raw rows with real pictures, and raw folders made of them, for the tests of the data stages."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from schematic_reader.io.manifest import fixed_test_name, shard_name, synthetic_name, write_manifest
from schematic_reader.io.tables import RAW, write_rows


def png(seed: int, size: tuple[int, int] = (40, 30), mode: str = "RGBA") -> bytes:
    """A PNG of noise that depends on ``seed``."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    data = random.Random(seed).randbytes(size[0] * size[1] * channels)
    file = io.BytesIO()
    Image.frombytes(mode, size, data).save(file, "PNG")
    return file.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes whose header promises ``width`` x ``height`` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 100_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def raw_row(number: int, **changed: Any) -> dict[str, Any]:
    """A good row, unlike that of any other number, of the repository ``owner/board-NUMBER``.

    ``changed`` replaces columns; ``image`` may be bytes.
    """
    row: dict[str, Any] = {
        "schematic": f"(kicad_sch (version 20231120) (generator number-{number}))",
        "image": png(number),
        "components_used": ["R", f"U{number}", "GND"],
        "json": '{"a": 1}',
        "yaml": "a: 1",
        "name": f"owner/board-{number}",
        "description": "",
        "type": ".kicad_sch",
        **changed,
    }
    if isinstance(row["image"], bytes):
        row["image"] = {"bytes": row["image"], "path": f"{number}.png"}
    return row


def write_raw(
    folder: Path,
    shards: Iterable[Iterable[Mapping[str, Any]]],
    row_group: int = 32,
    synthetic: Iterable[Mapping[str, Any]] = (),
    fixed_test: Iterable[Mapping[str, Any]] = (),
) -> Path:
    """Write a raw folder with its manifest, as the fetch stage does, and return it.

    ``synthetic`` rows, if any, are a shard of their own, as if drawn for training, and so are those of
    ``fixed_test``, as if read from ``data.test_path``.
    """
    origins = []
    for number, rows in enumerate(shards):
        write_rows(folder / shard_name(number), RAW, map(dict, rows), row_group=row_group)
        origins.append(f"{number}.parquet")
    drawn = [dict(row) for row in synthetic]
    if drawn:
        write_rows(folder / synthetic_name(0), RAW, drawn, row_group=row_group)
    fixed = [dict(row) for row in fixed_test]
    if fixed:
        write_rows(folder / fixed_test_name(0), RAW, fixed, row_group=row_group)
    about: dict[str, Any] = {"source": "local", "id": None, "revision": None, "columns": {}}
    write_manifest(folder, origins, about, fixed_test=["t.parquet"] * bool(fixed), synthetic=bool(drawn))
    return folder

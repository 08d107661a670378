"""``python -m benchmarks.data.clean_throughput``: rows a second of the clean stage and of the tutorial's way.

Makes a folder like the first version of Open Schematics (56 % of the rows without components; the sheets of
../shared/open-schematics-mini with moved pixels and changed values) and cleans it twice, each in a process of
its own: as the tutorial does (load_dataset, report on missing components, filter with decoding off), with the
check that it lacks (decode what is kept), and by this project's stage with all its checks.

``--rows`` is how many; ``--folder`` keeps what is made, for a later run; ``--ours`` times no tutorial.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
import tempfile
import time
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageChops

from benchmarks.common.results import SHARED, folder_bytes, measured, record
from schematic_reader.io.parallel import cores, ordered_map
from schematic_reader.io.picture import PictureError, decode_picture
from schematic_reader.io.tables import RAW

ROWS = 8448
WITHOUT_COMPONENTS = 0.56
SHARD_ROWS = 1056  # as the 78 files of the first version have
CHUNK = 32


def main() -> None:
    """Make the folder and time both ways."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--ours", action="store_true")
    parser.add_argument("--side", choices=("tutorial", "project"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps({"tutorial": tutorial, "project": project}[arguments.side](arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "v1"
        if not folder.exists():
            make(folder, arguments.rows)
        report(folder, ours_alone=arguments.ours)


def report(folder: Path, *, ours_alone: bool) -> None:
    """Time both ways on the rows of ``folder`` and keep the figures."""
    words = ("--folder", str(folder), "--side")
    theirs = None if ours_alone else measured("benchmarks.data.clean_throughput", *words, "tutorial")
    ours = measured("benchmarks.data.clean_throughput", *words, "project")
    name, rows = "clean_throughput", ours["rows"]
    base = theirs and theirs["seconds"] + theirs["check_seconds"]
    if theirs:
        about = {key: theirs[key] for key in ("rows", "kept", "peak_mib", "bytes_written", "cpu_seconds")}
        record(name, "tutorial", rows_per_s=round(rows / theirs["seconds"]), ratio=None, **about)
        record(name, "tutorial and decode check", rows_per_s=round(rows / base), ratio=1.0, **about)
    keys = ("rows", "kept", "peak_mib", "bytes_written", "cpu_seconds", "fetch_seconds")
    about = {key: ours[key] for key in keys}
    ratio = base and round(base / ours["seconds"], 2)
    record(name, "clean_to_parquet", rows_per_s=round(rows / ours["seconds"]), ratio=ratio, **about)


def tutorial(folder: Path) -> dict[str, Any]:
    """The tutorial's cleaning, statement by statement, then a decode of each picture that it keeps."""
    from datasets import Image as HFImage
    from datasets import load_dataset

    with tempfile.TemporaryDirectory() as cache:
        start, busy = time.perf_counter(), cpu_seconds()
        ds_all = load_dataset("parquet", data_files=f"{folder}/*.parquet", split="train", cache_dir=cache)
        missing = with_schematic = 0
        for example in ds_all.select_columns(["components_used", "schematic", "name", "type"]):
            if not example["components_used"]:
                missing += 1
                with_schematic += bool(example["schematic"])
        ds_all = ds_all.cast_column("image", HFImage(decode=False))
        ds_clean = ds_all.filter(_has_components_and_image, input_columns=["components_used", "image"])
        middle = time.perf_counter()
        broken = 0
        for example in ds_clean.select_columns(["image"]):
            try:
                decode_picture(example["image"]["bytes"])
            except PictureError:
                broken += 1
        end = time.perf_counter()
        return {
            "rows": len(ds_all),
            "kept": len(ds_clean) - broken,
            "seconds": middle - start,
            "check_seconds": end - middle,
            "cpu_seconds": round(cpu_seconds() - busy, 1),
            "bytes_written": folder_bytes(Path(cache)),
        }


def _has_components_and_image(components_used: Any, image: Any) -> bool:
    if not (isinstance(components_used, list) and len(components_used) > 0):
        return False
    return image is not None and (bool(image.get("path")) or bool(image.get("bytes")))


def project(folder: Path) -> dict[str, Any]:
    """Fetch from the folder, told apart, and the clean stage with all checks."""
    from schematic_reader.cleaning.clean_to_parquet import clean_to_parquet
    from schematic_reader.config import Data, load_params
    from schematic_reader.sources.fetch import fetch

    with tempfile.TemporaryDirectory() as temporary:
        raw, clean = Path(temporary) / "raw", Path(temporary) / "clean"
        begin = time.perf_counter()
        fetch(Data("local", str(folder), None, None, None, None, None, None), 42, raw)
        start, busy = time.perf_counter(), cpu_seconds()
        metrics = clean_to_parquet(raw, clean, load_params().clean, workers=cores())
        end = time.perf_counter()
        return {
            "rows": metrics["rows_read"],
            "kept": metrics["rows_kept"],
            "seconds": end - start,
            "cpu_seconds": round(cpu_seconds() - busy, 1),
            "fetch_seconds": round(start - begin, 1),
            "bytes_written": folder_bytes(clean),
        }


def cpu_seconds() -> float:
    """Processor time of this process and the children that have ended, which tells more on a busy machine."""
    return sum(os.times()[:4])


def make(folder: Path, rows: int) -> None:
    """Write ``rows`` rows to ``folder`` as parquet files of snappy-compressed row groups of 100 rows."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    starts = range(0, rows, CHUNK)
    tables = ordered_map(partial(_chunk, rows=rows), starts, workers=cores())
    pending, number, left = RAW.empty_table(), 0, rows
    for table in tables:
        pending = pa.concat_tables([pending, table])
        size = min(SHARD_ROWS, left)
        if pending.num_rows >= size:
            pq.write_table(pending.slice(0, size), part / f"train-{number:05d}.parquet", row_group_size=100)
            pending, number, left = pending.slice(size), number + 1, left - size
    part.replace(folder)


_SHEETS: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = []


def _sheets() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The mini set's rows with components and a sound picture, and those without components, read once."""
    if not _SHEETS:
        good, without = [], []
        for path in sorted((SHARED / "open-schematics-mini").glob("*.parquet")):
            for row in pq.read_table(path).to_pylist():
                if not row["components_used"]:
                    without.append(row)
                elif row["image"] and row["image"]["bytes"] and _decodes(row["image"]["bytes"]):
                    good.append(row)
        if not good:
            raise SystemExit("needs ../shared/open-schematics-mini beside the checkout")
        _SHEETS.append((good, without))
    return _SHEETS[0]


def _decodes(data: bytes) -> bool:
    try:
        decode_picture(data)
    except PictureError:
        return False
    return True


def _chunk(start: int, rows: int) -> pa.Table:
    """Rows ``start`` to ``start + CHUNK`` of ``rows``."""
    return pa.Table.from_pylist(list(_rows(start, min(start + CHUNK, rows))), schema=RAW)


def _rows(start: int, stop: int) -> Iterator[dict[str, Any]]:
    good, without = _sheets()
    for number in range(start, stop):
        rng = Random(number)
        if rng.random() < WITHOUT_COMPONENTS:
            yield {**without[number % len(without)], "name": f"owner-{number // 7}/board"}
            continue
        row = good[number % len(good)]
        picture = row["image"]["bytes"]
        draw = rng.random()
        if draw < 0.01:
            picture = picture[: len(picture) // 2]
        else:
            picture = _moved(picture, rng)
        yield {
            **row,
            "name": f"owner-{number // 7}/board",
            "image": None if draw > 0.97 else {"bytes": picture, "path": f"{number}.png"},
            "schematic": row["schematic"].replace('(property "Value" "', f'(property "Value" "{number} '),
            "json": row["json"].replace('"value": "', f'"value": "{number} '),
        }


def _moved(data: bytes, rng: Random) -> bytes:
    """The picture with its content shifted around, so that no pixel is where it was."""
    image = decode_picture(data).image
    moved = ImageChops.offset(image, rng.randrange(1, image.width), rng.randrange(1, image.height))
    return png(moved.convert("RGBA"))


def png(image: Image.Image) -> bytes:
    """An RGBA picture as PNG without row filters, as the real ones are.

    Pillow's writer filters each row, and such rows take four times as long to decode.
    """

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels, stride = image.tobytes(), image.width * 4
    rows = b"".join(b"\0" + pixels[start : start + stride] for start in range(0, len(pixels), stride))
    header = struct.pack(">IIBBBBB", *image.size, 8, 6, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows, 6)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


if __name__ == "__main__":
    main()

"""The source that a profile names, and how much of it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from schematic_reader.cli import UserError
from schematic_reader.config import Data
from schematic_reader.io.parallel import cores
from schematic_reader.io.tables import RAW, row_batches
from schematic_reader.sources.shards import BATCH_ROWS, Shard, Source

DRAWN_SHARD_ROWS = 400
SHEET_SIZE = (640, 448)
"""Pixels of synthetic sheets where the profile names none: those of the committed sample profile."""


def open_source(data: Data, seed: int, resume_folder: Path | None) -> Source:
    """The source that ``data`` names; only its own reader is imported.

    Args:
        resume_folder: the folder that is written to; an interrupted run may have left its plan there.
    """
    if data.source == "hub":
        from schematic_reader.sources.hub import open_hub

        return open_hub(
            str(data.id), str(data.revision), shards=data.shards, rows=data.rows, resume_folder=resume_folder
        )
    if data.source == "local":
        from schematic_reader.sources.local import open_local

        return open_local(data.paths, data.shards)
    count, width, height, corrupt_share = data.rows, data.width, data.height, data.corrupt_share
    if count is None or width is None or height is None or corrupt_share is None:
        raise TypeError("config.Data.check admits no sample without rows, width, height and corrupt_share")
    return _drawn("sample", count, seed, (width, height), corrupt_share)


def open_test_set(data: Data) -> Source:
    """The fixed test set that ``data.test_path`` names.

    Raises:
        UserError: a path is missing, or its files are damaged, of another layout or without a row.
    """
    from schematic_reader.sources.local import open_local

    source = open_local(data.test_paths, key="test_path")
    if not any(shard.rows for shard in source.shards):
        raise UserError(
            f"profiles.*.data.test_path is {', '.join(data.test_paths)}, which has no row: name the parquet "
            "files of the test set, or null"
        )
    return source


def open_synthetic(data: Data, seed: int) -> Source:
    """The synthetic sheets added to the rows of the source; none is one of source ``sample``."""
    stream = int.from_bytes(hashlib.sha256(f"synthetic:{seed}".encode()).digest()[:8], "big")
    size = (data.width or SHEET_SIZE[0], data.height or SHEET_SIZE[1])
    return _drawn("synthetic", data.synthetic, stream, size, 0.0)


def _drawn(origin: str, count: int, seed: int, size: tuple[int, int], corrupt_share: float) -> Source:
    """The built-in generator, its rows cut into shards, which must be read in order."""
    from schematic_reader.synthetic.sample import generate_rows

    rows = generate_rows(
        count, seed, width=size[0], height=size[1], corrupt_share=corrupt_share, workers=cores()
    )
    shards = [
        Shard(
            origin,
            partial(row_batches, islice(rows, DRAWN_SHARD_ROWS), RAW, BATCH_ROWS),
            min(DRAWN_SHARD_ROWS, count - first),
        )
        for first in range(0, count, DRAWN_SHARD_ROWS)
    ]
    return Source(shards, {name: name for name in RAW.names}, files=len(shards))


def describe_plan(source: Source, limit: int | None, name: str = "plan") -> str:
    """The plan in one line: files, rows, bytes that are read, bytes in all."""
    counts = rows_by_shard(source.shards, limit)
    rows, files = sum(counts), sum(count > 0 for count in counts)
    needed = sum(shard.needed for shard, count in zip(source.shards, counts, strict=True) if count)
    share = f" ({needed / source.total_bytes:.1%})" if source.total_bytes else ""
    return (
        f"{name}: {files} of {source.files} files, {rows} rows, {needed} bytes of the needed columns of "
        f"{source.total_bytes} bytes in all{share}"
    )


def rows_by_shard(shards: Sequence[Shard], limit: int | None) -> list[int]:
    """The rows that are taken of each shard when at most ``limit`` are in all."""
    counts, left = [], limit
    for shard in shards:
        counts.append(shard.rows if left is None else min(shard.rows, left))
        left = None if left is None else left - counts[-1]
    return counts

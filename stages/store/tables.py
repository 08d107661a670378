"""The parquet contracts between the stages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages.store.errors import UserError
from stages.store.files import replacing

SPLITS = ("train", "validation", "test")

RAW = pa.schema(
    [
        ("schematic", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("components_used", pa.list_(pa.string())),
        ("json", pa.string()),
        ("yaml", pa.string()),
        ("name", pa.string()),
        ("description", pa.string()),
        ("type", pa.string()),
    ]
)

CLEAN = pa.schema(
    [
        ("id", pa.string()),
        ("name", pa.string()),
        ("description", pa.string()),
        ("type", pa.string()),
        ("image", pa.binary()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("components", pa.list_(pa.string())),
        ("json", pa.string()),
        ("yaml", pa.string()),
        ("schematic", pa.string()),
    ]
)

_CONTENT = pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))

MESSAGES = pa.schema(
    [
        ("id", pa.string()),
        ("name", pa.string()),
        ("part", pa.string()),
        ("row", pa.int32()),
        ("prompt", pa.string()),
        ("target", pa.string()),
        ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", _CONTENT)]))),
    ]
)

PREDICTIONS = pa.schema(
    [
        ("id", pa.string()),
        ("name", pa.string()),
        ("prompt", pa.string()),
        ("target", pa.string()),
        ("prediction", pa.string()),
        ("tokens", pa.int32()),
        ("finish", pa.string()),
        ("precision", pa.float64()),
        ("recall", pa.float64()),
        ("f1", pa.float64()),
    ]
)


def write_rows(path: Path, schema: pa.Schema, rows: Iterable[dict[str, Any]], *, row_group: int = 16) -> int:
    """Write ``rows`` as one zstd parquet file, atomically, and return how many there were.

    Args:
        row_group: rows a group; small, so that a single picture is read without its whole file.
    """
    count = 0
    with replacing(path) as part, pq.ParquetWriter(part, schema, compression="zstd") as writer:
        batch: list[dict[str, Any]] = []
        for row in rows:
            batch.append(row)
            count += 1
            if len(batch) == row_group:
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
                batch = []
        if batch:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
    return count


def iterate_rows(paths: Iterable[Path], columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of parquet files in the order given, a row group at a time."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield from file.read_row_group(group, columns=columns).to_pylist()


def clean_parts(folder: Path, split: str) -> list[Path]:
    """The parquet files of one clean split, in order.

    Raises:
        UserError: the split has no file.
    """
    parts = sorted((folder / split).glob("part-*.parquet"))
    if not parts:
        raise UserError(f"{folder / split} holds no part-*.parquet: run `dvc repro clean-to-parquet`")
    return parts


def read_messages(folder: Path, split: str) -> list[dict[str, Any]]:
    """All message rows of one split (no pictures, so they fit in memory).

    Raises:
        UserError: the file is missing.
    """
    path = folder / f"{split}.parquet"
    if not path.is_file():
        raise UserError(f"{path} is missing: run `dvc repro build-messages`")
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows

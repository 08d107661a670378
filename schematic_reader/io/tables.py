"""The parquet contracts between the stages."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schematic_reader.cli import UserError
from schematic_reader.io.files import atomic_write

SPLITS = ("train", "validation", "test")

GROUP_BYTES = 256_000_000
"""Bytes of pictures and texts from which on no row is added to a row group; real sheets have some 10 MB.

A row group is read whole, and Arrow's reader takes no column of one that has over 2 GB.
"""

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
        ("tile", pa.int32()),  # its number; null: the row is about the whole sheet
        ("shown", pa.list_(pa.int32())),  # what is shown of the tile: left, top, right, bottom in its pixels
        ("tiles", pa.int32()),  # into how many the sheet is cut; 1: it is asked about as a whole
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
        ("ends", pa.list_(pa.int32())),
        ("probabilities", pa.list_(pa.float64())),
    ]
)


def open_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer without dictionaries and statistics, which cost space on pictures and long texts.

    Texts are compressed with zstd. Pictures, which would shrink by no more than 2 %, are stored as they are,
    which is written 1.6 times as fast and read at random at least as fast (benchmarks/data/random_reads.py).
    """
    compression = {
        leaf: "none" if field.name == "image" else "zstd"
        for field in schema
        for leaf in _leaves(field.name, field)
    }
    return pq.ParquetWriter(
        path, schema, compression=compression, use_dictionary=False, write_statistics=False
    )


def _leaves(path: str, field: pa.Field) -> Iterator[str]:
    """The parquet columns of a field, as paths."""
    if pa.types.is_list(field.type):
        yield from _leaves(f"{path}.list.element", field.type.value_field)
    elif pa.types.is_struct(field.type):
        for child in field.type:
            yield from _leaves(f"{path}.{child.name}", child)
    else:
        yield path


def write_batches(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write each batch as a row group of one parquet file, atomically, and return the number of rows.

    The file's footer is read back before it gets its final name.

    Raises:
        UserError: the file does not hold what was written to it, as on a failing disk.
    """
    count = 0
    with atomic_write(path) as part:
        with open_writer(part, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
                count += batch.num_rows
        written = pq.read_metadata(part)
        if written.num_rows != count or not pq.read_schema(part).equals(schema):
            raise UserError(
                f"{path} holds {written.num_rows} of {count} rows: check the disk, then run it again"
            )
    return count


def write_rows(path: Path, schema: pa.Schema, rows: Iterable[dict[str, Any]], *, row_group: int = 16) -> int:
    """Write ``rows`` as one parquet file, atomically, and return how many there were.

    Args:
        row_group: rows a group; small, so that a single picture is read without its whole file.
    """
    return write_batches(path, schema, row_batches(rows, schema, row_group))


def row_batches(rows: Iterable[dict[str, Any]], schema: pa.Schema, size: int) -> Iterator[pa.RecordBatch]:
    """The rows in batches of ``size``; the last one may be shorter, and one of ``GROUP_BYTES`` is."""
    batch: list[dict[str, Any]] = []
    held = 0
    for row in rows:
        batch.append(row)
        held += _row_bytes(row)
        if len(batch) == size or held >= GROUP_BYTES:
            yield pa.RecordBatch.from_pylist(batch, schema=schema)
            batch, held = [], 0
    if batch:
        yield pa.RecordBatch.from_pylist(batch, schema=schema)


def _row_bytes(row: dict[str, Any]) -> int:
    """The length of a row's picture and texts; letters outside ASCII, which are few, count as one byte."""
    values = (value.get("bytes") if isinstance(value, dict) else value for value in row.values())
    return sum(len(value) for value in values if isinstance(value, bytes | str))


class PartWriter:
    """Writes tables to ``part-00.parquet``, ``part-01.parquet``... as a context manager.

    Args:
        folder: where the parts go; made if there is none.
        rows_per_part: rows of every part but the last.
        row_group: rows a group, as for ``write_rows``.
    """

    def __init__(self, folder: Path, schema: pa.Schema, rows_per_part: int, *, row_group: int = 16) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.rows = 0
        self._folder, self._schema = folder, schema
        self._rows_per_part, self._row_group = rows_per_part, row_group
        self._pending = schema.empty_table()
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(self, *error: object) -> None:
        while error[0] is None and self._pending.num_rows:
            self._write_group()
        if self._writer:
            self._writer.close()

    def write(self, table: pa.Table) -> None:
        self._pending = pa.concat_tables([self._pending, table])
        while self._pending.num_rows >= self._row_group:
            self._write_group()

    def _write_group(self) -> None:
        """Write one row group of the pending rows, in a new part where the last one is full."""
        filled = self.rows % self._rows_per_part
        if self._writer is None or not filled:
            if self._writer:
                self._writer.close()
            name = f"part-{self.rows // self._rows_per_part:02d}.parquet"
            self._writer = open_writer(self._folder / name, self._schema)
        group = _head(self._pending, min(self._row_group, self._rows_per_part - filled))
        self._pending = self._pending.slice(group.num_rows)
        self._writer.write_table(group.combine_chunks())
        self.rows += group.num_rows


def _head(table: pa.Table, rows: int) -> pa.Table:
    """The first ``rows`` rows, or as few as have ``GROUP_BYTES``."""
    group = table.slice(0, rows)
    while group.num_rows > 1 and group.nbytes > GROUP_BYTES:
        group = group.slice(0, group.num_rows // 2)
    return group


@contextmanager
def readable(path: Path, made_by: str) -> Iterator[None]:
    """Around the reading of a parquet file that the stage ``made_by`` wrote.

    Raises:
        UserError: the file is missing or damaged, or another file lies in its place; names the command that
            makes it.
    """
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro {made_by}`") from None
    except PermissionError:
        raise  # the path and its owner are told by ``cli.run``
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path} is damaged ({reason}): delete it and run `dvc checkout`, or `dvc repro {made_by}`"
        ) from None


def iterate_rows(paths: Iterable[Path], columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of parquet files in the order given, a row group at a time."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                yield from file.read_row_group(group, columns=columns).to_pylist()


RowGroup = tuple[Path, int]
"""A parquet file and the number of a row group in it."""


def row_groups(paths: Iterable[Path], made_by: str) -> list[RowGroup]:
    """All row groups of the files that the stage ``made_by`` wrote, in order.

    Raises:
        UserError: a file is damaged.
    """
    groups = []
    for path in paths:
        with readable(path, made_by):
            groups += [(path, group) for group in range(pq.read_metadata(path).num_row_groups)]
    return groups


def clean_parts(folder: Path, split: str) -> list[Path]:
    """The parquet files of one clean split, in order.

    Raises:
        UserError: the split has no file.
    """
    parts = sorted((folder / split).glob("part-*.parquet"), key=lambda part: (len(part.name), part.name))
    if not parts:
        raise UserError(f"{folder / split} holds no part-*.parquet: run `dvc repro clean-to-parquet`")
    return parts


def read_messages(folder: Path, split: str, *, tiles: bool = False) -> list[dict[str, Any]]:
    """The message rows of one split (no pictures, so they fit in memory): one of each whole sheet.

    Args:
        tiles: also those of tiles.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = folder / f"{split}.parquet"
    with readable(path, "build-messages"):
        rows: list[dict[str, Any]] = pq.read_table(path).select(MESSAGES.names).to_pylist()
    return rows if tiles else [row for row in rows if row["tile"] is None]


class Pictures:
    """Random reads of the encoded pictures of one clean split.

    A message row has the place of its picture: ``read(row["part"], row["row"])``. The image column of one row
    group is read, never a whole file. It may be pickled or forked to worker processes, which open their own
    files. Threads may share it: a lock serializes them, since pyarrow's ParquetFile is not thread-safe.

    Args:
        folder: the folder of the clean splits, ``data/clean``.
        split: one of ``SPLITS``.
    """

    _OPEN_FILES = 8

    def __init__(self, folder: Path, split: str) -> None:
        self._folder = folder / split
        self._open: OrderedDict[str, tuple[pq.ParquetFile, list[int]]] = OrderedDict()
        self._owner, self._lock = os.getpid(), Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"_folder": self._folder, "_owner": 0}

    def read(self, part: str, row: int) -> bytes:
        """The encoded picture of row ``row`` (from 0) of the file named ``part``.

        Raises:
            UserError: there is no such file or row, as after a clean split was made anew, or it is damaged.
        """
        if self._owner != os.getpid():  # forked: the parent's file handles and lock are not ours to use
            self._open, self._owner, self._lock = OrderedDict(), os.getpid(), Lock()
        with self._lock, readable(self._folder / part, "clean-to-parquet"):
            return self._read(part, row)

    def _read(self, part: str, row: int) -> bytes:
        file, starts = self._file(part)
        if not 0 <= row < starts[-1]:
            raise UserError(
                f"{self._folder / part} has {starts[-1]} rows, row {row} was requested: "
                "run `dvc repro build-messages`"
            )
        group = bisect_right(starts, row) - 1
        column = file.read_row_group(group, columns=["image"], use_threads=False).column("image")
        data: bytes = column[row - starts[group]].as_py()
        return data

    def _file(self, part: str) -> tuple[pq.ParquetFile, list[int]]:
        """The open file and the first row of each of its row groups, then the row count."""
        if part in self._open:
            self._open.move_to_end(part)
            return self._open[part]
        # Mapped, a row group is copied once and not twice: half the time of a read.
        file = pq.ParquetFile(self._folder / part, memory_map=True)
        sizes = (file.metadata.row_group(i).num_rows for i in range(file.num_row_groups))
        self._open[part] = (file, list(accumulate(sizes, initial=0)))
        if len(self._open) > self._OPEN_FILES:
            _, (oldest, _) = self._open.popitem(last=False)
            oldest.close()
        return self._open[part]

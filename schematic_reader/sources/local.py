"""Rows from a folder of parquet files in the layout of bshada/open-schematics.

A row may name its picture by a path instead of holding it: it is read where it lies in that folder.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schematic_reader.cli import UserError
from schematic_reader.sources.shards import Shard, Source, map_columns, needed_bytes, read_batches

MAX_PICTURE = 100_000_000  # bytes of a picture that is named by its path

log = logging.getLogger(__name__)


def open_local(folder: Path, shards: int | None = None) -> Source:
    """All ``*.parquet`` of ``folder`` and the folders in it, by name; every file's columns are checked now.

    Args:
        shards: the most files that are read, or None for all.

    Raises:
        UserError: the folder is missing or holds no parquet, or a file is damaged or of another layout.
    """
    if not folder.is_dir():
        raise UserError(
            f"profiles.*.data.path is {folder}, which is no folder: name the one with the parquet files"
        )
    files = sorted(path for path in folder.rglob("*.parquet") if path.is_file())
    if not files:
        raise UserError(
            f"{folder} holds no *.parquet: name the folder with the parquet files in profiles.*.data.path"
        )
    columns, found = {}, []
    for path in files[:shards]:
        with _open(path) as file:
            columns = map_columns(file.schema_arrow, str(path), paths=True)
            needed = needed_bytes(file.metadata, columns.values())
            origin = path.relative_to(folder).as_posix()
            found.append(Shard(origin, partial(_read, path, folder), file.metadata.num_rows, needed))
    return Source(found, columns, files=len(files), total_bytes=sum(path.stat().st_size for path in files))


def _read(path: Path, folder: Path) -> Iterator[pa.RecordBatch]:
    pictures = _PicturesBeside(path, folder)
    with _open(path) as file:
        columns = map_columns(file.schema_arrow, str(path), paths=True)
        try:
            yield from read_batches(file, columns, pictures.read)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{path} is damaged ({error}): copy or download it again") from None
    pictures.report()


class _PicturesBeside:
    """The pictures that the rows of a parquet file name by path, relative to it or to the whole folder."""

    def __init__(self, parquet: Path, folder: Path) -> None:
        self._parquet, self._root = parquet, folder.resolve()
        self._bases = dict.fromkeys((parquet.parent.resolve(), self._root))
        self._outside = self._missing = 0

    def read(self, name: str) -> bytes | None:
        """The bytes of a regular file of at most ``MAX_PICTURE`` bytes that lies in the folder; else None."""
        try:
            paths = [(base / name).resolve() for base in self._bases]
            inside = [path for path in paths if path.is_relative_to(self._root)]
            outside = len(inside) < len(paths)
            for path in inside:
                if path.is_file() and path.stat().st_size <= MAX_PICTURE:
                    return path.read_bytes()
        except (OSError, ValueError):  # too long a name, or one with NUL
            outside = False
        self._outside += outside
        self._missing += not outside
        return None

    def report(self) -> None:
        """Log in a line how many pictures were not read."""
        if self._missing or self._outside:
            log.warning(
                "%s: %d pictures named by path are missing, unreadable or over %d MB, %d lie outside %s and "
                "are not read",
                self._parquet,
                self._missing,
                MAX_PICTURE // 1_000_000,
                self._outside,
                self._root,
            )


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is no readable parquet file ({error}): copy or download it again") from None

"""Rows from local parquet files in the layout of bshada/open-schematics.

A row may name its picture by a path instead of holding it: it is read where it lies in the file's folder.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schematic_reader.cli import UserError
from schematic_reader.io.data_paths import is_there, parquet_files
from schematic_reader.io.outside_paths import real_path
from schematic_reader.sources.shards import Shard, Source, map_columns, needed_bytes, read_batches

MAX_PICTURE = 100_000_000  # bytes of a picture that is named by its path

log = logging.getLogger(__name__)


def open_local(paths: Sequence[str], shards: int | None = None, *, key: str = "path") -> Source:
    """The parquet files of folders, files and patterns, each once; every file's columns are checked now.

    Args:
        paths: see ``io.data_paths.parquet_files``; the files come in this order and, of each, by name.
        shards: the most files that are read, or None for all.
        key: of ``data`` in params.yaml, for messages.

    Raises:
        UserError: a path is missing or holds no parquet, or a file is damaged or of another layout.
    """
    files: dict[Path, tuple[Path, Path]] = {}  # by what a path resolves to, so that no spelling is read twice
    for named in paths:
        if not is_there(named):
            raise UserError(
                f"profiles.*.data.{key} is {named}, which is no folder, no file and no pattern of any: name "
                "the parquet files or the folder with them"
            )
        pairs = parquet_files(named)
        if not pairs:
            raise UserError(
                f"{named} holds no *.parquet: name the folder with the parquet files in profiles.*.data.{key}"
            )
        for folder, path in pairs:
            files.setdefault(real_path(path), (folder, path))
    columns, found = {}, []
    for folder, path in list(files.values())[:shards]:
        with _open(path) as file:
            columns = map_columns(file.schema_arrow, str(path), paths=True)
            needed = needed_bytes(file.metadata, columns.values())
            origin = (path.relative_to(folder) if len(paths) == 1 else path).as_posix()
            found.append(Shard(origin, partial(_read, path, folder), file.metadata.num_rows, needed))
    total_bytes = sum(path.stat().st_size for path in files)
    return Source(found, columns, files=len(files), total_bytes=total_bytes)


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
            paths = [real_path(base / name) for base in self._bases]
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
    except UnicodeEncodeError:
        raise UserError(f"{path} has a name that is no UTF-8, which Arrow does not open: rename it") from None

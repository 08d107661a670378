"""Rows from a folder of parquet files in the layout of bshada/open-schematics."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schematic_reader.cli import UserError
from schematic_reader.sources.shards import Shard, Source, map_columns, needed_bytes, read_batches


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
            columns = map_columns(file.schema_arrow, str(path))
            needed = needed_bytes(file.metadata, columns.values())
            origin = path.relative_to(folder).as_posix()
            found.append(Shard(origin, partial(_read, path), file.metadata.num_rows, needed))
    return Source(found, columns, files=len(files), total_bytes=sum(path.stat().st_size for path in files))


def _read(path: Path) -> Iterator[pa.RecordBatch]:
    with _open(path) as file:
        columns = map_columns(file.schema_arrow, str(path))
        try:
            yield from read_batches(file, columns)
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"{path} is damaged ({error}): copy or download it again") from None


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is no readable parquet file ({error}): copy or download it again") from None

"""Rows from a data set on the Hugging Face Hub, at a pinned commit.

Only the needed columns are read, by range requests: today's Open Schematics holds some 50 times as much in
pictures of circuit boards.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from math import ceil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schematic_reader.cli import UserError
from schematic_reader.io.checked import read_checked_json, write_checked_json
from schematic_reader.sources.hub_requests import Hub, RemoteFile, hub_errors
from schematic_reader.sources.shards import PLAN, Shard, Source, map_columns, needed_bytes, read_batches

PARALLEL = 8
"""Files that are read at once; a range request takes its round trip's time, whatever the bandwidth."""

_TAIL = 16 * 1024  # bytes read from a file's end; few footers are longer
_MAGIC = b"PAR1"


@dataclass(frozen=True)
class _ParquetFile:
    """A parquet file of the plan: sizes in bytes of the file, its footer and its needed columns."""

    name: str
    size: int
    footer: int
    rows: int
    needed: int


def open_hub(
    repository: str, revision: str, *, shards: int | None, rows: int | None, resume_folder: Path | None
) -> Source:
    """The ``*.parquet`` of the data set ``repository`` at the 40-hex commit ``revision``, by name.

    The footers of the files that are needed are read now.

    Args:
        shards: the most files that are read, or None for all.
        rows: the most rows that are read, or None for all.
        resume_folder: where an interrupted run left its plan; without one, the plan is written there.

    Raises:
        UserError: the Hub cannot be reached or refuses, the data set or the commit is not there, the
            revision is not a commit hash, or a file is damaged or not in the layout of
            bshada/open-schematics.
    """
    for name in ("httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)  # a line for every range request otherwise
    hub = Hub(repository, revision)
    with hub_errors(hub):
        info = hub.info()
    if not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise UserError(
            f"profiles.*.data.revision is {revision!r}, which may move: write the commit that it points to "
            f"now, {info.sha}, so that everybody reads the same rows"
        )
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    names = sorted(name for name in sizes if name.endswith(".parquet"))
    if not names:
        raise UserError(
            f"the data set {repository} holds no parquet at {revision}: check profiles.*.data.id and revision"
        )
    columns, files = _plan(hub, [(name, sizes[name]) for name in names[:shards]], rows, resume_folder)
    return Source(
        [Shard(file.name, partial(_batches, hub, file), file.rows, file.needed) for file in files],
        columns,
        files=len(names),
        total_bytes=sum(sizes[name] for name in names),
        parallel=PARALLEL,
        commit=info.sha,
        licence=_licence(info.card_data),
    )


def _licence(card: object) -> str | None:
    """The licence in the head of the data set's README."""
    licence = getattr(card, "license", None)
    return ", ".join(map(str, licence)) if isinstance(licence, list) else licence and str(licence)


def _plan(
    hub: Hub, files: list[tuple[str, int]], rows: int | None, resume_folder: Path | None
) -> tuple[dict[str, str], list[_ParquetFile]]:
    """The columns of the first file, and as many files as hold ``rows`` rows."""
    path = resume_folder and resume_folder / PLAN
    if path and (plan := read_checked_json(path)):
        return plan["columns"], [_ParquetFile(**file) for file in plan["files"]]
    with ThreadPoolExecutor(PARALLEL) as pool:
        columns, first = _read_footer(hub, files[0])
        found = [first]
        while len(found) < len(files) and (rows is None or sum(file.rows for file in found) < rows):
            count = len(files)
            if rows is not None:  # extrapolate from the files seen so far
                mean = sum(file.rows for file in found) / len(found)
                count = max(len(found) + 1, ceil(rows / mean)) if mean else len(found) + PARALLEL
            found += [file for _, file in pool.map(partial(_read_footer, hub), files[len(found) : count])]
    if path:
        write_checked_json(path, {"columns": columns, "files": [asdict(file) for file in found]})
    return columns, found


def _read_footer(hub: Hub, file: tuple[str, int]) -> tuple[dict[str, str], _ParquetFile]:
    """Columns and sizes of a file, from its footer."""
    name, size = file
    with hub_errors(hub, name):
        tail = hub.read(name, size, max(0, size - _TAIL), min(size, _TAIL)) if size else b""
        if tail[-4:] != _MAGIC:
            raise pa.ArrowInvalid("it does not end as a parquet file does")
        footer = int.from_bytes(tail[-8:-4], "little") + 8
        if footer > size:
            raise pa.ArrowInvalid("its footer is longer than the file")
        if footer > len(tail):
            tail = hub.read(name, size, size - footer, footer - len(tail)) + tail
        metadata = _metadata(tail[-footer:])
        columns = map_columns(metadata.schema.to_arrow_schema(), f"{hub.repository}/{name}")
        return columns, _ParquetFile(
            name, size, footer, metadata.num_rows, needed_bytes(metadata, columns.values())
        )


def _metadata(footer: bytes) -> pq.FileMetaData:
    return pq.read_metadata(pa.BufferReader(_MAGIC + footer))


def _batches(hub: Hub, file: _ParquetFile) -> Iterator[pa.RecordBatch]:
    """The rows of one file; only the needed columns are downloaded, adjacent ones in one request."""
    with hub_errors(hub, file.name):
        metadata = _metadata(hub.read(file.name, file.size, file.size - file.footer, file.footer))
        columns = map_columns(metadata.schema.to_arrow_schema(), f"{hub.repository}/{file.name}")
        remote = RemoteFile(hub, file.name, file.size)
        with pq.ParquetFile(remote, metadata=metadata, pre_buffer=True) as parquet:
            yield from read_batches(parquet, columns)

"""The interface of a source: shards of rows in the raw schema, whatever its columns are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schematic_reader.cli import UserError
from schematic_reader.io.tables import RAW

BATCH_ROWS = 32
"""Rows a batch, and so a row group of the raw shards: some 10 MB with real pictures and texts."""

PLAN = ".plan.json"
"""The file name of the plan of an unfinished download."""

_NAMES = {
    "image": ("image", "schematic_image"),
    "json": ("json", "schematic_json"),
    "yaml": ("yaml", "schematic_yaml"),
}
"""Raw column: its names in the first and in the current version of the data set."""


@dataclass(frozen=True)
class Shard:
    """A part of a source that is fetched as a unit.

    Attributes:
        origin: the file in the source, as messages and the manifest call it.
        batches: reads the rows in the raw schema, at most ``BATCH_ROWS`` at a time.
        rows: how many there are.
        needed: bytes of the column chunks that are read.
    """

    origin: str
    batches: Callable[[], Iterator[pa.RecordBatch]]
    rows: int
    needed: int = 0


@dataclass(frozen=True)
class Source:
    """A source of raw rows.

    Attributes:
        shards: those that are read, in a fixed order.
        columns: raw column to the source's own name for it.
        files, total_bytes: of the whole source.
        parallel: how many shards may be read at once.
        commit: of the source, if it has revisions.
        licence: of the rows, if the source declares one.
    """

    shards: Sequence[Shard]
    columns: Mapping[str, str]
    files: int
    total_bytes: int = 0
    parallel: int = 1
    commit: str | None = None
    licence: str | None = None


def needed_bytes(metadata: pq.FileMetaData, columns: Iterable[str]) -> int:
    """Bytes of the column chunks of ``columns`` in a parquet file, nested ones included."""
    names = set(columns)
    return sum(
        chunk.total_compressed_size
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
        if (chunk := metadata.row_group(group).column(column)).path_in_schema.split(".")[0] in names
    )


ReadPath = Callable[[str], bytes | None]
"""Reads the picture that a row names by its path; None where it cannot be had."""


def map_columns(schema: pa.Schema, where: str, *, paths: bool = False) -> dict[str, str]:
    """Find the column of each raw column in ``schema`` and check its type.

    Args:
        paths: whether pictures may be named by their paths alone.

    Raises:
        UserError: a column is missing, there twice or of a type that does not fit; names ``where``, column
            and fix.
    """
    columns = {}
    for field in RAW:
        names = _NAMES.get(field.name, (field.name,))
        found = [name for name in names if name in schema.names]
        if not found:
            raise UserError(
                f"{where} has no column {' or '.join(names)}, only {', '.join(schema.names)}: it must have "
                "the columns of bshada/open-schematics"
            )
        if schema.names.count(found[0]) > 1:
            raise UserError(f"{where} has several columns {found[0]}: keep one of them")
        columns[field.name] = found[0]
        kind = schema.field(found[0]).type
        fits, expected = _EXPECTED.get(field.name, (_is_text, "string"))
        by_path = paths and field.name == "image" and _is_path(kind)
        if not (fits(kind) or by_path or pa.types.is_null(kind)):
            raise UserError(f"{where}: column {found[0]} is {kind}: convert it to {expected}")
    return columns


def read_batches(
    file: pq.ParquetFile, columns: Mapping[str, str], read_path: ReadPath | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of an open parquet file in the raw schema, reading no other column.

    A row group is read at a time, in batches of at most ``BATCH_ROWS``.

    Args:
        read_path: reads the pictures whose bytes are null and that have a path.
    """
    for group in range(file.num_row_groups):
        for batch in file.iter_batches(
            batch_size=BATCH_ROWS, row_groups=[group], columns=list(columns.values())
        ):
            yield pa.RecordBatch.from_arrays(
                [_to_raw(batch.column(columns[field.name]), field, read_path) for field in RAW], schema=RAW
            )


def _to_raw(array: Any, field: pa.Field, read_path: ReadPath | None) -> Any:
    """The array in the type of the raw ``field``."""
    if field.name != "image" or pa.types.is_null(array.type):
        return array.cast(field.type)
    data, path = pa.nulls(len(array), pa.binary()), pa.nulls(len(array), pa.string())
    if pa.types.is_struct(array.type):
        if array.type.get_field_index("bytes") >= 0:
            data = pc.struct_field(array, "bytes").cast(pa.binary())
        if array.type.get_field_index("path") >= 0:
            path = pc.struct_field(array, "path").cast(pa.string())
    elif _is_text(array.type):
        path = array.cast(pa.string())
    else:
        data = array.cast(pa.binary())
    if read_path is not None and data.null_count and path.null_count < len(path):
        pairs = zip(data.to_pylist(), path.to_pylist(), strict=True)
        data = pa.array(
            [read_path(name) if found is None and name else found for found, name in pairs], pa.binary()
        )
    return pa.StructArray.from_arrays([data, path], fields=list(field.type), mask=array.is_null())


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_text_list(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(fits(kind) for fits in lists) and (
        _is_text(kind.value_type) or pa.types.is_null(kind.value_type)
    )


def _is_picture(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return (
            index >= 0
            and _is_picture(kind.field(index).type)
            and not pa.types.is_struct(kind.field(index).type)
        )
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    fitting = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_null)
    return any(fits(kind) for fits in fitting)


def _is_path(kind: pa.DataType) -> bool:
    """Whether a column names pictures by their paths, as texts or in a struct without bytes."""
    if pa.types.is_struct(kind):
        index = kind.get_field_index("path")
        return kind.get_field_index("bytes") < 0 <= index and _is_text(kind.field(index).type)
    return _is_text(kind)


_EXPECTED: dict[str, tuple[Callable[[pa.DataType], bool], str]] = {
    "image": (_is_picture, "binary or struct<bytes: binary, path: string>"),
    "components_used": (_is_text_list, "list<string>"),
}

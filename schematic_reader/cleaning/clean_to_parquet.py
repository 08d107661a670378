"""The usable rows of raw shards, written to the parts of their splits."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from schematic_reader.cleaning.clean_metrics import summarize
from schematic_reader.cleaning.examine import REASONS, Found, Limits, examine_group
from schematic_reader.cleaning.groups import Place, assign_splits, count_tied
from schematic_reader.cleaning.twins import drop_synthetic_twins, mark_duplicates, marks
from schematic_reader.cli import UserError
from schematic_reader.config import Clean
from schematic_reader.io.files import replacing_folder
from schematic_reader.io.parallel import ordered_map
from schematic_reader.io.raw import raw_shards
from schematic_reader.io.tables import CLEAN, SPLITS, PartWriter, RowGroup, row_groups


def clean_to_parquet(raw: Path, folder: Path, params: Clean, *, workers: int) -> dict[str, Any]:
    """Clean the rows of ``raw`` into ``folder`` and return what ``metrics/clean.json`` says.

    Two passes over the raw shards, a row group at a time: one examines the rows, in ``workers`` processes,
    one writes what is kept. Between them only digests, names and components are in memory.

    Raises:
        UserError: ``raw`` is incomplete, no row is usable or a split gets none; ``folder`` is as it was.
    """
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own has twice the pages cleared, and keeps them
    groups = row_groups(raw_shards(raw))
    limits = Limits(params.max_pixels, params.max_text_chars, params.mismatch)
    results = ordered_map(partial(examine_group, limits=limits), groups, workers=workers)
    sizes, rows = [], []
    for found in tqdm(results, total=len(groups), desc="examine", unit="group"):
        sizes.append(len(found))
        rows += found
    rows = list(mark_duplicates(drop_synthetic_twins(rows)))
    sound = sorted((row for row in rows if row.reason in ("", "duplicate")), key=lambda row: row.synthetic)
    linked = list(zip((row.repository for row in sound), marks(sound), strict=True))
    first = sum(not row.synthetic for row in sound)
    linked, drawn = linked[:first], linked[first:]
    if not linked:
        source = [row for row in rows if not row.synthetic]
        reasons = Counter(row.reason for row in source)
        counts = ", ".join(f"{reason} {reasons[reason]}" for reason in REASONS if reasons[reason])
        raise UserError(
            f"none of {len(source)} rows is usable ({counts or 'no rows'}): check profiles.*.data"
        )
    places = assign_splits(linked, validation=params.validation, test=params.test, training=drawn)
    with replacing_folder(folder) as part:
        write_splits(part, list(zip(groups, batched(rows, sizes), strict=True)), places, params.rows_per_part)
    return summarize(rows, places, count_tied(linked, places))


def batched(rows: Iterable[Found], sizes: Iterable[int]) -> Iterator[list[Found]]:
    """Cut ``rows`` into lists of the given sizes."""
    remaining = iter(rows)
    return (list(islice(remaining, size)) for size in sizes)


def write_splits(
    folder: Path,
    groups: Sequence[tuple[RowGroup, Sequence[Found]]],
    places: Mapping[str, Place],
    rows_per_part: int,
) -> None:
    """Write the usable rows of each row group to the parts of their splits.

    A thread reads the next row group and one for each split takes its rows and writes them. Parquet is
    compressed outside of Python's lock, so that they run side by side.
    """
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(PartWriter(folder / split, CLEAN, rows_per_part)) for split in SPLITS
        }
        reading, *writing = (stack.enter_context(ThreadPoolExecutor(1)) for _ in (0, *SPLITS))
        chosen = [(place, [row for row in found if not row.reason], found) for place, found in groups]
        tasks = [(place, kept, found) for place, kept, found in chosen if kept]
        tables = read_ahead(reading, [(place, found) for place, _, found in tasks])
        written: list[Future[None]] = []
        for (_, kept, _), table in tqdm(zip(tasks, tables, strict=True), "write", len(tasks), unit="group"):
            splits = [places[row.repository].split for row in kept]
            for done in written:
                done.result()
            written = [
                thread.submit(write_part, writer, table, [other == split for other in splits])
                for thread, (split, writer) in zip(writing, writers.items(), strict=True)
            ]
        for done in written:
            done.result()


def write_part(writer: PartWriter, table: pa.Table, chosen: Sequence[bool]) -> None:
    """Write the chosen rows of ``table``."""
    writer.write(table.filter(chosen))


def read_ahead(thread: Executor, groups: Iterable[tuple[RowGroup, Sequence[Found]]]) -> Iterator[pa.Table]:
    """The clean rows of each row group, the next of which is read in ``thread`` meanwhile."""
    waiting: deque[Future[pa.Table]] = deque()
    for place, found in groups:
        waiting.append(thread.submit(read_kept, place, found))
        if len(waiting) == 2:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def read_kept(place: RowGroup, found: Sequence[Found]) -> pa.Table:
    """The clean rows of one raw row group."""
    path, group = place
    kept = [index for index, row in enumerate(found) if not row.reason]
    with pq.ParquetFile(path) as file:
        return clean_table(file.read_row_group(group).take(kept), [found[index] for index in kept])


def clean_table(raw: pa.Table, found: Sequence[Found]) -> pa.Table:
    """The clean rows of the raw rows that ``found`` tells of."""
    columns: dict[str, Any] = {name: raw.column(name) for name in CLEAN.names if name in raw.column_names}
    columns["image"] = pc.struct_field(raw.column("image"), "bytes")
    for name in ("id", "width", "height", "components"):
        columns[name] = pa.array([getattr(row, name) for row in found], CLEAN.field(name).type)
    return pa.table([columns[name] for name in CLEAN.names], schema=CLEAN)

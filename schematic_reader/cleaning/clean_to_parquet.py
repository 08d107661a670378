"""Write the usable rows of the raw shards to the parts of their splits."""

from __future__ import annotations

import logging
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

from schematic_reader.cleaning.clean_examples import cleaning_examples
from schematic_reader.cleaning.clean_metrics import summarize
from schematic_reader.cleaning.duplicates import (
    content_keys,
    drop_synthetic_twins,
    drop_test_groups,
    mark_duplicates,
)
from schematic_reader.cleaning.row_facts import (
    REASONS,
    TEXTS,
    RowFacts,
    RowLimits,
    clean_text,
    inspect_row_group,
)
from schematic_reader.cleaning.split_groups import SplitPlace, assign_splits, count_tied
from schematic_reader.cli import UserError
from schematic_reader.config import Clean
from schematic_reader.io.files import atomic_folder, write_json
from schematic_reader.io.manifest import changed_source, raw_shards
from schematic_reader.io.parallel import ordered_map
from schematic_reader.io.sheet_texts import MAX_TEXT_CHARS
from schematic_reader.io.tables import CLEAN, RAW, SPLITS, PartWriter, RowGroup, readable, row_groups

log = logging.getLogger(__name__)


def clean_to_parquet(
    raw: Path, folder: Path, params: Clean, *, workers: int, examples: Path | None = None
) -> dict[str, Any]:
    """Clean the rows of ``raw`` into ``folder`` and return what ``metrics/clean.json`` says.

    Args:
        examples: the file for what ``cleaning_examples`` tells, ``data/cleaning.json``; None for none.

    Two passes over the raw shards, a row group at a time: the first inspects the rows, in ``workers``
    processes, the second writes the usable ones. Between them only ``RowFacts`` are in memory.

    Raises:
        UserError: ``raw`` is incomplete, no row is usable, a split gets none, or all rows are connected with
            the fixed test set; ``folder`` is as it was.
    """
    if params.max_text_chars > MAX_TEXT_CHARS:
        raise UserError(
            f"params.yaml: clean.max_text_chars is {params.max_text_chars}: texts over {MAX_TEXT_CHARS} "
            "characters are not parsed, so it must be at most that"
        )
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own has twice the pages cleared, and keeps them
    groups = row_groups(raw_shards(raw), "fetch")
    if changed := changed_source(raw):
        log.warning("%s", changed)
    limits = RowLimits(params.max_pixels, params.max_text_chars, params.mismatch)
    results = ordered_map(partial(inspect_row_group, limits=limits), groups, workers=workers)
    sizes, rows = [], []
    for facts in tqdm(results, total=len(groups), desc="inspect", unit="group"):
        sizes.append(len(facts))
        rows += facts
    if several := sum(row.frames > 1 for row in rows):
        log.warning("%d pictures have several frames or pages: the first of each is used", several)
    rows = mark_duplicates(drop_synthetic_twins(rows))
    usable = sorted((row for row in rows if row.reason in ("", "duplicate")), key=lambda row: row.synthetic)
    keyed = list(zip((row.repository for row in usable), content_keys(usable), strict=True))
    first = sum(not row.synthetic for row in usable)
    keyed, synthetic = keyed[:first], keyed[first:]
    source = [row for row in rows if not (row.synthetic or row.fixed_test)]
    dropped = count_reasons(source)
    if all(row.synthetic or row.fixed_test for row in usable):
        raise UserError(
            f"none of {len(source)} rows is usable ({dropped or 'no rows'}): check profiles.*.data"
        )
    fixed_test = usable_test_set(rows)
    try:
        places = assign_splits(
            keyed,
            validation=params.validation,
            test=params.test,
            training=synthetic,
            kept={row.repository for row in usable if not row.reason},
            fixed_test=fixed_test,
        )
    except UserError as error:
        raise UserError(f"{error}; before, of {len(source)} rows were dropped: {dropped or 'none'}") from None
    if fixed_test:
        held_out = {name for name, place in places.items() if place.split == "test"}
        rows, usable = (drop_test_groups(some, held_out) for some in (rows, usable))
    grouped = list(zip(groups, batched(rows, sizes), strict=True))
    with atomic_folder(folder) as part:
        write_splits(part, grouped, places, params.rows_per_part)
    if examples:
        write_json(examples, cleaning_examples(grouped, usable[:first], keyed, places))
    return summarize(rows, places, count_tied(keyed, places))


def usable_test_set(rows: Sequence[RowFacts]) -> set[str]:
    """The repositories of the usable rows of the fixed test set, duplicates included; empty without one.

    Tells in a line how many of its rows are dropped, since results on other rows do not compare.

    Raises:
        UserError: there is a fixed test set and none of its rows is usable.
    """
    fixed = [row for row in rows if row.fixed_test]
    dropped = [row for row in fixed if row.reason]
    if fixed and len(dropped) == len(fixed):
        raise UserError(
            f"none of the {len(fixed)} rows of the test set is usable ({count_reasons(fixed)}): check "
            "profiles.*.data.test_path"
        )
    if dropped:
        log.warning(
            "%d of the %d rows of the test set are dropped: %s",
            len(dropped),
            len(fixed),
            count_reasons(fixed),
        )
    return {row.repository for row in fixed if row.reason in ("", "duplicate")}


def count_reasons(rows: Iterable[RowFacts]) -> str:
    """How many rows are dropped for each reason, in a line; empty where none is."""
    reasons = Counter(row.reason for row in rows)
    return ", ".join(f"{reason} {reasons[reason]}" for reason in REASONS if reasons[reason])


def batched(rows: Iterable[RowFacts], sizes: Iterable[int]) -> Iterator[list[RowFacts]]:
    """Cut ``rows`` into lists of the given sizes."""
    remaining = iter(rows)
    return (list(islice(remaining, size)) for size in sizes)


def write_splits(
    folder: Path,
    groups: Sequence[tuple[RowGroup, Sequence[RowFacts]]],
    places: Mapping[str, SplitPlace],
    rows_per_part: int,
) -> None:
    """Write the usable rows of each row group to the parts of their splits.

    One thread reads the next row group and one for each split writes its rows. pyarrow releases the GIL while
    it compresses, so they run in parallel.
    """
    with ExitStack() as stack:
        writers = {
            split: stack.enter_context(PartWriter(folder / split, CLEAN, rows_per_part)) for split in SPLITS
        }
        reading, *writing = (stack.enter_context(ThreadPoolExecutor(1)) for _ in (0, *SPLITS))
        usable = [(group, [row for row in facts if not row.reason], facts) for group, facts in groups]
        usable = [(group, rows, facts) for group, rows, facts in usable if rows]
        tables = read_ahead(reading, [(group, facts) for group, _, facts in usable])
        written: list[Future[None]] = []
        for (_, rows, _), table in tqdm(zip(usable, tables, strict=True), "write", len(usable), unit="group"):
            splits = [places[row.repository].split for row in rows]
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


def read_ahead(thread: Executor, groups: Iterable[tuple[RowGroup, Sequence[RowFacts]]]) -> Iterator[pa.Table]:
    """The clean rows of each row group; the next one is read in ``thread`` meanwhile."""
    waiting: deque[Future[pa.Table]] = deque()
    for group, facts in groups:
        waiting.append(thread.submit(read_usable, group, facts))
        if len(waiting) == 2:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def read_usable(row_group: RowGroup, facts: Sequence[RowFacts]) -> pa.Table:
    """The clean rows of one raw row group."""
    path, group = row_group
    usable = [index for index, row in enumerate(facts) if not row.reason]
    with readable(path, "fetch"), pq.ParquetFile(path) as file:
        raw = file.read_row_group(group).select(RAW.names).take(usable)
    return clean_table(raw, [facts[index] for index in usable])


def clean_table(raw: pa.Table, facts: Sequence[RowFacts]) -> pa.Table:
    """The clean rows of raw rows and their facts."""
    columns: dict[str, Any] = {name: raw.column(name) for name in CLEAN.names if name in raw.column_names}
    if any(row.text_edited for row in facts):
        for name in TEXTS:
            values = [text and clean_text(text, name) for text in columns[name].to_pylist()]
            columns[name] = pa.array(values, CLEAN.field(name).type)
    columns["image"] = pc.struct_field(raw.column("image"), "bytes")
    for name in ("id", "width", "height", "components"):
        columns[name] = pa.array([getattr(row, name) for row in facts], CLEAN.field(name).type)
    return pa.table([columns[name] for name in CLEAN.names], schema=CLEAN)

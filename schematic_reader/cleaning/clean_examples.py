"""What cleaning did, by examples: some dropped rows of each reason and near-duplicates that were tied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schematic_reader.cleaning.row_facts import RowFacts
from schematic_reader.cleaning.split_groups import ContentKey, SplitPlace
from schematic_reader.io.tables import RowGroup, readable

EXAMPLES = 3
"""Dropped rows that are named for each reason."""

PAIRS = 6
"""Pairs of near-duplicates that are named."""

_MAX_NAME = 200  # characters of a row's name
_NEAR = ("signature", "perceptual_hash")  # kinds of content keys that rows with other contents may share


def cleaning_examples(
    groups: Sequence[tuple[RowGroup, Sequence[RowFacts]]],
    usable: Sequence[RowFacts],
    keys: Sequence[tuple[str, Sequence[ContentKey]]],
    places: Mapping[str, SplitPlace],
) -> dict[str, Any]:
    """The content of ``data/cleaning.json``, which the page about the data shows.

    Args:
        groups: the raw row groups with the facts of their rows.
        usable: rows of the source that are kept or duplicates; ``keys`` are their repositories and content
            keys, in the same order.
    """
    dropped = Counter(row.reason for _, rows in groups for row in rows if row.reason)
    examples: dict[str, list[dict[str, Any]]] = {reason: [] for reason in sorted(dropped)}
    starts: Counter[str] = Counter()  # the number of a group's first row in its shard
    for group, rows in groups:
        shard = group[0].name
        chosen = [
            (index, row.reason)
            for index, row in enumerate(rows)
            if row.reason and len(examples[row.reason]) < EXAMPLES
        ]
        names = _names(group) if chosen else []
        for index, reason in chosen:
            if len(examples[reason]) < EXAMPLES:
                examples[reason].append({"shard": shard, "row": starts[shard] + index, "name": names[index]})
        starts[shard] += len(rows)
    return {
        "rows_read": sum(starts.values()),
        "rows_kept": sum(starts.values()) - dropped.total(),
        "dropped": {
            reason: {"rows": dropped[reason], "examples": found} for reason, found in examples.items()
        },
        "near_duplicates": near_duplicates(usable, keys, places),
    }


def near_duplicates(
    rows: Sequence[RowFacts],
    keys: Sequence[tuple[str, Sequence[ContentKey]]],
    places: Mapping[str, SplitPlace],
) -> list[dict[str, Any]]:
    """The first ``PAIRS`` pairs of kept rows of different repositories that their content put into one group.

    Each has the ids of both rows, what ties them (``signature``, the same structure, or ``perceptual_hash``,
    ink in the same places) and their split. A repository is in one pair at most.
    """
    first: dict[ContentKey, int] = {}
    shown: set[str] = set()
    pairs: list[dict[str, Any]] = []
    for index, (repository, contents) in enumerate(keys):
        if rows[index].reason:
            continue
        for key in contents:
            other = first.setdefault(key, index)
            both = {repository, rows[other].repository}
            if key[0] in _NEAR and len(both) == 2 and shown.isdisjoint(both) and len(pairs) < PAIRS:
                shown |= both
                pairs.append(
                    {
                        "ids": [rows[other].id, rows[index].id],
                        "tied_by": key[0],
                        "split": places[repository].split,
                    }
                )
    return pairs


def _names(row_group: RowGroup) -> list[str]:
    """The names of a raw row group's rows, which may be null, long or not UTF-8."""
    path, group = row_group
    with readable(path, "fetch"), pq.ParquetFile(path) as file:
        column = file.read_row_group(group, columns=["name"], use_threads=False).column("name")
    names = column.cast(pa.binary()).to_pylist()
    return [(name or b"").decode("utf-8", "replace")[:_MAX_NAME] for name in names]

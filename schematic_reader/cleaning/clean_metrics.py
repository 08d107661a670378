"""The content of ``metrics/clean.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from schematic_reader.cleaning.row_facts import IN_TEST_SET, REASONS, RowFacts
from schematic_reader.cleaning.split_groups import SplitPlace
from schematic_reader.io.tables import SPLITS


def summarize(
    rows: Sequence[RowFacts], places: Mapping[str, SplitPlace], tied: Mapping[str, int]
) -> dict[str, Any]:
    """Counts of rows, of reasons, and of groups and distinct component names in each split.

    ``known_owners`` are rows of validation and test whose repository's owner has others in training, which
    may have the same library symbols. ``missing`` is the tutorial's report on ``components_used``;
    ``names.test_unseen`` are the names of the test split that no training row has; ``groups.largest`` counts
    rows; ``synthetic`` are kept rows that were drawn for training; ``tied``: see ``count_tied``, of the
    source's rows alone; ``mismatch`` are rows, dropped ones included, whose list is not that of their text.
    ``dropped.in_test_set`` is there only where a fixed test set is.
    """
    kept = [(row, places[row.repository]) for row in rows if not row.reason]
    missing = [row for row in rows if row.listed != "given"]
    reasons = Counter(row.reason for row in rows)
    counted = (*REASONS, IN_TEST_SET) if any(row.fixed_test for row in rows) else REASONS
    sizes = Counter(place.split for _, place in kept)
    groups = {split: {place.group for _, place in kept if place.split == split} for split in SPLITS}
    names: dict[str, set[str]] = {split: set() for split in SPLITS}
    for row, place in kept:
        names[place.split].update(row.components)
    trained = {_owner(row) for row, place in kept if place.split == "train"}
    known = Counter(place.split for row, place in kept if _owner(row) in trained)
    return {
        "rows_read": len(rows),
        "rows_kept": len(kept),
        "synthetic": sum(row.synthetic for row, _ in kept),
        "dropped": {reason: reasons[reason] for reason in counted},
        "repaired": {"components": sum(row.repaired for row, _ in kept)},
        "mismatch": sum(row.mismatched for row in rows),
        "missing": {
            "null": sum(row.listed == "null" for row in missing),
            "empty": sum(row.listed == "empty" for row in missing),
            "any": len(missing),
            "with_schematic": sum(row.has_schematic for row in missing),
        },
        "splits": {split: sizes[split] for split in SPLITS},
        "groups": {
            **{split: len(groups[split]) for split in SPLITS},
            "largest": max(Counter(place.group for _, place in kept).values()),
        },
        "known_owners": {split: known[split] for split in SPLITS if split != "train"},
        "tied": dict(tied),
        "names": {
            "distinct": len(set().union(*names.values())),
            **{split: len(names[split]) for split in SPLITS},
            "test_unseen": len(names["test"] - names["train"]),
        },
    }


def _owner(row: RowFacts) -> str:
    """What stands before the slash of the repository's name, all of it where there is none."""
    return row.repository.partition("/")[0]

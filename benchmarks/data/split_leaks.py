"""``python -m benchmarks.data.split_leaks``: what the tutorial's split would let leak into the test.

It shuffles the rows and takes some. Of the test rows so drawn from ../shared/open-schematics-mini (a fifth,
over 20 seeds): the share with a sibling in training (a row of the same repository), with an exact twin (text
or pixels), with a near twin (structure or perceptual hash, or exact), and with any of these. Then the same of
this project's split, found by the same comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from benchmarks.common.results import SHARED, record
from schematic_reader.cleaning.clean_to_parquet import clean_to_parquet
from schematic_reader.cleaning.duplicates import content_keys
from schematic_reader.cleaning.row_facts import RowFacts, RowLimits, inspect_row_group
from schematic_reader.cleaning.split_groups import ContentKey
from schematic_reader.cli import parse_no_arguments
from schematic_reader.config import Data, load_params
from schematic_reader.io.manifest import raw_shards
from schematic_reader.io.parallel import cores
from schematic_reader.io.tables import SPLITS, clean_parts, row_groups
from schematic_reader.sources.fetch import fetch

SEEDS = 20
TEST_SHARE = 0.2
EXACT = ("text", "pixels")

KeyedRow = tuple[str, Sequence[ContentKey]]


def main() -> None:
    """Compare both ways of splitting on the mini set."""
    parse_no_arguments(__doc__)
    folder = SHARED / "open-schematics-mini"
    if not folder.is_dir():
        raise SystemExit("needs ../shared/open-schematics-mini beside the checkout")
    params = load_params().clean
    with TemporaryDirectory() as temporary:
        raw, clean = Path(temporary) / "raw", Path(temporary) / "clean"
        fetch(Data("local", str(folder), None, None, None, None, None, None), 42, raw)
        limits = RowLimits(params.max_pixels, params.max_text_chars, params.mismatch)
        found = [
            row for group in row_groups(raw_shards(raw), "fetch") for row in inspect_row_group(group, limits)
        ]
        clean_to_parquet(raw, clean, params, workers=cores())
        ids = {split: _ids(clean, split) for split in SPLITS}
    usable = [row for row in found if not row.reason]
    links = [(row.repository, tied) for row, tied in zip(usable, content_keys(usable), strict=True)]

    totals: dict[str, float] = {}
    count = round(len(links) * TEST_SHARE)
    for seed in range(SEEDS):
        drawn = Random(seed).sample(range(len(links)), len(links))
        test, train = [links[i] for i in drawn[:count]], [links[i] for i in drawn[count:]]
        for kind, share in shares(test, train).items():
            totals[kind] = totals.get(kind, 0.0) + share / SEEDS
    rounded = {kind: round(share, 4) for kind, share in totals.items()}
    record("split_leaks", "tutorial: shuffle rows, take some", rows=len(links), test_rows=count, **rounded)

    sides = {split: _linked(usable, links, ids[split]) for split in SPLITS}
    ours = shares(sides["test"], sides["train"] + sides["validation"])
    record(
        "split_leaks",
        "clean_to_parquet",
        rows=sum(map(len, sides.values())),
        test_rows=len(sides["test"]),
        **ours,
    )


def shares(test: Sequence[KeyedRow], train: Sequence[KeyedRow]) -> dict[str, float]:
    """Shares of the test rows that have something in common with a training row."""
    repositories = {repository for repository, _ in train}
    seen = {key for _, tied in train for key in tied}
    siblings = [repository in repositories for repository, _ in test]
    exact = [any(key in seen for key in tied if key[0] in EXACT) for _, tied in test]
    near = [any(key in seen for key in tied) for _, tied in test]
    either = [one or other for one, other in zip(siblings, near, strict=True)]
    named = {"sibling": siblings, "exact_twin": exact, "near_twin": near, "any": either}
    return {name: sum(flags) / len(flags) for name, flags in named.items()}


def _ids(clean: Path, split: str) -> set[str]:
    parts = (pq.read_table(part, columns=["id"]) for part in clean_parts(clean, split))
    return {row for part in parts for row in part.column("id").to_pylist()}


def _linked(usable: Sequence[RowFacts], links: Sequence[KeyedRow], ids: set[str]) -> list[KeyedRow]:
    """The rows of a split; of exact twins the one that was kept."""
    first = {row.id: link for row, link in reversed(list(zip(usable, links, strict=True)))}
    return [link for identity, link in first.items() if identity in ids]


if __name__ == "__main__":
    main()

"""Splits by connected groups of rows, so that no test row shares content with a training row.

Rows are connected when they share a repository or a content key (text, pixels, structure, perceptual hash). A
group is named by its alphabetically first repository, and the hash of that name alone chooses its split: rows
of another repository that are added later never move it. With a fixed test set, the groups with a row of it
are the test split, and groups that would be test otherwise are trained on.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from schematic_reader.cli import UserError
from schematic_reader.io.tables import SPLITS
from schematic_reader.union_find import UnionFind

ContentKey = tuple[str, bytes]
"""A kind, such as ``text`` or ``pixels``, and the digest of that content of a row."""

RowKeys = tuple[str, Sequence[Hashable]]
"""The keys that connect a row to others: its repository and its content keys."""


@dataclass(frozen=True, slots=True)
class SplitPlace:
    """The group and the split that the rows of a repository belong to."""

    group: str
    split: str


def assign_splits(
    rows: Sequence[RowKeys],
    *,
    validation: float,
    test: float,
    training: Sequence[RowKeys] = (),
    kept: Collection[str] | None = None,
    fixed_test: Collection[str] = (),
) -> dict[str, SplitPlace]:
    """Map each repository to its group and its split.

    Args:
        validation, test: shares of the groups.
        training: rows that go into training whatever the hash of their group; they must share nothing with
            ``rows``, whose splits do not depend on them.
        kept: the repositories that have a row which is no duplicate; None for all.
        fixed_test: repositories of the fixed test set; empty where there is none. Then ``test`` is the share
            of groups that come to those of training.

    Raises:
        UserError: a split gets no row.
        RuntimeError: rows in different splits share something, which is a bug of ours.
    """
    groups = group_rows(rows)
    held_out = {groups[repository] for repository in fixed_test}
    if held_out and held_out == set(groups.values()):
        raise UserError(
            "every row of the source is connected with the test set, by its repository or as a "
            "near-duplicate, and nothing is left to train on: check profiles.*.data.test_path"
        )
    places = {}
    for repository, group in groups.items():
        split = choose_split(group, validation=validation, test=test)
        if held_out:
            split = "test" if group in held_out else "train" if split == "test" else split
        places[repository] = SplitPlace(group, split)
    trained = {repository: SplitPlace(group, "train") for repository, group in group_rows(training).items()}
    placed = [(places[repository].split, (repository, keys)) for repository, keys in rows]
    check_leaks([*placed, *(("train", links) for links in training)])
    places = {**trained, **places}
    filled = {place.split for name, place in places.items() if kept is None or name in kept}
    for split in SPLITS:
        if split not in filled:
            raise UserError(
                f"the {split} split is empty: {len(set(groups.values()) - held_out)} groups of repositories "
                f"at clean.validation {validation} and clean.test {test}; change these shares or fetch more "
                "repositories"
            )
    return places


def group_rows(rows: Iterable[RowKeys]) -> dict[str, str]:
    """Map each repository to the alphabetically first repository of its group."""
    groups: UnionFind[str] = UnionFind()
    owner: dict[Hashable, str] = {}
    for repository, keys in rows:
        groups.find(repository)
        for key in keys:
            groups.union(repository, owner.setdefault(key, repository))
    return groups.sets()


def choose_split(group: str, *, validation: float, test: float) -> str:
    """The split of a group, from its name and the shares alone.

    The name's SHA-256, as a number in [0, 1), is compared with the cumulative shares, test first.
    """
    position = int.from_bytes(hashlib.sha256(group.encode("utf-8")).digest()[:8], "big") / 2**64
    if position < test:
        return "test"
    return "validation" if position < test + validation else "train"


def check_leaks(rows: Iterable[tuple[str, RowKeys]]) -> None:
    """Check that rows in different splits share nothing, independently of ``group_rows``.

    Args:
        rows: the split of each row, and its keys.

    Raises:
        RuntimeError: a repository or a key lies in two splits, which is a bug of ours.
    """
    seen: dict[Hashable, str] = {}
    for split, (repository, keys) in rows:
        for key in (repository, *keys):
            other = seen.setdefault(key, split)
            if other != split:
                raise RuntimeError(f"{key!r} of {repository} lies in both {other} and {split}")


def count_tied(
    rows: Sequence[tuple[str, Sequence[ContentKey]]], places: Mapping[str, SplitPlace]
) -> dict[str, int]:
    """The number of groups connected by ``repository`` and by each kind of content key.

    A group counts under ``repository`` if one of its repositories has several rows, and under a kind of key
    if two of its repositories share a key of that kind.
    """
    sizes = Counter(repository for repository, _ in rows)
    tied = {"repository": {places[name].group for name, size in sizes.items() if size > 1}}
    owner: dict[ContentKey, str] = {}
    for repository, keys in rows:
        for key in keys:
            groups = tied.setdefault(key[0], set())
            if owner.setdefault(key, repository) != repository:
                groups.add(places[repository].group)
    return {kind: len(groups) for kind, groups in tied.items()}

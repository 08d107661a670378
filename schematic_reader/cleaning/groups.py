"""Splits by connected groups of rows, so that nothing that is tested on was seen in training.

Rows belong together when they share a repository or a mark: what their texts, pictures or structures have
in common. A group goes by its alphabetically first repository, whose hash alone decides on the split: rows
of another repository that are added later never move it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from schematic_reader.cli import UserError
from schematic_reader.io.tables import SPLITS
from schematic_reader.union_find import UnionFind

Mark = tuple[str, bytes]
"""A kind, such as ``text`` or ``pixels``, and a digest of what rows share."""

Links = tuple[str, Sequence[Hashable]]
"""What ties a row to others: its repository, and its marks."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows of a repository go."""

    group: str
    split: str


def assign_splits(
    rows: Sequence[Links], *, validation: float, test: float, training: Sequence[Links] = ()
) -> dict[str, Place]:
    """Map each repository to its group and its split.

    Args:
        validation, test: shares of the groups.
        training: rows that go into training whatever their group's hash; they must share nothing with
            ``rows``, whose places do not depend on them.

    Raises:
        UserError: a split gets no row.
        RuntimeError: rows in different splits share something, which is a bug of ours.
    """
    groups = group_rows(rows)
    places = {
        repository: Place(group, choose_split(group, validation=validation, test=test))
        for repository, group in groups.items()
    }
    trained = {repository: Place(group, "train") for repository, group in group_rows(training).items()}
    placed = [(places[repository].split, (repository, marks)) for repository, marks in rows]
    check_leaks([*placed, *(("train", links) for links in training)])
    places = {**trained, **places}
    filled = {place.split for place in places.values()}
    for split in SPLITS:
        if split not in filled:
            raise UserError(
                f"the {split} split is empty: {len(set(groups.values()))} groups of repositories at "
                f"clean.validation {validation} and clean.test {test}; change these shares or fetch more "
                "repositories"
            )
    return places


def group_rows(rows: Iterable[Links]) -> dict[str, str]:
    """Map each repository to the alphabetically first repository of its group."""
    groups: UnionFind[str] = UnionFind()
    owner: dict[Hashable, str] = {}
    for repository, marks in rows:
        groups.find(repository)
        for mark in marks:
            groups.union(repository, owner.setdefault(mark, repository))
    return groups.sets()


def choose_split(group: str, *, validation: float, test: float) -> str:
    """The split of a group, from its name and the shares alone.

    The name's SHA-256 as a number in [0, 1) is held against the cumulative shares, test first.
    """
    place = int.from_bytes(hashlib.sha256(group.encode("utf-8")).digest()[:8], "big") / 2**64
    if place < test:
        return "test"
    return "validation" if place < test + validation else "train"


def check_leaks(rows: Iterable[tuple[str, Links]]) -> None:
    """Make sure that rows in different splits share nothing; an independent check of ``group_rows``.

    Args:
        rows: the split of each row and what ties it to others.

    Raises:
        RuntimeError: a repository or a mark lies in two splits, which is a bug of ours.
    """
    seen: dict[Hashable, str] = {}
    for split, (repository, marks) in rows:
        for mark in (repository, *marks):
            other = seen.setdefault(mark, split)
            if other != split:
                raise RuntimeError(f"{mark!r} of {repository} lies in both {other} and {split}")


def count_tied(rows: Sequence[tuple[str, Sequence[Mark]]], places: Mapping[str, Place]) -> dict[str, int]:
    """How many groups are tied by what: ``repository``, then each kind of mark.

    A group counts under ``repository`` if one of its repositories has several rows, and under a kind of mark
    if two of its repositories share such a one.
    """
    sizes = Counter(repository for repository, _ in rows)
    tied = {"repository": {places[name].group for name, size in sizes.items() if size > 1}}
    owner: dict[Mark, str] = {}
    for repository, marks in rows:
        for mark in marks:
            groups = tied.setdefault(mark[0], set())
            if owner.setdefault(mark, repository) != repository:
                groups.add(places[repository].group)
    return {kind: len(groups) for kind, groups in tied.items()}

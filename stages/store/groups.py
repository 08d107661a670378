"""Splits by connected groups of rows, so that nothing that is tested on was seen in training.

Rows belong together when they share a repository, an identical schematic text or an identical picture. A
group goes by its alphabetically first repository, whose hash alone decides on the split: rows of another
repository that are added later never move it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from stages.store.errors import UserError
from stages.store.tables import SPLITS

Links = tuple[str, Sequence[bytes]]
"""What ties a row to others: its repository, and digests of its schematic text and its picture."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows of a repository go."""

    group: str
    split: str


def assign_splits(rows: Sequence[Links], *, validation: float, test: float) -> dict[str, Place]:
    """Map each repository to its group and its split.

    Raises:
        UserError: a split gets no row.
        RuntimeError: rows in different splits share something, which is a bug of ours.
    """
    groups = group_rows(rows)
    places = {
        repository: Place(group, choose_split(group, validation=validation, test=test))
        for repository, group in groups.items()
    }
    check_leaks((places[repository].split, (repository, digests)) for repository, digests in rows)
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
    """Map each repository to the alphabetically first repository of its group (union-find)."""
    parent: dict[str, str] = {}
    owner: dict[bytes, str] = {}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for repository, digests in rows:
        parent.setdefault(repository, repository)
        for digest in digests:
            first, second = sorted((root(repository), root(owner.setdefault(digest, repository))))
            parent[second] = first
    return {repository: root(repository) for repository in parent}


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
        RuntimeError: a repository, text or picture lies in two splits, which is a bug of ours.
    """
    seen: dict[Hashable, str] = {}
    for split, (repository, digests) in rows:
        for mark in (repository, *digests):
            other = seen.setdefault(mark, split)
            if other != split:
                raise RuntimeError(f"{mark!r} of {repository} lies in both {other} and {split}")

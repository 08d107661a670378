"""Disjoint sets (union-find) with path halving; a set is represented by its least member."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

Member = TypeVar("Member", bound=Any)  # hashable and ordered


class UnionFind(Generic[Member]):
    """Disjoint sets; a member that is seen for the first time is a set of its own.

    SciPy's ``DisjointSet`` does the same, but its import takes longer than all that a data stage imports,
    and which member represents a set depends on the sizes of the sets.
    """

    def __init__(self) -> None:
        self._parent: dict[Member, Member] = {}

    def find(self, member: Member) -> Member:
        """The least member of the set that ``member`` is in."""
        parent = self._parent
        parent.setdefault(member, member)
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    def union(self, one: Member, other: Member) -> None:
        """Merge the sets of two members."""
        first, second = sorted((self.find(one), self.find(other)))
        self._parent[second] = first

    def sets(self) -> dict[Member, Member]:
        """Each member seen so far, in that order, with the least member of its set."""
        return {member: self.find(member) for member in self._parent}

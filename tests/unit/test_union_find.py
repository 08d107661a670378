"""Disjoint sets, against components that are merged by brute force."""

from __future__ import annotations

import random

import pytest

from schematic_reader.union_find import UnionFind


@pytest.mark.parametrize("seed", range(20))
def test_the_sets_are_the_connected_components(seed: int) -> None:
    rng = random.Random(seed)
    pairs = [(rng.randrange(40), rng.randrange(40)) for _ in range(rng.randrange(60))]
    found: UnionFind[int] = UnionFind()
    for one, other in pairs:
        found.union(one, other)
    component = {member: {member} for member in range(40)}
    for one, other in pairs:
        merged = component[one] | component[other]
        component |= dict.fromkeys(merged, merged)
    assert [found.find(member) for member in range(40)] == [min(component[member]) for member in range(40)]


def test_a_member_alone_is_a_set_and_sets_keep_the_order_of_sight() -> None:
    found: UnionFind[str] = UnionFind()
    assert found.find("c") == "c"
    found.union("d", "b")
    found.union("a", "d")
    assert list(found.sets().items()) == [("c", "c"), ("d", "a"), ("b", "a"), ("a", "a")]


def test_a_long_chain_needs_no_recursion() -> None:
    found: UnionFind[int] = UnionFind()
    for member in range(100_000, 0, -1):
        found.union(member, member - 1)
    assert found.find(100_000) == 0

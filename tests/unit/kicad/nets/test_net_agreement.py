"""How far two netlists agree, against plain counts."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations

from schematic_reader.kicad.nets.net_agreement import NetAgreement, net_agreement, pin_pairs
from schematic_reader.kicad.nets.netlist import Net


def net(*pins: str) -> Net:
    return Net("", frozenset((p[0], p[1:]) for p in pins))


def test_agreement_counts_whole_nets_and_pairs() -> None:
    true = [net("A1", "B1", "C1"), net("A2", "B2"), net("D1")]
    predicted = [net("A1", "B1"), net("A2", "B2"), net("C1", "D1"), net("E1")]
    expected = NetAgreement(2, 3, 1, 4, 3, 2)
    assert net_agreement(true, predicted) == expected
    assert net_agreement(true, predicted) + net_agreement(true, []) == NetAgreement(4, 3, 1, 8, 3, 2)


def test_names_and_order_do_not_count() -> None:
    true = [Net("GND", frozenset({("A", "1"), ("B", "1")})), net("A2", "B2")]
    predicted = [net("B2", "A2"), Net("VSS", frozenset({("B", "1"), ("A", "1")}))]
    assert net_agreement(true, predicted) == NetAgreement(2, 2, 2, 2, 2, 2)


def test_pairs_are_those_of_a_plain_count() -> None:
    generator = random.Random(3)

    def some() -> list[Net]:
        sizes = [generator.randrange(7) for _ in range(generator.randrange(6))]
        return [net(*(f"R{generator.randrange(9)}" for _ in range(size))) for size in sizes]

    def plain(found: list[Net]) -> Counter[tuple[tuple[str, str], ...]]:
        return Counter(pair for each in found for pair in combinations(sorted(each.pins), 2))

    for _ in range(400):
        true, predicted = some(), some()
        found = net_agreement(true, predicted)
        assert pin_pairs(true) == found.true_pairs == plain(true).total()
        assert found.predicted_pairs == plain(predicted).total()
        assert found.matched_pairs == (plain(true) & plain(predicted)).total()


def test_a_huge_net_is_counted_without_its_pairs() -> None:
    count = 100_000
    huge = Net("GND", frozenset(("U", str(i)) for i in range(count)))
    half = Net("GND", frozenset(("U", str(i)) for i in range(count // 2)))
    found = net_agreement([huge], [half])
    assert found.true_pairs == count * (count - 1) // 2
    assert found.matched_pairs == found.predicted_pairs == count // 2 * (count // 2 - 1) // 2

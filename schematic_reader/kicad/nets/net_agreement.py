"""Agreement of predicted nets with the true ones, as counts that add up over sheets."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from itertools import combinations
from math import comb

from schematic_reader.kicad.nets.netlist import Net, PinId


@dataclass(frozen=True, slots=True)
class NetAgreement:
    """Counts for precision and recall over whole nets and over pairs of joined pins."""

    true_nets: int = 0
    predicted_nets: int = 0
    matched_nets: int = 0
    true_pairs: int = 0
    predicted_pairs: int = 0
    matched_pairs: int = 0

    def __add__(self, other: NetAgreement) -> NetAgreement:
        return NetAgreement(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def net_agreement(true: Sequence[Net], predicted: Sequence[Net]) -> NetAgreement:
    """Compare the nets of two or more pins of one sheet; their names play no part.

    Nets are compared whole, as multisets of sets of pins. Pairs of pins are compared as a multiset too: a
    pair counts once for each net that has both pins, as happens where references are not unique, and
    matches as often as it occurs on both sides.
    """
    ours = [net.pins for net in true if len(net.pins) > 1]
    theirs = [net.pins for net in predicted if len(net.pins) > 1]
    return NetAgreement(
        true_nets=len(ours),
        predicted_nets=len(theirs),
        matched_nets=(Counter(ours) & Counter(theirs)).total(),
        true_pairs=pin_pairs(true),
        predicted_pairs=pin_pairs(predicted),
        matched_pairs=_matched_pairs(ours, theirs),
    )


def pin_pairs(nets: Iterable[Net]) -> int:
    """The number of pairs of pins that share a net, counted once for each such net."""
    return sum(comb(len(net.pins), 2) for net in nets)


def _matched_pairs(true: Sequence[frozenset[PinId]], predicted: Sequence[frozenset[PinId]]) -> int:
    """The pairs that occur on both sides, without listing the pairs of a net.

    Pins that are in the same true nets and the same predicted nets are counted together. Mostly a pin is
    in one net of each side, so that no two such groups share a net on both sides; the work grows with the
    square of the number of those that are in more.
    """
    true_of, predicted_of = _nets_of(true), _nets_of(predicted)
    groups = Counter((true_of[pin], predicted_of[pin]) for pin in true_of.keys() & predicted_of.keys())
    matched = sum(comb(n, 2) * min(len(ours), len(theirs)) for (ours, theirs), n in groups.items())
    sharing: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    listed = list(groups)
    for number, (ours, theirs) in enumerate(listed):
        for i in ours:
            for j in theirs:
                sharing[i, j].append(number)
    for a, b in {pair for numbers in sharing.values() for pair in combinations(numbers, 2)}:
        in_true = len(listed[a][0] & listed[b][0])
        in_predicted = len(listed[a][1] & listed[b][1])
        matched += groups[listed[a]] * groups[listed[b]] * min(in_true, in_predicted)
    return matched


def _nets_of(nets: Iterable[frozenset[PinId]]) -> dict[PinId, frozenset[int]]:
    """The numbers of the nets that each pin is in."""
    numbers: defaultdict[PinId, set[int]] = defaultdict(set)
    for number, pins in enumerate(nets):
        for pin in pins:
            numbers[pin].add(number)
    return {pin: frozenset(found) for pin, found in numbers.items()}

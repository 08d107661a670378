"""Degenerate repetition in an answer, as of a collapsed model or one without an end of turn."""

from __future__ import annotations

from collections import Counter

from schematic_reader.tasks.contract import Item

_TIMES = 2
_COPIES = 4
_LONGEST_UNIT = 256
_SHORTEST_TAIL = 64


def repeating(prediction: str, predicted: Counter[Item], target: str, actual: Counter[Item]) -> bool:
    """Whether ``prediction`` repeats itself where ``target`` does not.

    Either it has an item more than twice as often as the target has any (in a list that names each once: more
    than twice), or its tail cycles and the target's does not.
    """
    if max(predicted.values(), default=0) > _TIMES * max(actual.values(), default=1):
        return True
    return tail_cycles(prediction) and not tail_cycles(target)


def tail_cycles(text: str) -> bool:
    """Whether the text ends in four or more copies of one unit.

    The unit has 1 to 256 characters, the copies cover 64 or more, and the last may be cut off. Runs of
    white space count as one space.
    """
    # White space only shrinks, so this end holds the last cycle unless nearly all of it is white space.
    tail = " ".join(text[-16 * _COPIES * _LONGEST_UNIT :].split())
    for unit in range(1, _LONGEST_UNIT + 1):
        length = max(_COPIES * unit, _SHORTEST_TAIL)
        if length > len(tail):
            return False
        end = tail[-length:]
        if end[unit:] == end[:-unit]:
            return True
    return False

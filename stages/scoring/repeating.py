"""Whether an answer goes round in circles, as a collapsed or cut-off model's answers do."""

from __future__ import annotations

from collections import Counter

from stages.tasks.contract import Item

_TIMES = 2
_COPIES = 4
_LONGEST_UNIT = 256
_SHORTEST_TAIL = 64


def repeating(prediction: str, said: Counter[Item], target: str, actual: Counter[Item]) -> bool:
    """Whether ``prediction`` repeats itself and ``target`` gives no cause for it.

    Either an item is said more than twice and more than twice as often as it stands on the sheet, or the
    answer's tail cycles and the target's does not.
    """
    if any(times > _TIMES * max(1, actual[item]) for item, times in said.items()):
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

"""Pins of KiCad 10 that are several in one place: ``[1-4,7]`` is five numbers."""

from __future__ import annotations

import re

_MOST = 4096  # numbers of one pin; the text may come from anywhere
_STACK = re.compile(r"\[([^\[\]]+)\]")
_END = re.compile(r"(.*?)(\d{1,9})", re.ASCII | re.DOTALL)


def pin_numbers(text: str) -> tuple[str, ...]:
    """The numbers that a pin's number stands for, itself where it is not such a list.

    As KiCad 10 expands it (``ExpandStackedPinNotation``): a range has one prefix, ``A1-A3``, or none and runs
    upward; a text with any other range is one number, and empty entries are none.
    """
    match = _STACK.fullmatch(text.strip())
    if match is None:
        return (text,)
    numbers: list[str] = []
    for part in filter(None, map(str.strip, match[1].split(","))):
        start, dash, end = (end.strip() for end in part.partition("-"))
        if dash:
            low, high = _END.fullmatch(start), _END.fullmatch(end)
            if low is None or high is None or low[1] != high[1] or int(low[2]) > int(high[2]):
                return (text,)
            first, last = int(low[2]), int(high[2])
            numbers += [f"{low[1]}{n}" for n in range(first, min(last, first + _MOST) + 1)]
        else:
            numbers.append(part)
        if len(numbers) > _MOST:
            return (text,)
    return tuple(numbers) or (text,)

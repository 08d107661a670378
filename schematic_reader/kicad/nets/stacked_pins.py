"""Pins of KiCad 10 that are several in one place: ``[1-4,7]`` is five numbers."""

from __future__ import annotations

import re

_MOST = 4096  # numbers of one pin; the text may come from anywhere
_STACK = re.compile(r"\[([^\[\]]+)\]")
_RANGE = re.compile(r"([^\d-]*)(\d{1,9})-([^\d-]*)(\d{1,9})", re.ASCII)


def pin_numbers(text: str) -> tuple[str, ...]:
    """The numbers that a pin's number stands for, itself where it is not such a list.

    A range has one prefix, ``A1-A3``, or none and runs upward; a text with any other range is one number.
    """
    match = _STACK.fullmatch(text.strip())
    if match is None:
        return (text,)
    numbers: list[str] = []
    for part in match[1].split(","):
        part = part.strip()
        span = _RANGE.fullmatch(part)
        if span is None:
            numbers.append(part)
        elif span[1] == span[3] and int(span[2]) <= int(span[4]):
            first, last = int(span[2]), int(span[4])
            numbers += [f"{span[1]}{n}" for n in range(first, min(last, first + _MOST) + 1)]
        else:
            return (text,)
        if not part or len(numbers) > _MOST:
            return (text,)
    return tuple(numbers)

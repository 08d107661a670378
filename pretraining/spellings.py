"""Quantities and references in the many ways in which people write them.

A reader that has seen "10k" alone says "10k" of "10 k" too; so every way of writing a unit occurs, whatever a
standard says, and references begin with other letters than the usual ones.
"""

from __future__ import annotations

import random
import string
from collections.abc import Sequence

_UNITS = {
    "R": ("", "", "k", "k", "K", "M", "R", "Ω", "kΩ", "ohm", "Ohm", "-Ohm", "kohm", "m", "mR"),
    "C": ("p", "n", "u", "µ", "pF", "nF", "uF", "µF", "pf", "nf", "uf", "PF", "NF", "UF", "mF"),
    "L": ("n", "u", "µ", "nH", "uH", "µH", "mH", "nh", "uh"),
}
QUANTITIES = frozenset(_UNITS)
"""The prefixes of references whose values are quantities."""

_NUMBERS = (
    "0",
    "1",
    "1.5",
    "2.2",
    "3.3",
    "4.7",
    "5.1",
    "6.8",
    "10",
    "22",
    "33",
    "47",
    "49.9",
    "100",
    "220",
    "0.1",
)
_RATINGS = {
    "R": ("1%", "0.1%", "5%", "0.5W", "1W", "1/4W", "0402", "0603"),
    "C": ("16V", "16v", "25V", "50V", "10V/X5R", "X7R", "5%", "0402", "0603"),
    "L": ("2A", "20%", "1.5A", "4A", "0805"),
}
_JOINTS = (" ", " ", "/", "", "_", "-", ",")
_ENDS = (" DNP", "/DNP", "(DNP)", " dnp", "?", "*")
_ABSENT = ("DNP", "dnp", "NM", "NC", "DNI", "n.m.", "NP")
_BLANK, _POINT, _RATED, _ENDED, _LEFT_OUT = 0.25, 0.3, 0.2, 0.06, 0.04
_COMPOUND = 0.2  # share of new prefixes of two words


def quantity(prefix: str, rng: random.Random) -> str:
    """A value of a part with this prefix, one of ``QUANTITIES``: ``4k7``, ``10 k``, ``100nf16v``, ``DNP``."""
    if rng.random() < _LEFT_OUT:
        return rng.choice(_ABSENT)
    number, unit = _number(rng), rng.choice(_UNITS[prefix])
    if "." in number and unit.isalpha() and rng.random() < _POINT:
        text = number.replace(".", unit[0])
    else:
        text = number + " " * (unit != "" and rng.random() < _BLANK) + unit
    if rng.random() < _RATED:
        text += rng.choice(_JOINTS) + rng.choice(_RATINGS[prefix])
    return text + rng.choice(_ENDS) if rng.random() < _ENDED else text


def _number(rng: random.Random) -> str:
    style = rng.random()
    if style < 0.4:
        return rng.choice(_NUMBERS)
    if style < 0.7:
        return str(rng.randrange(1, 1000))
    return f"{rng.randrange(rng.choice((10, 100)))}.{rng.randrange(1, 10)}"


def letters(usual: Sequence[str], rng: random.Random) -> str:
    """What references may begin with: one of the ``usual``, or capital letters: ``LB``, ``CV-IN``."""
    if usual and rng.random() < 0.5:
        return rng.choice(usual)
    words = 2 if rng.random() < _COMPOUND else 1
    return rng.choice("-_").join(_capitals(rng) for _ in range(words))


def _capitals(rng: random.Random) -> str:
    return "".join(rng.choices(string.ascii_uppercase, k=rng.randrange(1, 5)))

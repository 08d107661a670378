"""Random damage to good inputs, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

_BITS = [
    *(char.encode() for char in '\0()"\\{}[]<>&*%'),
    b"\xff",
    b"\xf0\x9f\x98\x80",
    b"\xed\xa0\x80",  # half of a surrogate pair
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 40,
    b"(" * 300,
    b"[" * 300,
    b" " * 500,
    b"\r\n",
]


def mutations(seeds: Sequence[bytes], rng: random.Random) -> Iterator[bytes]:
    """Endlessly: a seed after one to four random edits."""
    while True:
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            rng.choice(_EDITS)(data, rng, seeds)
        yield bytes(data)


def _span(data: bytearray, rng: random.Random) -> slice:
    start = rng.randrange(len(data) + 1)
    return slice(start, min(len(data), start + rng.choice((1, 4, 30, 1000))))


def _flip(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    for _number in range(rng.choice((1, 3, 20))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _delete(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    del data[_span(data, rng)]


def _cut(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _repeat(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    span = _span(data, rng)
    data[span] = data[span] * rng.choice((2, 3, 40))


def _insert(data: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    start = rng.randrange(len(data) + 1)
    data[start:start] = rng.choice(_BITS)


def _splice(data: bytearray, rng: random.Random, seeds: Sequence[bytes]) -> None:
    other = bytearray(rng.choice(seeds))
    data[_span(data, rng)] = other[_span(other, rng)]


_EDITS: list[Callable[[bytearray, random.Random, Sequence[bytes]], None]] = [
    _flip,
    _delete,
    _cut,
    _repeat,
    _insert,
    _splice,
]

"""The stream of chunks is the same whoever makes them."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from pretraining.feed import Chunk, Feed

NAMES = ["crop", "sheet"]


def order(place: int) -> tuple[int, str]:
    return 100 + place, NAMES[place % 2]


def copied(chunk: Chunk) -> list[np.ndarray]:
    return [getattr(chunk, field.name).copy() for field in fields(chunk)]


def test_workers_deliver_the_same_stream(maker):
    streams = []
    for workers in (0, 2):
        feed = Feed(maker, NAMES, order, workers)
        try:
            streams.append([(name, copied(c)) for (name, c), _ in zip(feed, range(9), strict=False)])
        finally:
            feed.close()
    alone, together = streams
    assert len(alone) == 9  # more than the workers keep ahead
    for (name, ours), (other, theirs) in zip(alone, together, strict=True):
        assert name == other
        for one, two in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, two)
    assert not np.array_equal(alone[0][1][0], alone[2][1][0])


def test_a_chunk_fits_the_memory_that_it_asks_for(maker):
    chunk = maker(3, "sheet")
    chunk.enlarged[:] = 1  # sheets as a whole never are
    copy = Chunk.empty(chunk, bytearray(chunk.nbytes))
    copy.copy_from(chunk)
    for one, two in zip(copied(chunk), copied(copy), strict=True):
        assert one.any()
        np.testing.assert_array_equal(one, two)

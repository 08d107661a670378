"""The pool keeps the last pictures of the stream."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from pretraining.pool import Pool

CPU = torch.device("cpu")


def test_pool_keeps_the_last_pictures_and_always_draws_the_new_ones(maker):
    pool = Pool(maker.empty("crop"), 4, CPU)
    for number in range(3):
        chunk = maker.empty("crop")
        chunk.pictures[:] = [[[10 * number + 1]], [[10 * number + 2]]]
        pool.add(chunk)
    drawn = set()
    for seed in range(40):
        batch = pool.draw(4, 2, 1, torch.Generator().manual_seed(seed))
        shown = batch.pictures[:, 0, 0].tolist()
        assert shown[:2] == [21, 22]
        drawn |= set(shown)
    assert drawn == {11, 12, 21, 22}  # the first two had to make room


def test_what_is_drawn_for_a_picture_belongs_to_it(maker):
    """Its questions are one of its own sets; every set and every theme comes."""
    pool = Pool(maker.empty("crop"), 6, CPU)
    chunk = maker.empty("crop")
    for i in range(len(chunk.pictures)):
        for array in (chunk.pictures, chunk.characters, chunk.kinds, chunk.enlarged):
            array[i] = i + 1
        for k in range(chunk.tokens.shape[1]):
            chunk.tokens[i, k] = 10 * (i + 1) + k
            chunk.answers[i, k] = k
    pool.add(replace(chunk))
    sets, themes = set(), set()
    for seed in range(30):
        batch = pool.draw(3, 2, 5, torch.Generator().manual_seed(seed))
        which = batch.pictures[:, 0, 0].long()
        assert torch.equal(batch.tokens[:, 0] // 10, which)
        assert torch.equal(batch.answers[:, 0], (batch.tokens[:, 0] % 10).bool())
        assert torch.equal(batch.characters[:, 0, 0].long(), which)
        assert torch.equal(batch.kinds[:, 0, 0, 0].long(), which)
        assert torch.equal(batch.enlarged, which)
        sets |= set((batch.tokens[:, 0] % 10).tolist())
        themes |= set(batch.themes.tolist())
    assert sets == {0, 1} and themes == {0, 1, 2, 3, 4}


def test_a_chunk_may_be_reused_once_it_is_added(maker):
    pool = Pool(maker.empty("crop"), 2, CPU)
    chunk = maker.empty("crop")
    chunk.pictures[:] = 7
    pool.add(chunk)
    chunk.pictures[:] = 9
    batch = pool.draw(2, 2, 1, torch.Generator())
    np.testing.assert_array_equal(batch.pictures, 7)

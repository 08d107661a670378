"""Every sample once an epoch, no batch over its length, hardly any padding, the same for the same seed."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schematic_reader.config import load_params
from schematic_reader.io.picture import PictureError, fitted_size, open_picture
from schematic_reader.model.encode import Encoder
from schematic_reader.tasks.messages import chat
from schematic_reader.training.packing import (
    LENGTH_MULTIPLE,
    best_packed_length,
    plan_packing,
    spread_step,
    step_batches,
)
from tests.support.paths import ROOT
from tests.unit.model.test_encode import real_processor

LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(lengths=LENGTHS, seed=st.integers(0, 99), epochs=st.integers(1, 3))
def test_each_sample_comes_once_an_epoch_and_fits(lengths: list[int], seed: int, epochs: int) -> None:
    plan = plan_packing(lengths, tokens=400, epochs=epochs, seed=seed)
    assert Counter(index for batch in plan.batches for index in batch) == dict.fromkeys(
        range(len(lengths)), epochs
    )
    assert all(0 < sum(lengths[index] for index in batch) <= 400 for batch in plan.batches)
    assert plan == plan_packing(lengths, tokens=400, epochs=epochs, seed=seed)
    used = sum(lengths) * epochs
    assert plan.padding == pytest.approx(1 - used / (400 * len(plan.batches)))


def test_a_fraction_of_an_epoch_trains_that_share() -> None:
    plan = plan_packing([10] * 40, tokens=100, epochs=1.5, seed=1)
    counts = Counter(index for batch in plan.batches for index in batch)
    assert sorted(counts.values()) == [1] * 20 + [2] * 20


def test_another_seed_or_epoch_mixes_anew() -> None:
    lengths = [random.Random(i).randint(10, 60) for i in range(50)]
    once, again, both = (
        plan_packing(lengths, tokens=100, epochs=epochs, seed=seed)
        for seed, epochs in ((1, 1), (2, 1), (1, 2))
    )
    assert once.batches != again.batches
    assert both.batches[: len(once.batches)] == once.batches
    assert both.batches[len(once.batches) :] != once.batches


def test_long_samples_do_not_come_first() -> None:
    lengths = list(range(1, 101))
    plan = plan_packing(lengths, tokens=100, epochs=1, seed=1)
    longest = [max(lengths[index] for index in batch) for batch in plan.batches]
    assert longest != sorted(longest, reverse=True)


def test_the_subset_that_fills_the_batch_is_found() -> None:
    """60 opens the batch; first-fit would add 25 and leave 15 empty, but 20 + 20 fills it."""
    plan = plan_packing([60, 25, 20, 20], tokens=100, epochs=1, seed=1)
    assert sorted(sorted(batch) for batch in plan.batches) == [[0, 2, 3], [1]]


def test_a_sample_over_the_packed_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a sample of 101 tokens does not fit into a packed batch of 100"):
        plan_packing([5, 101], tokens=100, epochs=1, seed=1)


@settings(max_examples=60, deadline=None)
@given(
    lengths=LENGTHS, packed_length=st.sampled_from([400, 500, 1600]), world_size=st.sampled_from([1, 2, 4, 8])
)
def test_a_step_holds_the_same_samples_on_any_number_of_ranks(
    lengths: list[int], packed_length: int, world_size: int
) -> None:
    batches = plan_packing(lengths, tokens=400, epochs=1, seed=1).batches
    step = spread_step(batches, lengths, packed_length=packed_length, world_size=world_size)
    assert sorted(step.samples) == list(range(len(lengths)))
    assert len(step.ranks) == world_size and len({len(ranks) for ranks in step.ranks}) == 1
    assert max(sum(lengths[index] for index in batch) for batch in step.batches) <= packed_length
    assert len(step.ranks[0]) <= -(-len(batches) // world_size)


def test_batches_of_a_step_are_balanced_where_they_must_be_cut() -> None:
    def sums(batches: list[tuple[int, ...]], lengths: list[int], world_size: int) -> list[int]:
        step = spread_step(batches, lengths, packed_length=7200, world_size=world_size)
        return [sum(lengths[index] for index in batch) for batch in step.batches]

    assert sums([(0, 1, 2, 3, 4)], [900, 500, 400, 300, 300], 2) == [1200, 1200]
    assert sums([tuple(range(8))], [900] * 8, 8) == [900] * 8
    assert sums([(0, 1, 2)], [900] * 3, 4) == [900, 900, 900, 0]  # the last rank is idle
    assert sums([(0, 1), (2, 3)], [7000, 200, 3600, 3600], 1) == [7200, 7200]  # as planned
    assert sums([(0, 1), (2, 3, 4)], [3600, 3600, 2400, 2400, 2400], 2) == [7200, 7200]


def test_eight_ranks_take_the_steps_of_one_without_a_batch_more() -> None:
    """Real sheets have some 900 tokens; a step is as many as eight packed batches hold."""
    lengths = [random.Random(i).randint(600, 1300) for i in range(700)]
    plan = plan_packing(lengths, tokens=7168, epochs=1, seed=1)
    steps = step_batches(plan, 8)
    assert [batch for step in steps for batch in step] == plan.batches and len(steps) > 5
    for world_size in (1, 2, 4, 8):
        for batches in steps[:-1]:
            step = spread_step(batches, lengths, packed_length=7168, world_size=world_size)
            assert sorted(step.samples) == sorted(index for batch in batches for index in batch)
            assert len(step.batches) == 8


@pytest.mark.slow
def test_real_sheets_leave_little_padding(mini: Path, qwen3_tokenizer: Path) -> None:
    params = load_params(ROOT / "params.yaml")
    profile = params.profiles["open-schematics"]
    encoder = Encoder(real_processor(qwen3_tokenizer))
    lengths = []
    for file in sorted(mini.glob("*.parquet")):
        for row in pq.read_table(file, columns=["image", "components_used", "name"]).to_pylist():
            names, data = row["components_used"], (row["image"] or {}).get("bytes")
            if not names or not data:
                continue
            try:
                picture = open_picture(data)
            except PictureError:
                continue
            size = fitted_size(
                *picture.size, max_side=profile.image.max_side, max_pixels=profile.image.max_pixels
            )
            question = f"Project: {row['name']}\nWhich library symbols are placed on this schematic sheet?"
            answer = ", ".join(sorted(set(names)))
            lengths.append(sum(encoder.sample_lengths([size], chat(question, answer))))
    assert len(lengths) > 200
    max_length = profile.train.packed_length
    for longer in (0, 40, 80):  # tokens of a longer question
        asked = [length + longer for length in lengths]
        tokens = best_packed_length(asked, max_length)
        assert tokens <= max_length and tokens % LENGTH_MULTIPLE == 0
        assert plan_packing(asked, tokens=tokens, epochs=1, seed=params.seed).padding < 0.03


@settings(max_examples=60, deadline=None)
@given(lengths=LENGTHS, max_length=st.integers(400, 2000))
def test_a_batch_has_room_for_every_sample_and_keeps_to_the_maximum(
    lengths: list[int], max_length: int
) -> None:
    tokens = best_packed_length(lengths, max_length)
    assert max(lengths) <= tokens <= max_length
    padding = [plan_packing(lengths, tokens=each, epochs=1, seed=1).padding for each in (tokens, max_length)]
    assert padding[0] <= padding[1]

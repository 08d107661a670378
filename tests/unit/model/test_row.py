"""A row of samples laid end to end: positions, borders and answers, against transformers and by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.row import Shape, lay_out, positions_of
from schematic_reader.tasks.messages import chat
from tests.support.sheet_samples import TINY, noise, sample


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_processor(TINY.base, None))


@pytest.fixture(scope="module")
def model() -> Any:
    return load_base(TINY, prepare_device(TINY, 1))


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.tuples(st.integers(40, 300), st.integers(40, 300)), min_size=1, max_size=3))
def test_positions_are_those_of_transformers(
    encoder: Encoder, model: Any, sizes: list[tuple[int, int]]
) -> None:
    messages = chat("Which parts?", "R, C")
    messages[0]["content"] = [{"type": "image"}] * (len(sizes) - 1) + messages[0]["content"]
    one = encoder.encode_sample([noise(*size) for size in sizes], messages)
    theirs, _ = model.model.get_rope_index(
        one.input_ids[None],
        mm_token_type_ids=one.mm_token_type_ids[None],
        image_grid_thw=one.image_grid_thw,
    )
    ours = positions_of(one.mm_token_type_ids, one.image_grid_thw, merge=encoder.merge)
    assert torch.equal(ours[1:], theirs[:, 0])
    assert ours[0].tolist() == list(range(len(one.input_ids)))


def test_a_row_is_its_samples_end_to_end(encoder: Encoder) -> None:
    samples = [sample(encoder, 64, 96, "R"), sample(encoder, 96, 64, "C, GND, LED")]
    row = lay_out(samples, ["a", "b"], merge=encoder.merge, pad_id=encoder.pad_id)
    lengths = [len(one.input_ids) for one in samples]
    assert row.ids == ("a", "b")
    assert row.starts.tolist() == [0, lengths[0], sum(lengths)] and row.starts.dtype == torch.int32
    assert row.longest == max(lengths)
    assert row.input_ids[0].tolist() == samples[0].input_ids.tolist() + samples[1].input_ids.tolist()
    assert (row.position_ids[:, 0, row.starts[:2].long()] == 0).all()
    image_id = encoder.processor.image_token_id
    assert (row.input_ids[0, row.picture_at] == image_id).all()
    assert len(row.picture_at) == int((row.input_ids == image_id).sum()) == 2 * 6
    assert row.picture_starts.tolist() == [0, 24, 48] and row.pictures == (24, 24)
    assert row.answers.tolist() == [*encoder.answer_ids("R"), *encoder.answer_ids("C, GND, LED")]
    assert torch.equal(row.input_ids[0, row.answer_at + 1], row.answers)


def test_no_token_of_the_next_sample_is_asked_for(encoder: Encoder) -> None:
    one = sample(encoder, 64, 64, "R")
    row = lay_out([one] * 3, ["a", "b", "c"], merge=encoder.merge, pad_id=encoder.pad_id)
    borders = row.starts[1:-1].long() - 1
    assert not set(borders.tolist()) & set(row.answer_at.tolist())


def test_padding_is_a_sample_of_its_own(encoder: Encoder) -> None:
    samples = [sample(encoder, 64, 96, "R"), sample(encoder, 96, 64, "C, GND, LED")]
    bare = lay_out(samples, ["a", "b"], merge=encoder.merge, pad_id=encoder.pad_id)
    row = lay_out(
        samples, ["a", "b"], merge=encoder.merge, pad_id=encoder.pad_id, shape=Shape(tokens=200, samples=5)
    )
    used = bare.input_ids.shape[1]
    assert row.input_ids.shape == (1, 200) and row.position_ids.shape == (4, 1, 200)
    assert row.starts.tolist() == [*bare.starts.tolist(), 200, 200, 200, 200] and row.longest == 200
    assert (row.input_ids[0, used:] == encoder.pad_id).all()
    assert row.position_ids[:, 0, used:].tolist() == [list(range(200 - used))] * 4
    for name in ("picture_at", "answer_at", "answers", "pixel_values", "picture_starts"):
        assert torch.equal(getattr(row, name), getattr(bare, name))

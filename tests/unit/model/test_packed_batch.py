"""A packed batch: positions, boundaries and answers, against transformers and by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.packed_batch import BatchShape, mrope_position_ids, pack_batch
from schematic_reader.model.packed_model import PackedModel
from schematic_reader.model.vision_inputs import vision_inputs
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
    ours = mrope_position_ids(one.mm_token_type_ids, one.image_grid_thw, merge_size=encoder.merge_size)
    assert torch.equal(ours[1:], theirs[:, 0])
    assert ours[0].tolist() == list(range(len(one.input_ids)))


def test_a_packed_batch_is_its_samples_end_to_end(encoder: Encoder) -> None:
    samples = [sample(encoder, 48, 72, "R"), sample(encoder, 72, 48, "C, GND, LED")]
    batch = pack_batch(samples, ["a", "b"], merge_size=encoder.merge_size, pad_id=encoder.pad_id)
    lengths = [len(one.input_ids) for one in samples]
    assert batch.sheet_ids == ("a", "b")
    assert (
        batch.cu_seqlens.tolist() == [0, lengths[0], sum(lengths)] and batch.cu_seqlens.dtype == torch.int32
    )
    assert batch.max_seqlen == max(lengths)
    assert batch.input_ids[0].tolist() == samples[0].input_ids.tolist() + samples[1].input_ids.tolist()
    assert (batch.position_ids[:, 0, batch.cu_seqlens[:2].long()] == 0).all()
    image_id = encoder.processor.image_token_id
    assert (batch.input_ids[0, batch.image_positions] == image_id).all()
    assert len(batch.image_positions) == int((batch.input_ids == image_id).sum()) == 2 * 6
    assert batch.image_cu_seqlens.tolist() == [0, 24, 48] and batch.patches_per_image == (24, 24)
    assert batch.answer_ids.tolist() == [*encoder.answer_ids("R"), *encoder.answer_ids("C, GND, LED")]
    assert torch.equal(batch.input_ids[0, batch.answer_positions + 1], batch.answer_ids)


def test_no_token_of_the_next_sample_is_predicted(encoder: Encoder) -> None:
    one = sample(encoder, 64, 64, "R")
    batch = pack_batch([one] * 3, ["a", "b", "c"], merge_size=encoder.merge_size, pad_id=encoder.pad_id)
    boundaries = batch.cu_seqlens[1:-1].long() - 1
    assert not set(boundaries.tolist()) & set(batch.answer_positions.tolist())


def test_padding_is_a_sample_of_its_own(encoder: Encoder) -> None:
    samples = [sample(encoder, 64, 96, "R"), sample(encoder, 96, 64, "C, GND, LED")]
    bare = pack_batch(samples, ["a", "b"], merge_size=encoder.merge_size, pad_id=encoder.pad_id)
    batch = pack_batch(
        samples,
        ["a", "b"],
        merge_size=encoder.merge_size,
        pad_id=encoder.pad_id,
        shape=BatchShape(tokens=200, samples=5),
    )
    used = bare.input_ids.shape[1]
    assert batch.input_ids.shape == (1, 200) and batch.position_ids.shape == (4, 1, 200)
    assert (
        batch.cu_seqlens.tolist() == [*bare.cu_seqlens.tolist(), 200, 200, 200, 200]
        and batch.max_seqlen == 200
    )
    assert (batch.input_ids[0, used:] == encoder.pad_id).all()
    assert batch.position_ids[:, 0, used:].tolist() == [list(range(200 - used))] * 4
    for name in ("image_positions", "answer_positions", "answer_ids", "pixel_values", "image_cu_seqlens"):
        assert torch.equal(getattr(batch, name), getattr(bare, name))


@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.tuples(st.integers(40, 300), st.integers(40, 300)), min_size=1, max_size=3))
def test_the_vision_tower_gets_what_it_would_work_out(
    encoder: Encoder, model: Any, sizes: list[tuple[int, int]]
) -> None:
    samples = [sample(encoder, *size, "R", index) for index, size in enumerate(sizes)]
    ids = [str(index) for index in range(len(sizes))]
    batch = pack_batch(samples, ids, merge_size=encoder.merge_size, pad_id=encoder.pad_id)
    inputs = vision_inputs(batch.image_grid_thw, model.config.vision_config)
    assert all(len(tensor) == len(batch.pixel_values) for tensor in inputs.values())
    packed = PackedModel(model)
    with torch.inference_mode():
        expected = packed.hidden_states(batch)
        assert torch.equal(packed.hidden_states(replace(batch, vision_inputs=inputs)), expected)
        # The tower takes them: with another picture's it sees something else.
        turned = inputs | {"interp_weights": inputs["interp_weights"].flip(0)}
        assert not torch.equal(packed.hidden_states(replace(batch, vision_inputs=turned)), expected)


def test_what_the_vision_tower_gets_moves_with_its_batch(encoder: Encoder, model: Any) -> None:
    batch = pack_batch(
        [sample(encoder, 96, 64, "R")], ["a"], merge_size=encoder.merge_size, pad_id=encoder.pad_id
    )
    inputs = vision_inputs(batch.image_grid_thw, model.config.vision_config)
    moved = replace(batch, vision_inputs=inputs).to("meta").vision_inputs
    assert {key: (one.device.type, one.shape) for key, one in moved.items()} == {
        key: ("meta", one.shape) for key, one in inputs.items()
    }

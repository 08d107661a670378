"""On a CUDA GPU, where the decode step is one captured graph, answers are those of the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schematic_reader.generation.settings import GeneratedTokens, GenerationSettings
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from tests.support.answering import (
    TINY,
    drawn,
    generated_continuously,
    generated_in_static_batches,
    write_sheets,
)


@pytest.mark.gpu
@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_continuous_batching_gives_the_tokens_of_static_batches_on_the_cpu(
    tmp_path: Path, penalty: float
) -> None:
    """Three slots for eleven sheets, so that slots are refilled while others decode."""
    rows = tmp_path, write_sheets(tmp_path, [drawn(i) for i in range(11)])
    encoder = Encoder(load_processor(TINY.base, None))
    settings = GenerationSettings(batch_size=3, max_new_tokens=24, repetition_penalty=penalty)

    def answers(device: str, way: Callable[..., list[GeneratedTokens]]) -> list[GeneratedTokens]:
        chosen = replace(TINY, device=device)
        model: Any = load_base(chosen, prepare_device(chosen, 1))
        assert model.device.type == device
        return way(model, encoder, rows, settings)

    expected = answers("cpu", generated_in_static_batches)
    found, other = (answers(device, generated_continuously) for device in ("cuda", "cpu"))
    assert [answer.ids for answer in found] == [answer.ids for answer in expected]
    for answer, same in zip(found, other, strict=True):
        assert answer.probs == pytest.approx(same.probs, abs=1e-4)
    assert len({tuple(answer.ids) for answer in found}) > 1

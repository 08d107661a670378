"""On a CUDA GPU, where the decode step is one captured graph, answers are those of the CPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.tasks.contract import ModelAnswer
from tests.support.answering import LIMITS, TINY, answerer, drawn, write_sheets


@pytest.mark.gpu
@pytest.mark.parametrize("penalty", [1.0, 1.5])
def test_continuous_batching_gives_the_tokens_of_static_batches_on_the_cpu(
    tmp_path: Path, penalty: float
) -> None:
    """Three slots for eleven sheets, so that slots are refilled while others decode."""
    rows = write_sheets(tmp_path, [drawn(i) for i in range(11)])
    encoder, sheets = Encoder(load_processor(TINY.base, None)), SheetImages(tmp_path, "test", LIMITS)

    def answers(device: str, *, continuous: bool) -> list[ModelAnswer]:
        settings = replace(TINY, device=device)
        model: Any = load_base(settings, prepare_device(settings, 1))
        assert model.device.type == device
        made = answerer(
            model,
            encoder,
            batch_size=3,
            max_new_tokens=24,
            continuous=continuous,
            repetition_penalty=penalty,
        )
        return made.answer(sheets, rows)

    expected, found = answers("cpu", continuous=False), answers("cuda", continuous=True)
    assert [(a.text, a.tokens, a.finish, a.ends) for a in found] == [
        (a.text, a.tokens, a.finish, a.ends) for a in expected
    ]
    for answer, other in zip(found, expected, strict=True):
        assert answer.probabilities == pytest.approx(other.probabilities, abs=1e-4)
    assert len({answer.text for answer in found}) > 1

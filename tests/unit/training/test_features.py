"""The vision tower looks at a sheet once where its features are kept, and the training is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

from schematic_reader.config import load_params
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.row import lay_out
from schematic_reader.model.sheets import Sheets
from schematic_reader.training.checkpoint import Checkpoint
from schematic_reader.training.examples import choose_examples
from schematic_reader.training.features import FeatureCache, bytes_a_token
from schematic_reader.training.finetune import Finetuned, finetune
from tests.support.paths import ROOT
from tests.support.sheet_samples import LIMITS, LORA, TINY, message_rows, sample

PARAMS = load_params(ROOT / "params.yaml")
TRAIN, VALIDATION, EPOCHS, VALIDATIONS = 6, 2, 3, 5


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_processor(TINY.base, None))


def test_features_come_back_sheet_by_sheet(tmp_path: Path, encoder: Encoder) -> None:
    """Levels are numbered tokens here, so that a part that went to the wrong sheet would show."""
    samples = [sample(encoder, *size, "R", seed) for seed, size in enumerate([(64, 96), (128, 64), (64, 64)])]
    row = lay_out(samples, ["a", "b", "c"], merge=encoder.merge, pad_id=encoder.pad_id)
    levels = torch.arange(2 * len(row.picture_at) * 3.0).view(2, -1, 3)
    cache = FeatureCache(tmp_path)
    assert not cache.has(["a"])
    cache.write(row, levels)
    assert cache.has(["a", "b", "c"]) and not cache.has(["a", "d"])
    found = [cache.read(name) for name in ("a", "b", "c")]
    assert [one.levels.shape for one in found] == [(2, 6, 3), (2, 8, 3), (2, 4, 3)]
    assert torch.equal(torch.cat([one.levels for one in found], 1), levels)
    assert torch.equal(torch.cat([one.grid for one in found]), row.image_grid_thw)


def tuned(
    encoder: Encoder, folder: Path, gib: float, *, extra_targets: Any = (), fp8: bool = False
) -> Finetuned:
    examples = [
        choose_examples(
            message_rows(folder / "clean", count, split),
            Sheets(folder / "clean", split, LIMITS),
            encoder,
            budget=150,
            max_sheets=count,
        )
        for split, count in (("train", TRAIN), ("validation", VALIDATION))
    ]
    device = prepare_device(TINY, 1)
    return finetune(
        load_base(TINY, device), encoder, *examples,
        lora=replace(LORA, extra_targets=extra_targets),
        settings=replace(PARAMS.train, warmup_steps=1, vision_cache_gib=gib),
        profile=replace(PARAMS.profiles["sample"].train, epochs=float(EPOCHS), packed_length=150, fp8=fp8),
        device=device, seed=1, checkpoint=Checkpoint(folder / "part", {}),
    )  # fmt: skip


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each pass through the vision tower had."""
    counts: list[int] = []
    forward = Qwen3VLVisionModel.forward

    def counted(self: Any, pixels: torch.Tensor, grids: torch.Tensor, **rest: Any) -> Any:
        counts.append(len(grids))
        return forward(self, pixels, grids, **rest)

    monkeypatch.setattr(Qwen3VLVisionModel, "forward", counted)
    return counts


def test_a_sheet_is_looked_at_once_and_trains_the_same(
    tmp_path: Path, encoder: Encoder, looked_at: list[int]
) -> None:
    kept = tuned(encoder, tmp_path / "kept", 1.0)
    assert sum(looked_at) == TRAIN + VALIDATION
    looked_at.clear()
    anew = tuned(encoder, tmp_path / "anew", 0.0)
    assert sum(looked_at) == EPOCHS * TRAIN + VALIDATIONS * VALIDATION
    assert not (tmp_path / "anew" / "part" / "features").exists()
    for found, expected in (
        (kept.ledger.train, anew.ledger.train),
        (kept.ledger.validation, anew.ledger.validation),
    ):
        assert [loss for _, loss in found] == pytest.approx([loss for _, loss in expected], rel=1e-4)


def test_what_does_not_fit_is_looked_at_anew(tmp_path: Path, encoder: Encoder, looked_at: list[int]) -> None:
    """Room for the validation sheets, which come most often, and not for the others."""
    config = load_base(TINY, prepare_device(TINY, 1)).config
    assert bytes_a_token(config.vision_config, torch.float32) == 2 * 256 * 4
    tuned(encoder, tmp_path, 100 * 2 * 256 * 4 / 2**30)
    assert sum(looked_at) == EPOCHS * TRAIN + VALIDATION


def test_a_tower_that_learns_is_never_kept(tmp_path: Path, encoder: Encoder, looked_at: list[int]) -> None:
    tuned(encoder, tmp_path, 1.0, extra_targets=("merger",))
    assert sum(looked_at) == EPOCHS * TRAIN + VALIDATIONS * VALIDATION


def test_the_gate_before_fp8_looks_both_times(
    tmp_path: Path, encoder: Encoder, looked_at: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tower changes too; what it saw before the change is no measure of it."""
    seen: list[int] = []

    def measured_twice(_: Any, loss: Callable[[], float]) -> None:
        for _ in range(2):
            before = sum(looked_at)
            loss()
            seen.append(sum(looked_at) - before)

    monkeypatch.setattr("schematic_reader.training.trainer.use_fp8", measured_twice)
    tuned(encoder, tmp_path, gib=1.0, fp8=True)
    assert seen[0] == seen[1] > 0

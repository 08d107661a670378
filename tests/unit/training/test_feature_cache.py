"""With a feature cache the vision tower encodes a sheet once, and the training is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel

from schematic_reader.config import load_params
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.packed_batch import pack_batch
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.training.checkpoint import Checkpoint
from schematic_reader.training.examples import select_examples
from schematic_reader.training.feature_cache import FeatureCache, bytes_per_token
from schematic_reader.training.finetune import FinetuneResult, finetune
from schematic_reader.training.settings import FinetuneSettings
from tests.support.paths import ROOT
from tests.support.sheet_samples import LIMITS, LORA, TINY, message_rows, sample

PARAMS = load_params(ROOT / "params.yaml")
TRAIN, VALIDATION, EPOCHS, VALIDATIONS = 6, 2, 3, 5


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_processor(TINY.base, None))


def test_features_come_back_sheet_by_sheet(tmp_path: Path, encoder: Encoder) -> None:
    """Levels are numbered tokens here, so that a part that went to the wrong sheet would show."""
    samples = [sample(encoder, *size, "R", seed) for seed, size in enumerate([(48, 72), (96, 48), (48, 48)])]
    batch = pack_batch(samples, ["a", "b", "c"], merge_size=encoder.merge_size, pad_id=encoder.pad_id)
    levels = torch.arange(2 * len(batch.image_positions) * 3.0).view(2, -1, 3)
    cache = FeatureCache(tmp_path)
    assert not cache.has(["a"])
    cache.write(batch, levels)
    assert cache.has(["a", "b", "c"]) and not cache.has(["a", "d"])
    found = [cache.read(name) for name in ("a", "b", "c")]
    assert [one.levels.shape for one in found] == [(2, 6, 3), (2, 8, 3), (2, 4, 3)]
    assert torch.equal(torch.cat([one.levels for one in found], 1), levels)
    assert torch.equal(torch.cat([one.grid for one in found]), batch.image_grid_thw)


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "other"])
def test_damaged_features_are_removed_and_the_sheet_is_encoded_again(
    tmp_path: Path, encoder: Encoder, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    samples = [sample(encoder, 64, 96, "R", seed) for seed in range(2)]
    batch = pack_batch(samples, ["a", "b"], merge_size=encoder.merge_size, pad_id=encoder.pad_id)
    levels = torch.arange(2 * len(batch.image_positions) * 3.0).view(2, -1, 3).bfloat16()
    FeatureCache(tmp_path).write(batch, levels)
    path = tmp_path / "a.safetensors"
    whole = path.read_bytes()
    damaged = {
        "empty": b"",
        "cut": whole[:-1],
        "flipped": whole[:-1] + bytes([whole[-1] ^ 1]),
        "other": save({"grid": torch.ones(1, 3), "levels": levels}),
    }
    path.write_bytes(damaged[damage])
    cache = FeatureCache(tmp_path)
    assert not cache.has(["a", "b"]) and cache.has(["b"])
    assert caplog.messages == [f"{path} is damaged: the sheet is encoded again"]
    cache.write(batch, levels)
    assert path.read_bytes() == whole and cache.has(["a"])


def tuned(
    encoder: Encoder, folder: Path, gib: float, *, extra_targets: Any = (), fp8: bool = False
) -> FinetuneResult:
    examples = [
        select_examples(
            message_rows(folder / "clean", count, split),
            SheetImages(folder / "clean", split, LIMITS),
            encoder,
            max_length=150,
            max_sheets=count,
        )
        for split, count in (("train", TRAIN), ("validation", VALIDATION))
    ]
    device = prepare_device(TINY, 1)
    settings = FinetuneSettings(
        replace(LORA, extra_targets=extra_targets),
        replace(PARAMS.train, warmup_steps=1, vision_cache_gib=gib),
        replace(
            PARAMS.profiles["sample"].train, epochs=float(EPOCHS), step_tokens=100, packed_length=100, fp8=fp8
        ),
        seed=1,
    )
    return finetune(
        load_base(TINY, device), encoder, *examples, settings, device, Checkpoint(folder / "part", {})
    )


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each pass through the vision tower had."""
    counts: list[int] = []
    forward = Qwen3VLVisionModel.forward

    def counted(self: Any, pixels: torch.Tensor, grids: torch.Tensor, **rest: Any) -> Any:
        counts.append(len(grids))
        return forward(self, pixels, grids, **rest)

    monkeypatch.setattr(Qwen3VLVisionModel, "forward", counted)
    return counts


@pytest.mark.slow
def test_a_cached_sheet_is_encoded_once_and_trains_the_same(
    tmp_path: Path, encoder: Encoder, encoded: list[int]
) -> None:
    cached = tuned(encoder, tmp_path / "cached", 1.0)
    assert sum(encoded) == TRAIN + VALIDATION
    encoded.clear()
    uncached = tuned(encoder, tmp_path / "uncached", 0.0)
    assert sum(encoded) == EPOCHS * TRAIN + VALIDATIONS * VALIDATION
    assert not (tmp_path / "uncached" / "part" / "features").exists()
    for found, expected in (
        (cached.loss_log.train, uncached.loss_log.train),
        (cached.loss_log.validation, uncached.loss_log.validation),
    ):
        assert [loss for _, loss in found] == pytest.approx([loss for _, loss in expected], rel=1e-4)


def test_what_does_not_fit_is_not_cached(tmp_path: Path, encoder: Encoder, encoded: list[int]) -> None:
    """Room for the validation sheets, which come most often, and not for the others."""
    config = load_base(TINY, prepare_device(TINY, 1)).config
    assert bytes_per_token(config.vision_config, torch.float32) == 2 * 384 * 4
    tuned(encoder, tmp_path, 100 * 2 * 384 * 4 / 2**30)
    assert sum(encoded) == EPOCHS * TRAIN + VALIDATION


def test_features_of_a_trained_tower_are_never_cached(
    tmp_path: Path, encoder: Encoder, encoded: list[int]
) -> None:
    tuned(encoder, tmp_path, 1.0, extra_targets=("merger",))
    assert sum(encoded) == EPOCHS * TRAIN + VALIDATIONS * VALIDATION


def test_the_gate_before_fp8_encodes_both_times(
    tmp_path: Path, encoder: Encoder, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tower is converted too; features from before the conversion are no measure of it."""
    passes: list[int] = []

    def measured_twice(_: Any, measure_loss: Callable[[], float]) -> None:
        for _ in range(2):
            before = sum(encoded)
            measure_loss()
            passes.append(sum(encoded) - before)

    monkeypatch.setattr("schematic_reader.training.trainer.convert_to_fp8", measured_twice)
    tuned(encoder, tmp_path, gib=1.0, fp8=True)
    assert passes[0] == passes[1] > 0

"""Fine-tuning with the small model in float32 on the CPU: what it learns, resumes and refuses."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from schematic_reader.cli import UserError
from schematic_reader.config import ProfileTrain, Train, load_params
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor, load_tuned
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.training.adapter import add_adapter
from schematic_reader.training.checkpoint import Checkpoint, SavedState
from schematic_reader.training.examples import Examples, sample_id, select_examples
from schematic_reader.training.finetune import FinetuneResult, finetune
from schematic_reader.training.loss_log import LossLog
from schematic_reader.training.oom_hint import fitting_length
from schematic_reader.training.packed_dataset import PackedDataset
from schematic_reader.training.packed_loss import PackedLoss
from schematic_reader.training.settings import FinetuneSettings
from tests.support.paths import ROOT
from tests.support.sheet_samples import LIMITS, LORA, TINY, message_rows, unpacked_loss

PARAMS = load_params(ROOT / "params.yaml")
PROFILE = replace(
    PARAMS.profiles["sample"].train,
    epochs=3.0,
    step_tokens=150,
    packed_length=150,
    learning_rate=5e-3,
    checkpoint_steps=2,
)
SETTINGS = replace(PARAMS.train, logging_steps=3, warmup_steps=1)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_processor(TINY.base, None))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder) -> dict[str, Examples]:
    folder = tmp_path_factory.mktemp("clean")
    return {
        split: select_examples(
            message_rows(folder, count, split),
            SheetImages(folder, split, LIMITS),
            encoder,
            max_length=150,
            max_sheets=8,
        )
        for split, count in (("train", 8), ("validation", 4))
    }


def tuned(
    encoder: Encoder,
    examples: dict[str, Examples],
    folder: Path,
    profile: ProfileTrain = PROFILE,
    *,
    settings: Train = SETTINGS,
    fingerprint: str = "same",
    dropout: float = 0.0,
) -> FinetuneResult:
    device = prepare_device(TINY, 1)
    return finetune(
        load_base(TINY, device), encoder, examples["train"], examples["validation"],
        FinetuneSettings(replace(LORA, dropout=dropout), settings, profile, 1), device,
        Checkpoint(folder, {"code": fingerprint}),
    )  # fmt: skip


def adapter_of(done: FinetuneResult) -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in done.model.named_parameters() if weight.requires_grad}


def mean_loss(encoder: Encoder, model: Any, examples: Examples) -> float:
    with torch.no_grad():
        total = unpacked_loss(model, [examples.encode(i, encoder) for i in range(len(examples.rows))])
    return float(total) / sum(examples.answer_lengths)


@pytest.mark.slow
def test_the_adapter_learns_and_survives_its_folder(
    tmp_path: Path, encoder: Encoder, examples: dict[str, Examples]
) -> None:
    done = tuned(encoder, examples, tmp_path / "part", replace(PROFILE, epochs=8.0))
    losses = [loss for _, loss in done.loss_log.train]
    assert losses[-1] < 0.8 * losses[0]
    assert 0 <= done.padding < 1 and sum(len(timing.samples) for timing in done.timings) == 8 * 8
    done.model.save_pretrained(str(tmp_path / "adapter"))
    device = prepare_device(TINY, 1)
    loaded = load_tuned(TINY, device, tmp_path / "adapter")
    # transformers' own attention over whole chats, not ours, says that the exported adapter has learned
    assert mean_loss(encoder, loaded, examples["train"]) < 0.8 * mean_loss(
        encoder, load_base(TINY, device), examples["train"]
    )
    assert done.loss_log.validation[-1][1] == pytest.approx(
        mean_loss(encoder, loaded, examples["validation"]), rel=1e-5
    )


def test_the_first_validation_loss_is_the_base_models(
    tmp_path: Path, encoder: Encoder, examples: dict[str, Examples]
) -> None:
    done = tuned(encoder, examples, tmp_path, replace(PROFILE, epochs=1.0))
    base = mean_loss(encoder, load_base(TINY, prepare_device(TINY, 1)), examples["validation"])
    assert done.loss_log.validation[0] == (0, pytest.approx(base, rel=1e-5))


def test_the_curves_have_their_points(
    tmp_path: Path, encoder: Encoder, examples: dict[str, Examples]
) -> None:
    done = tuned(encoder, examples, tmp_path)
    last = len(done.timings)
    steps = [step for step, _ in done.loss_log.train]
    assert steps == sorted({1, *range(3, last + 1, 3), last})
    assert [step for step, _ in done.loss_log.validation] == [0, *(round(last * i / 4) for i in range(1, 5))]


@pytest.mark.slow
@pytest.mark.parametrize("packed_length", [150, 450])
def test_a_step_is_the_mean_over_its_answer_tokens_however_it_is_packed(
    tmp_path: Path, encoder: Encoder, examples: dict[str, Examples], packed_length: int
) -> None:
    """One step over all samples, in several batches or in one, moves the weights as full-batch AdamW does."""
    profile = replace(PROFILE, epochs=1.0, step_tokens=450, packed_length=packed_length)
    settings = replace(SETTINGS, schedule="constant", warmup_steps=0, weight_decay=0.0)
    done = tuned(encoder, examples, tmp_path, profile, settings=settings)
    assert len(done.timings) == 1
    device = prepare_device(TINY, 1)
    torch.manual_seed(1)
    plain = add_adapter(load_base(TINY, device), LORA)
    weights = {name: weight for name, weight in plain.named_parameters() if weight.requires_grad}
    start = adapter_of(tuned(encoder, examples, tmp_path / "0", replace(profile, learning_rate=1e-30)))
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(start[name])
    train = examples["train"]
    loss = unpacked_loss(plain, [train.encode(i, encoder) for i in range(len(train.rows))])
    (loss / sum(train.answer_lengths)).backward()
    torch.nn.utils.clip_grad_norm_(weights.values(), settings.max_grad_norm)
    for name, weight in adapter_of(done).items():
        if "lora_B" in name:  # lora_A has no gradient before lora_B has moved
            # AdamW's first step is the sign of the gradient, blurred where that is within epsilon of 0.
            gradient = weights[name].grad
            expected = start[name] - profile.learning_rate * gradient / (gradient.abs() + 1e-8)
            assert (weight - expected).norm() < 2e-3 * (weight - start[name]).norm(), name


@pytest.mark.slow
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_stopped_run_resumes_to_the_same_bits(
    tmp_path: Path,
    encoder: Encoder,
    examples: dict[str, Examples],
    monkeypatch: pytest.MonkeyPatch,
    dropout: float,
) -> None:
    whole = tuned(encoder, examples, tmp_path / "whole", dropout=dropout)
    mark_complete = Checkpoint.mark_complete

    class StoppedError(Exception):
        pass

    def stop_before_the_third(self: Checkpoint, step: int, loss_log: dict[str, Any]) -> None:
        if step == 6:  # the trainer's part of this one is written, and has to be ignored
            raise StoppedError
        mark_complete(self, step, loss_log)

    monkeypatch.setattr(Checkpoint, "mark_complete", stop_before_the_third)
    with pytest.raises(StoppedError):
        tuned(encoder, examples, tmp_path / "part", dropout=dropout)
    monkeypatch.undo()
    resumed = tuned(encoder, examples, tmp_path / "part", dropout=dropout)
    assert len(resumed.timings) == len(whole.timings) - 4 > 0
    assert resumed.loss_log == whole.loss_log
    expected = adapter_of(whole)
    for name, weight in adapter_of(resumed).items():
        assert torch.equal(weight, expected[name]), name


def test_a_change_of_code_params_or_data_restarts_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "schematic_reader.training.checkpoint")
    same = {"code": "1", "params": "1", "data": "1"}
    first = Checkpoint(tmp_path / "part", same)
    first.open()
    assert first.load() is None
    for step in (5, 7, 100):
        (first.folder / f"checkpoint-{step}").mkdir()
        first.mark_complete(step, {"x": [0.1]})
    (first.folder / "checkpoint-100" / "complete.json").unlink()
    again = Checkpoint(tmp_path / "part", same)
    again.open()
    assert again.load() == SavedState(first.folder / "checkpoint-7", 7, {"x": [0.1]})
    assert caplog.messages == []
    other = Checkpoint(tmp_path / "part", {"code": "2", "params": "1", "data": "2"})
    other.open()
    assert other.load() is None
    assert caplog.messages == [
        "training restarts: an earlier run stopped after step 7, but these have changed since: code, data"
    ]
    other.clear()
    assert not other.folder.exists()


def test_a_checkpoint_of_version_0_1_restarts_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = tmp_path / "part" / "checkpoint-7"
    old.mkdir(parents=True)
    (old / "whole.json").write_text('{"train": [[1, 0.5]], "validation": [], "since": [0.1, 3]}')
    (tmp_path / "part" / "run.json").write_text('{"code": "1", "params": "1"}')
    checkpoint = Checkpoint(tmp_path / "part", {"code": "2", "params": "1"})
    checkpoint.open()
    assert checkpoint.load() is None and not old.exists()
    (line,) = caplog.messages
    assert line.startswith(f"training restarts: the checkpoints in {tmp_path / 'part'} are of version 0.1")
    assert "check out the commit that started it" in line


def test_a_loss_that_is_not_finite_names_the_sheets_of_its_batch() -> None:
    loss_log = LossLog(logging_steps=10, last_step=3)
    loss_log.record(1, torch.tensor([2.0, 4.0]), [("a",), ("b",)], 3)
    loss_log.record(2, torch.tensor([2.0, float("nan")]), [("a", "b"), ("c", "d")], 3)
    with pytest.raises(UserError, match=r"the loss is nan in step 2 on the sheets c, d: lower"):
        loss_log.flush()
    assert loss_log.train == [(1, 2.0)]
    with pytest.raises(UserError, match="the validation loss is inf after step 2: lower"):
        loss_log.record_validation(2, float("inf"))


def test_a_diverging_run_stops_before_an_adapter_is_left(
    tmp_path: Path, encoder: Encoder, examples: dict[str, Examples]
) -> None:
    settings = replace(SETTINGS, warmup_steps=0)
    with pytest.raises(UserError, match="the loss is nan in step 2 on the sheets train0"):
        tuned(encoder, examples, tmp_path, replace(PROFILE, learning_rate=1e38), settings=settings)


def test_out_of_memory_is_one_line_that_names_the_length(
    tmp_path: Path, encoder: Encoder, examples: dict[str, Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = PackedLoss._run_layer

    def full(self: PackedLoss, index: int, *rest: Any) -> torch.Tensor:
        if index == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total")
        return layer(self, index, *rest)

    monkeypatch.setattr(PackedLoss, "_run_layer", full)
    with pytest.raises(UserError, match="Set the profile's train.packed_length to ") as caught:
        tuned(encoder, examples, tmp_path)
    assert "\n" not in str(caught.value) and "Tried to allocate 2.00 GiB" in str(caught.value)


@pytest.mark.parametrize(
    ("tokens", "done", "used", "available", "fits"),
    [
        (8192, 18, 30, 40, 4864),  # half the layers held 30, all need 60 of 40
        (8192, 36, 40, 40, 7296),  # in backward, just over: never as much again
        (8192, 0, 0, 40, 4096),  # before the first layer nothing is known
        (300, 36, 40, 40, 256),
        (100, 36, 40, 40, 90),
    ],
)
def test_the_length_that_would_fit(tokens: int, done: int, used: int, available: int, fits: int) -> None:
    assert fitting_length(tokens, done, 36, used=used, available=available) == fits


def test_a_step_shorter_than_a_sheet_is_one_line(
    tmp_path: Path, encoder: Encoder, examples: dict[str, Examples]
) -> None:
    longest = max(*examples["train"].lengths, *examples["validation"].lengths)
    line = f"train.step_tokens is {longest - 1}, but the longest sheet has {longest} tokens: raise it"
    with pytest.raises(UserError, match=line):
        tuned(encoder, examples, tmp_path, replace(PROFILE, step_tokens=longest - 1))


def test_a_spare_batch_has_no_answer_and_no_loss(encoder: Encoder, examples: dict[str, Examples]) -> None:
    device = prepare_device(TINY, 1)
    base = load_base(TINY, device)
    dataset = PackedDataset(examples["train"], encoder, [(0,), ()], device, base.config.vision_config)
    sheet, spare = dataset.collate([{"numbers": [0, 1]}])["batches"]
    assert sheet.sheet_ids == ("train0000",) and spare.sheet_ids == () and not spare.cache_features
    packed_loss = PackedLoss(add_adapter(base, LORA))
    assert packed_loss(sheet) > 0
    loss = packed_loss(spare)
    loss.backward()
    assert loss == 0
    gradients = [weight.grad for weight in packed_loss.model.parameters() if weight.requires_grad]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)


def test_a_sheet_over_the_packed_length_is_dropped_whole_and_named(tmp_path: Path, encoder: Encoder) -> None:
    rows = message_rows(tmp_path, 6)
    sheets = SheetImages(tmp_path, "train", LIMITS)
    lengths = {row["id"]: sum(encoder.sample_lengths([sheets.size(row)], row["messages"])) for row in rows}
    limit = sorted(lengths.values())[3]
    chosen = select_examples(rows, sheets, encoder, max_length=limit, max_sheets=100)
    assert {row["id"] for row in chosen.rows} == {key for key, length in lengths.items() if length <= limit}
    assert chosen.dropped == [key for key, length in sorted(lengths.items()) if length > limit] != []
    assert chosen.lengths == [lengths[row["id"]] for row in chosen.rows]
    samples = [chosen.encode(i, encoder) for i in range(len(chosen.rows))]
    assert chosen.answer_lengths == [int((one.labels != -100).sum()) for one in samples]


def test_of_a_sheet_that_is_cut_the_tiles_are_trained_on(tmp_path: Path, encoder: Encoder) -> None:
    whole, cut, unplaced, last = message_rows(tmp_path, 4)
    tiles = [cut | {"tile": number, "tiles": 6} for number in (0, 2, 10)]
    rows = [last, *reversed(tiles), cut | {"tiles": 6}, unplaced | {"tiles": 6}, whole]
    sheets = SheetImages(tmp_path, "train", LIMITS)
    limit = max(sum(encoder.sample_lengths([sheets.size(row)], row["messages"])) for row in rows)

    def chosen(most: int) -> list[str]:
        return [sample_id(row) for row in selected(most).rows]

    def selected(most: int) -> Examples:
        return select_examples(rows, sheets, encoder, max_length=limit, max_sheets=most)

    ids = [whole["id"], *[f"{cut['id']}-{number}" for number in (0, 2, 10)], last["id"]]
    assert chosen(3) == chosen(9) == ids
    assert chosen(2) == ids[:4] and chosen(1) == ids[:1]
    assert [selected(most).count_sheets() for most in (1, 2, 3)] == [1, 2, 3]
    device = prepare_device(TINY, 1)
    config = load_base(TINY, device).config.vision_config
    batch = PackedDataset(selected(3), encoder, [(1, 2)], device, config).batch(0)
    assert batch.sheet_ids == tuple(ids[1:3])  # each tile has image features of its own in the cache


def test_the_adapter_is_on_the_seven_projections_of_the_language_model_only() -> None:
    adapted = add_adapter(load_base(TINY, prepare_device(TINY, 1)), LORA)
    layers = adapted.config.text_config.num_hidden_layers
    trained = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    assert len(trained) == 2 * 7 * layers
    assert all(".language_model." in name for name in trained)


def test_rank_stabilized_and_dora_are_what_peft_has() -> None:
    model = load_base(TINY, prepare_device(TINY, 1))
    adapted = add_adapter(model, replace(LORA, rank_stabilized=True, dora=True))
    config = adapted.peft_config["default"]
    assert config.use_rslora and config.use_dora
    layer = adapted.get_base_model().model.language_model.layers[0].self_attn.q_proj
    assert layer.scaling["default"] == LORA.alpha / LORA.r**0.5
    assert any("magnitude" in name for name, weight in adapted.named_parameters() if weight.requires_grad)

"""Loading, fine-tuning and asking, with the small model in float32 on the CPU."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT
from PIL import Image, ImageDraw
from transformers import AutoTokenizer, GenerationConfig

from stages.config import Image as Limits
from stages.config import Lora, Model, load_params
from stages.store.errors import UserError
from stages.store.tables import CLEAN, write_rows
from stages.tasks.messages import chat
from stages.vlm import finetune
from stages.vlm.device import prepare_device
from stages.vlm.encode import IGNORED, Encoder, collate
from stages.vlm.generate import answer_sheets
from stages.vlm.load import load_base, load_processor, load_tuned
from stages.vlm.sheets import Sheets

TINY = Model(base=str(ROOT / "models" / "tiny"), revision=None, dtype="float32", device="cpu", batch_size=4)
LIMITS = Limits(max_side=1024, max_pixels=1024 * 1024)


def message_rows(folder: Path, count: int, split: str = "train") -> list[dict[str, Any]]:
    """Sheets with a word on them, of several sizes, as a clean split; returns their message rows."""
    clean, rows = [], []
    for i in range(count):
        generator = random.Random(f"{split}:{i}")
        size = (64 + 32 * generator.randrange(4), 64 + 32 * generator.randrange(3))
        image = Image.new("RGB", size, "white")
        ImageDraw.Draw(image).text((4, 4), f"R{i}", fill="black")
        data = io.BytesIO()
        image.save(data, "PNG")
        target = ", ".join(["R", "C", "GND", "LED"][: 1 + generator.randrange(4)])
        base = {"id": f"{split}{i:04d}", "name": f"owner/project{i}"}
        clean.append(
            base
            | {"description": "", "type": ".kicad_sch", "image": data.getvalue(), "width": size[0]}
            | {"height": size[1], "components": target.split(", "), "json": "{}", "yaml": "", "schematic": ""}
        )
        rows.append(
            base
            | {"part": "part-00.parquet", "row": i, "prompt": "Which parts?", "target": target}
            | {"messages": chat("Which parts?", target)}
        )
    write_rows(folder / split / "part-00.parquet", CLEAN, clean)
    return rows


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_processor(TINY.base, None))


def test_batched_answers_equal_the_plain_loop(tmp_path: Path, encoder: Encoder) -> None:
    rows = message_rows(tmp_path, 5)
    sheets = Sheets(tmp_path, "train", LIMITS)
    model: Any = load_base(TINY, prepare_device(TINY, 1))
    answers = answer_sheets(model, encoder, sheets, rows, batch_size=3, max_new_tokens=12)
    for row, answer in zip(rows, answers, strict=True):
        prompt = encoder.encode_prompt([sheets.picture(row)], row["messages"])
        one = collate([prompt], encoder.pad_id, side="left")
        del one["labels"]
        config = GenerationConfig(
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=encoder.end_of_turn_id,
            pad_token_id=encoder.pad_id,
        )
        ids = model.generate(**one, generation_config=config)[0, one["input_ids"].shape[1] :].tolist()
        stopped = encoder.end_of_turn_id in ids
        assert answer.finish == ("stop" if stopped else "length")
        assert answer.tokens == len(ids) - stopped
        assert answer.text == encoder.tokenizer.decode(ids, skip_special_tokens=True).strip()


def test_the_adapter_learns_survives_its_folder_and_leaves_the_vision_tower_alone(
    tmp_path: Path, encoder: Encoder
) -> None:
    params = load_params(ROOT / "params.yaml")
    limits = {"max_length": 512, "max_sheets": 8}
    train, validation = (
        finetune.choose_examples(
            message_rows(tmp_path, count, split), Sheets(tmp_path, split, LIMITS), encoder, **limits
        )
        for split, count in (("train", 8), ("validation", 2))
    )
    device = prepare_device(TINY, 1)
    profile = params.profiles["sample"].train
    profile = type(profile)(**{**vars(profile), "epochs": 6.0, "batch_size": 4, "learning_rate": 5e-3})
    settings = type(params.train)(**{**vars(params.train), "logging_steps": 1, "warmup_steps": 1})
    curve = finetune.finetune(
        load_base(TINY, device), encoder, train, validation,
        lora=params.lora, settings=settings, profile=profile, device=device, seed=1, out=tmp_path / "adapter",
    )  # fmt: skip
    assert curve.train[-1][1] < 0.8 * curve.train[0][1]
    names = (tmp_path / "adapter" / "adapter_model.safetensors").read_bytes()
    assert b"language_model" in names and b"visual" not in names
    sheets = train.sheets
    base, tuned = load_base(TINY, device), load_tuned(TINY, device, tmp_path / "adapter")
    batch = collate(
        [encoder.encode_sample([sheets.picture(row)], row["messages"]) for row in train.rows],
        encoder.pad_id,
        side="right",
    )
    assert loss(tuned, batch) < 0.8 * loss(base, batch)
    assert load_processor(str(tmp_path / "adapter"), None).image_token == encoder.processor.image_token


def loss(model: Any, batch: dict[str, torch.Tensor]) -> float:
    """Mean negative log-likelihood of the labelled tokens, in float64 and by hand."""
    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    with torch.no_grad():
        logits = model(**inputs).logits[:, :-1].double()
    labels = batch["labels"][:, 1:]
    picked = torch.log_softmax(logits, -1).gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return float(-picked[labels != IGNORED].mean())


def test_the_first_validation_loss_is_the_base_models(tmp_path: Path, encoder: Encoder) -> None:
    """Before the first step the adapter is zero, so TRL's loss has to equal ours on the unchanged base."""
    params = load_params(ROOT / "params.yaml")
    rows = message_rows(tmp_path, 4, "validation")
    examples = finetune.choose_examples(
        rows, Sheets(tmp_path, "validation", LIMITS), encoder, max_length=512, max_sheets=4
    )
    device = prepare_device(TINY, 1)
    profile = params.profiles["sample"].train
    profile = type(profile)(**{**vars(profile), "epochs": 1.0, "batch_size": 4})
    curve = finetune.finetune(
        load_base(TINY, device), encoder, examples, examples,
        lora=params.lora, settings=params.train, profile=profile, device=device, seed=1, out=tmp_path / "out",
    )  # fmt: skip
    batch = collate(
        [encoder.encode_sample([examples.sheets.picture(row)], row["messages"]) for row in examples.rows],
        encoder.pad_id,
        side="right",
    )
    assert curve.validation[0] == (0, pytest.approx(loss(load_base(TINY, device), batch), rel=1e-5))


def test_lora_takes_the_seven_projections_of_the_language_model_only() -> None:
    from peft import get_peft_model

    lora = Lora(
        r=4,
        alpha=8,
        dropout=0.0,
        target_modules=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    )
    base: Any = load_base(TINY, prepare_device(TINY, 1))
    layers = base.config.text_config.num_hidden_layers
    adapted = get_peft_model(base, finetune.lora_config(lora))
    trained = [name for name, parameter in adapted.named_parameters() if parameter.requires_grad]
    assert len(trained) == 2 * 7 * layers
    assert all(".language_model." in name for name in trained)


def test_a_sample_over_the_limit_is_dropped_whole_and_counted(tmp_path: Path, encoder: Encoder) -> None:
    rows = message_rows(tmp_path, 6)
    sheets = Sheets(tmp_path, "train", LIMITS)
    lengths = {row["id"]: encoder.length([sheets.size(row)], row["messages"]) for row in rows}
    limit = sorted(lengths.values())[3]
    chosen = finetune.choose_examples(rows, sheets, encoder, max_length=limit, max_sheets=100)
    assert {row["id"] for row in chosen.rows} == {key for key, length in lengths.items() if length <= limit}
    assert chosen.dropped == sum(length > limit for length in lengths.values()) > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_profile_without_a_gpu_is_one_line() -> None:
    with pytest.raises(UserError, match="needs a CUDA GPU.*profile: sample"):
        prepare_device(load_params(ROOT / "params.yaml").profiles["open-schematics"].model, 1)


def test_a_missing_model_names_the_folder(tmp_path: Path) -> None:
    missing = Model(base=str(tmp_path / "none"), revision=None, dtype="float32", device="cpu", batch_size=1)
    with pytest.raises(UserError, match="model.base"):
        load_processor(missing.base, None)
    with pytest.raises(UserError, match="model.base"):
        load_base(missing, prepare_device(missing, 1))


def test_a_model_without_an_image_token_is_one_line(tmp_path: Path) -> None:
    AutoTokenizer.from_pretrained(TINY.base).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="no image token|no processor"):
        load_processor(str(tmp_path), None)


def test_a_missing_adapter_names_the_stage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="dvc repro train"):
        load_tuned(TINY, prepare_device(TINY, 1), tmp_path)

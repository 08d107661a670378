"""Loading and generation, with the small model in float32 on the CPU."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, GenerationConfig

from schematic_reader.cli import UserError
from schematic_reader.config import Model, load_params
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder, collate
from schematic_reader.model.load import load_base, load_processor, load_tuned
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.training.adapter import add_adapter
from tests.support.answering import answerer
from tests.support.paths import ROOT
from tests.support.sheet_samples import LIMITS, LORA, TINY, message_rows


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_processor(TINY.base, None))


def test_batched_answers_equal_the_plain_loop(tmp_path: Path, encoder: Encoder) -> None:
    rows = message_rows(tmp_path, 5)
    sheets = SheetImages(tmp_path, "train", LIMITS)
    model: Any = load_base(TINY, prepare_device(TINY, 1))
    answers = answerer(model, encoder, batch_size=3, max_new_tokens=12).answer(sheets, rows)
    for row, answer in zip(rows, answers, strict=True):
        prompt = encoder.encode_prompt([sheets.picture(row)], row["messages"])
        one = collate([prompt], encoder.pad_id, padding_side="left")
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


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_profile_without_a_gpu_is_one_line() -> None:
    with pytest.raises(UserError, match="needs a CUDA GPU.*profile: sample"):
        prepare_device(load_params(ROOT / "params.yaml").profiles["open-schematics"].model, 1)


def test_a_missing_model_names_the_folder(tmp_path: Path) -> None:
    missing = Model(
        base=str(tmp_path / "none"),
        revision=None,
        dtype="float32",
        matmul="highest",
        device="cpu",
        batch_size=1,
    )
    with pytest.raises(UserError, match="model.base"):
        load_processor(missing.base, None)
    with pytest.raises(UserError, match="model.base"):
        load_base(missing, prepare_device(missing, 1))


def test_a_model_without_an_image_token_is_one_line(tmp_path: Path) -> None:
    AutoTokenizer.from_pretrained(TINY.base).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="no image token|no processor"):
        load_processor(str(tmp_path), None)


@pytest.mark.parametrize("size", [0, 7, 5000, -1])
def test_a_cut_shard_of_the_base_is_one_line(tmp_path: Path, size: int) -> None:
    shutil.copytree(TINY.base, tmp_path / "base")
    shard = max((tmp_path / "base").glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:size])
    base = replace(TINY, base=str(tmp_path / "base"))
    with pytest.raises(UserError, match=r"no vision-language model could be loaded .* check the folder"):
        load_base(base, prepare_device(base, 1))


DEEP = "[" * 200_000 + "]" * 200_000


@pytest.mark.parametrize("content", [DEEP, f'{{"model": {DEEP}}}', "{", '{"model": {"type": "none"}}', "\0"])
@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "processor_config.json"])
def test_a_hostile_file_of_a_processor_is_one_line(tmp_path: Path, name: str, content: str) -> None:
    for file in Path(TINY.base).iterdir():
        if file.suffix != ".safetensors":
            shutil.copy(file, tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=r"no processor could be loaded|no image token") as caught:
        load_processor(str(tmp_path), None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [DEEP, f'{{"text_config": {DEEP}}}', "{", "[]", "\0"])
def test_a_hostile_config_of_a_base_is_one_line(tmp_path: Path, content: str) -> None:
    base = replace(TINY, base=str(tmp_path))
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"no vision-language model could be loaded"):
        load_base(base, prepare_device(base, 1))


def test_a_missing_adapter_names_the_stage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="dvc repro train"):
        load_tuned(TINY, prepare_device(TINY, 1), tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (".model.language_model.", ".language_model.model."),  # other names of the same layers
        (".layers.0.", ".layers.99."),  # a layer that the base model has not
    ],
)
def test_an_adapter_for_other_layers_is_one_line(tmp_path: Path, old: str, new: str) -> None:
    """PEFT alone would warn and go on with the base model."""
    device = prepare_device(TINY, 1)
    add_adapter(load_base(TINY, device), LORA).save_pretrained(str(tmp_path))
    load_tuned(TINY, device, tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    save_file({name.replace(old, new): weight for name, weight in load_file(path).items()}, path)
    with pytest.raises(UserError, match="weights for other layers than .* run `dvc repro train`") as caught:
        load_tuned(TINY, device, tmp_path)
    assert "\n" not in str(caught.value)


def test_an_adapter_without_safetensors_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match=r"has no adapter_model.safetensors: run `dvc repro train`"):
        load_tuned(TINY, prepare_device(TINY, 1), tmp_path)


def test_float32_matmuls_have_the_precision_of_the_profile() -> None:
    before = torch.get_float32_matmul_precision()
    try:
        prepare_device(replace(TINY, matmul="medium"), 1)
        assert torch.get_float32_matmul_precision() == "medium"
        prepare_device(TINY, 1)
        assert torch.get_float32_matmul_precision() == "highest"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("load", ["processor", "model"])
def test_code_in_a_folder_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: str) -> None:
    """Not even where somebody would answer yes to transformers' question."""
    folder, proof = tmp_path / "model", tmp_path / "was-run"
    folder.mkdir()
    (folder / "payload.py").write_text(f"open({str(proof)!r}, 'w').close()\nclass Payload: pass\n")
    classes = ("AutoConfig", "AutoProcessor", "AutoModelForImageTextToText")
    config = {"model_type": "payload", "auto_map": dict.fromkeys(classes, "payload.Payload")}
    for name in ("config.json", "processor_config.json", "tokenizer_config.json"):
        (folder / name).write_text(json.dumps(config))
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    with pytest.raises(UserError, match="could be loaded from"):
        if load == "processor":
            load_processor(str(folder), None)
        else:
            load_base(replace(TINY, base=str(folder)), prepare_device(TINY, 1))
    assert not proof.exists()

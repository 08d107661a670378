"""Answers of the small model to a few small sheets, in float32 on the CPU, against plain loops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import GenerationConfig

from schematic_reader.config import load_params
from schematic_reader.generation.answerer import open_answerer
from schematic_reader.generation.prompts import GREY
from schematic_reader.model.device import float32_matmul, prepare_device
from schematic_reader.model.encode import Encoder, collate
from schematic_reader.model.load import load_base
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.tasks import task
from tests.support.answering import LIMITS, ROWS, TINY, Ask, Rows, answerer, drawn, write_sheets
from tests.support.paths import ROOT as PROJECT

EVALUATE = replace(load_params(PROJECT / "params.yaml").evaluate, max_new_tokens=8)


def test_answers_without_images_are_those_to_grey_sheets(
    tmp_path: Path, rows: Rows, model: Any, encoder: Encoder, ask: Ask
) -> None:
    grey = write_sheets(tmp_path, [Image.new("RGB", drawn(i).size, GREY) for i in range(ROWS)])
    shown = answerer(model, encoder).answer(SheetImages(tmp_path, "test", LIMITS), grey)
    assert ask(rows[1], with_image=False) == shown


def prompt(rows: Rows, encoder: Encoder, row: dict[str, Any]) -> dict[str, torch.Tensor]:
    sheets = SheetImages(rows[0], "test", LIMITS)
    batch = collate(
        [encoder.encode_prompt([sheets.picture(row)], row["messages"])], encoder.pad_id, padding_side="left"
    )
    del batch["labels"]
    return batch


def test_beams_in_batches_equal_a_beam_search_of_each_alone(
    rows: Rows, model: Any, encoder: Encoder, ask: Ask
) -> None:
    config = GenerationConfig(
        max_new_tokens=8, num_beams=3, do_sample=False, eos_token_id=encoder.end_of_turn_id,
        pad_token_id=encoder.pad_id,
    )  # fmt: skip
    alone = []
    for row in rows[1]:
        batch = prompt(rows, encoder, row)
        ids = model.generate(**batch, generation_config=config)[0, batch["input_ids"].shape[1] :]
        alone.append(encoder.tokenizer.decode(ids, skip_special_tokens=True).strip())
    assert [answer.text for answer in ask(rows[1], num_beams=3)] == alone


@torch.inference_mode()
def test_repetition_penalty_by_hand(rows: Rows, model: Any, encoder: Encoder, ask: Ask) -> None:
    """Step by step without a cache: tokens of the answer so far, and of nothing else, are penalised."""
    row, ids = rows[1][0], []
    batch = prompt(rows, encoder, row)
    for _ in range(8):
        new = torch.tensor([ids], dtype=torch.int64)
        whole = batch | {
            "input_ids": torch.cat([batch["input_ids"], new], dim=1),
            "attention_mask": torch.cat([batch["attention_mask"], torch.ones_like(new)], dim=1),
            "mm_token_type_ids": torch.cat([batch["mm_token_type_ids"], torch.zeros_like(new)], dim=1),
        }
        scores = model(**whole).logits[0, -1].double()
        for token in set(ids):
            scores[token] = scores[token] / 50 if scores[token] > 0 else scores[token] * 50
        ids.append(int(scores.argmax()))
        if ids[-1] == encoder.end_of_turn_id:
            break
    expected = encoder.tokenizer.decode(ids, skip_special_tokens=True).strip()
    (answer,) = ask([row], repetition_penalty=50.0)
    assert answer.text == expected
    assert len(set(ids)) == len(ids)


@torch.inference_mode()
@pytest.mark.parametrize("penalty", [1.0, 5.0])
def test_probabilities_are_those_of_the_whole_answer_in_one_pass(
    rows: Rows, model: Any, encoder: Encoder, ask: Ask, penalty: float
) -> None:
    """Without a cache; a penalty changes which tokens are chosen, not what the model held of them."""
    for row, answer in zip(rows[1], ask(rows[1], repetition_penalty=penalty), strict=True):
        ids = encoder.tokenizer(answer.text, add_special_tokens=False)["input_ids"]
        ids += [encoder.end_of_turn_id] * (answer.finish == "stop")
        batch = prompt(rows, encoder, row)
        new = torch.tensor([ids], dtype=torch.int64)
        whole = batch | {
            "input_ids": torch.cat([batch["input_ids"], new], dim=1),
            "attention_mask": torch.cat([batch["attention_mask"], torch.ones_like(new)], dim=1),
            "mm_token_type_ids": torch.cat([batch["mm_token_type_ids"], torch.zeros_like(new)], dim=1),
        }
        logits = model(**whole).logits[0, -len(ids) - 1 : -1].double()
        expected = torch.softmax(logits, dim=-1)[range(len(ids)), ids]
        assert answer.probabilities == pytest.approx(expected.tolist(), abs=1e-5)
        pieces = [encoder.tokenizer.decode(ids[: i + 1], skip_special_tokens=True) for i in range(len(ids))]
        assert answer.ends == [len(piece.lstrip()) for piece in pieces]


def one_at_a_time(
    rows: Rows, model: Any, encoder: Encoder, row: dict[str, Any], most: int
) -> tuple[str, str]:
    """Text and finish by a plain loop: every step a pass over the whole text so far, without a cache."""
    batch, ids = prompt(rows, encoder, row), list[int]()
    while len(ids) < most:
        new = torch.tensor([ids], dtype=torch.int64)
        whole = batch | {
            "input_ids": torch.cat([batch["input_ids"], new], dim=1),
            "attention_mask": torch.cat([batch["attention_mask"], torch.ones_like(new)], dim=1),
            "mm_token_type_ids": torch.cat([batch["mm_token_type_ids"], torch.zeros_like(new)], dim=1),
        }
        token = int(model(**whole).logits[0, -1].argmax())
        if token == encoder.end_of_turn_id:
            return encoder.tokenizer.decode(ids, skip_special_tokens=True).strip(), "stop"
        ids.append(token)
    return encoder.tokenizer.decode(ids, skip_special_tokens=True).strip(), "length"


@torch.inference_mode()
@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_answers_of_many_at_once_equal_a_plain_loop_of_each_alone(
    rows: Rows, model: Any, encoder: Encoder, ask: Ask, batch_size: int
) -> None:
    """Slots are filled again, and the last ones stay empty."""
    expected = [one_at_a_time(rows, model, encoder, row, 12) for row in rows[1]]
    found = ask(rows[1], batch_size=batch_size, max_new_tokens=12)
    assert [(answer.text, answer.finish) for answer in found] == expected
    assert len({text for text, _ in expected}) > 1


@pytest.mark.parametrize(
    ("native", "matmul", "dtype"),
    [
        (True, "medium", torch.bfloat16),
        (True, "high", torch.float32),
        (False, "medium", torch.float32),
    ],
)
def test_pictures_are_encoded_in_bfloat16_where_the_cpu_has_it(
    native: bool, matmul: Any, dtype: torch.dtype, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})
    with float32_matmul("highest"):  # the setting of the process is back after this
        asked = open_answerer(replace(TINY, matmul=matmul), task("components"), EVALUATE, seed=1)
        loaded = asked.load()
        answers = asked.answer(SheetImages(rows[0], "test", LIMITS), rows[1])
    assert {weight.dtype for weight in loaded.model.visual.parameters()} == {dtype}
    assert {weight.dtype for weight in loaded.model.language_model.parameters()} == {torch.float32}
    assert len(answers) == ROWS and any(answer.text for answer in answers)


def test_a_model_that_somebody_else_has_keeps_its_precision(
    rows: Rows, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one under training, which answers meanwhile."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    lent: Any = load_base(TINY, prepare_device(TINY, 1))
    with float32_matmul("medium"):
        answerer(lent, encoder).answer(SheetImages(rows[0], "test", LIMITS), rows[1])
    assert {weight.dtype for weight in lent.parameters()} == {torch.float32}


def test_no_number_of_sheets_compiles_layers_on_a_cpu() -> None:
    asked = open_answerer(TINY, task("components"), EVALUATE, seed=1)
    assert asked.settings.compile_from is None

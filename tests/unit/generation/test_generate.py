"""Asking the small model about a few small sheets, in float32 on the CPU."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw
from transformers import GenerationConfig

from schematic_reader.config import Image as Limits
from schematic_reader.config import Model
from schematic_reader.generation.asking import GREY
from schematic_reader.generation.generate import answer_sheets
from schematic_reader.generation.journal import Journal
from schematic_reader.io.tables import CLEAN, write_rows
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder, collate
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.sheets import Sheets
from schematic_reader.tasks.messages import chat
from tests.support.paths import ROOT

TINY = Model(
    base=str(ROOT / "models" / "tiny"),
    revision=None,
    dtype="float32",
    matmul="highest",
    device="cpu",
    batch_size=2,
)
LIMITS = Limits(max_side=256, max_pixels=65536)
ROWS = 5


def write_sheets(folder: Path, pictures: list[Image.Image]) -> list[dict[str, Any]]:
    """A clean split ``test`` of these pictures; returns the message rows, each with a prompt of its own."""
    clean, rows = [], []
    for i, picture in enumerate(pictures):
        data = io.BytesIO()
        picture.save(data, "PNG")
        clean.append(
            dict.fromkeys(CLEAN.names, None)
            | {"id": f"{i}", "image": data.getvalue(), "width": picture.width, "height": picture.height}
        )
        prompt = f"Which parts are on sheet {'of this project ' * i}{i}?"
        rows.append({"id": f"{i}", "part": "part-00.parquet", "row": i, "messages": chat(prompt, "R")})
    write_rows(folder / "test" / "part-00.parquet", CLEAN, clean)
    return rows


def drawn(i: int) -> Image.Image:
    picture = Image.new("RGB", (96 + 32 * (i % 3), 96), "white")
    ImageDraw.Draw(picture).text((4, 4), f"R{i} C{i}", fill="black")
    return picture


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("clean")
    return folder, write_sheets(folder, [drawn(i) for i in range(ROWS)])


@pytest.fixture(scope="module")
def ask(rows: tuple[Path, list[dict[str, Any]]]) -> Any:
    model: Any = load_base(TINY, prepare_device(TINY, 1))
    encoder = Encoder(load_processor(TINY.base, None))
    sheets = Sheets(rows[0], "test", LIMITS)
    return partial(answer_sheets, model, encoder, sheets, batch_size=2, max_new_tokens=8)


def test_blind_answers_are_those_about_grey_sheets(
    tmp_path: Path, rows: tuple[Path, list[dict[str, Any]]], ask: Any
) -> None:
    grey = write_sheets(tmp_path, [Image.new("RGB", drawn(i).size, GREY) for i in range(ROWS)])
    model, encoder, _ = ask.args
    shown = answer_sheets(model, encoder, Sheets(tmp_path, "test", LIMITS), grey, **ask.keywords)
    assert ask(rows[1], blind=True) == shown


def prompt(ask: Any, row: dict[str, Any]) -> dict[str, torch.Tensor]:
    _, encoder, sheets = ask.args
    batch = collate(
        [encoder.encode_prompt([sheets.picture(row)], row["messages"])], encoder.pad_id, side="left"
    )
    del batch["labels"]
    return batch


def test_beams_in_batches_equal_a_beam_search_of_each_alone(
    rows: tuple[Path, list[dict[str, Any]]], ask: Any
) -> None:
    model, encoder, _ = ask.args
    config = GenerationConfig(
        max_new_tokens=8, num_beams=3, do_sample=False, eos_token_id=encoder.end_of_turn_id,
        pad_token_id=encoder.pad_id,
    )  # fmt: skip
    alone = []
    for row in rows[1]:
        batch = prompt(ask, row)
        ids = model.generate(**batch, generation_config=config)[0, batch["input_ids"].shape[1] :]
        alone.append(encoder.tokenizer.decode(ids, skip_special_tokens=True).strip())
    assert [answer.text for answer in ask(rows[1], beams=3)] == alone


@torch.inference_mode()
def test_repetition_penalty_by_hand(rows: tuple[Path, list[dict[str, Any]]], ask: Any) -> None:
    """Step by step without a cache: tokens of the answer so far, and of nothing else, are penalised."""
    model, encoder, _ = ask.args
    row, ids = rows[1][0], []
    batch = prompt(ask, row)
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


class Recorded(Sheets):
    """Remembers which sheets were looked at."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "test", LIMITS)
        self.seen: list[str] = []

    def picture(self, row: dict[str, Any]) -> Image.Image:
        self.seen.append(row["id"])
        return super().picture(row)


class Interrupting(Journal):
    """Is interrupted as soon as one batch is kept."""

    def add(self, values: Mapping[str, dict[str, Any]]) -> None:
        super().add(values)
        raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_and_ends_with_the_same_answers(
    tmp_path: Path, rows: tuple[Path, list[dict[str, Any]]], ask: Any
) -> None:
    model, encoder, _ = ask.args
    whole, path = ask(rows[1]), tmp_path / "part" / "answers.jsonl"
    first, second = Recorded(rows[0]), Recorded(rows[0])
    with pytest.raises(KeyboardInterrupt):
        answer_sheets(model, encoder, first, rows[1], **ask.keywords, journal=Interrupting(path, "run"))
    kept = Journal(path, "run")
    assert answer_sheets(model, encoder, second, rows[1], **ask.keywords, journal=kept) == whole
    # Only what has no answer yet is looked at; the first run had begun to look at its second batch.
    assert len(second.seen) == ROWS - 2
    assert sorted(first.seen[:2] + second.seen) == [row["id"] for row in rows[1]]
    # Answers without the picture are kept apart.
    assert ask(rows[1], blind=True, journal=kept) == ask(rows[1], blind=True)
    assert len(kept.values) == 2 * ROWS


@torch.inference_mode()
@pytest.mark.parametrize("penalty", [1.0, 5.0])
def test_probabilities_are_those_of_the_whole_answer_in_one_pass(
    rows: tuple[Path, list[dict[str, Any]]], ask: Any, penalty: float
) -> None:
    """Without a cache; a penalty changes which tokens are chosen, not what the model held of them."""
    model, encoder, _ = ask.args
    for row, answer in zip(rows[1], ask(rows[1], repetition_penalty=penalty), strict=True):
        ids = encoder.tokenizer(answer.text, add_special_tokens=False)["input_ids"]
        ids += [encoder.end_of_turn_id] * (answer.finish == "stop")
        batch = prompt(ask, row)
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


def one_at_a_time(ask: Any, row: dict[str, Any], most: int) -> tuple[str, str]:
    """Text and finish by a plain loop: every step a pass over the whole text so far, without a cache."""
    model, encoder, _ = ask.args
    batch, ids = prompt(ask, row), list[int]()
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
@pytest.mark.parametrize("continuous", [False, True])
def test_answers_of_many_at_once_equal_a_plain_loop_of_each_alone(
    rows: tuple[Path, list[dict[str, Any]]], ask: Any, continuous: bool, batch_size: int
) -> None:
    """In padded batches and in slots, of which some are filled again and the last ones stay empty."""
    expected = [one_at_a_time(ask, row, 12) for row in rows[1]]
    found = ask(rows[1], batch_size=batch_size, max_new_tokens=12, continuous=continuous)
    assert [(answer.text, answer.finish) for answer in found] == expected
    assert len({text for text, _ in expected}) > 1

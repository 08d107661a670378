"""A few small sheets and the small model that answers about them, in float32 on the CPU."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw

from schematic_reader.config import ImageLimits, Model
from schematic_reader.generation.answer_cache import AnswerCache
from schematic_reader.generation.answerer import Answerer
from schematic_reader.generation.continuous_batching import generate_continuously
from schematic_reader.generation.grammar import grammar_constraint
from schematic_reader.generation.prompts import PromptBatch
from schematic_reader.generation.settings import Decoding, GeneratedTokens, GenerationSettings
from schematic_reader.generation.static_batching import generate_in_static_batches
from schematic_reader.io.tables import CLEAN, write_rows
from schematic_reader.model.encode import Encoder
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.tasks.contract import ModelAnswer
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
LIMITS = ImageLimits(max_side=256, max_pixels=65536)
ROWS = 5

Rows = tuple[Path, list[dict[str, Any]]]
"""The folder of clean splits, and the message rows of its split ``test``."""

Ask = Callable[..., list[ModelAnswer]]
"""Answers message rows with the given ``GenerationSettings``, and ``with_image``."""


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
    """A small sheet with two references on it."""
    picture = Image.new("RGB", (96 + 32 * (i % 3), 96), "white")
    ImageDraw.Draw(picture).text((4, 4), f"R{i} C{i}", fill="black")
    return picture


def answerer(
    model: Any,
    encoder: Encoder,
    cache: AnswerCache | None = None,
    *,
    batch_size: int = 2,
    max_new_tokens: int = 8,
    **settings: Any,
) -> Answerer:
    """What answers with a loaded model."""
    made = GenerationSettings(batch_size=batch_size, max_new_tokens=max_new_tokens, **settings)
    return Answerer(lambda: model, encoder, made, cache)


def generated_in_static_batches(
    model: Any, encoder: Encoder, rows: Rows, settings: GenerationSettings
) -> list[GeneratedTokens]:
    """The greedy answer to each row by transformers' ``generate``, without probabilities."""
    prompts = PromptBatch(encoder, SheetImages(rows[0], "test", LIMITS), rows[1])
    order, size = prompts.longest_first(), settings.batch_size
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    decoding = _decoding(encoder, settings)
    with torch.inference_mode():
        return _in_order(generate_in_static_batches(model, prompts, batches, decoding), decoding.stop_ids)


def generated_continuously(
    model: Any, encoder: Encoder, rows: Rows, settings: GenerationSettings
) -> list[GeneratedTokens]:
    """The answer to each row by the slots of a KV cache."""
    prompts = PromptBatch(encoder, SheetImages(rows[0], "test", LIMITS), rows[1])
    decoding = _decoding(encoder, settings)
    with torch.inference_mode():
        found = generate_continuously(
            model,
            prompts,
            prompts.longest_first(),
            decoding,
            answered=(),
            max_new_tokens=lambda _: settings.max_new_tokens,
            resumable=False,
        )
        return _in_order(found, decoding.stop_ids)


def _decoding(encoder: Encoder, settings: GenerationSettings) -> Decoding:
    constraint = None
    if settings.grammar:
        constraint = grammar_constraint(settings.grammar, encoder, max_new_tokens=settings.max_new_tokens)
    return Decoding(settings, [encoder.end_of_turn_id], encoder.pad_id, constraint)


def _in_order(found: Iterable[dict[int, GeneratedTokens]], stop_ids: Sequence[int]) -> list[GeneratedTokens]:
    """By number of the row, without the padding behind the token that ends an answer."""
    answers = {number: answer for some in found for number, answer in some.items()}
    ends = {
        number: next((at + 1 for at, token in enumerate(answer.ids) if token in stop_ids), None)
        for number, answer in answers.items()
    }
    return [replace(answers[number], ids=answers[number].ids[: ends[number]]) for number in sorted(answers)]


class OnePicture:
    """An ``ImageSource`` that has the same picture for every row."""

    def __init__(self, picture: Image.Image) -> None:
        self._picture = picture

    def picture(self, row: dict[str, Any]) -> Image.Image:
        return self._picture

    def size(self, row: dict[str, Any]) -> tuple[int, int]:
        return self._picture.size


class RecordedSheets(SheetImages):
    """The sheets of ``write_sheets``, and the ids of those whose picture was opened."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "test", LIMITS)
        self.opened: list[str] = []

    def picture(self, row: dict[str, Any]) -> Image.Image:
        self.opened.append(row["id"])
        return super().picture(row)

"""The benchmark's recipe against the tutorial's own cells, and the figures of timed steps."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from benchmarks.common.work import Measured, TimedStep
from benchmarks.training.tutorial import LONGEST, _Collator
from schematic_reader.model.sheet_images import SheetImages
from tests.support.sheet_samples import LIMITS, TINY, message_rows


def cells(processor: Any, batch: list[dict[str, Any]]) -> Any:
    """``collate_fn`` as the tutorial prints it; the pictures here are small enough to stay as they are."""
    full_texts = [
        processor.apply_chat_template(ex["messages"], tokenize=False, add_generation_prompt=False)
        for ex in batch
    ]
    prompt_texts = [
        processor.apply_chat_template(ex["messages"][:-1], tokenize=False, add_generation_prompt=True)
        for ex in batch
    ]
    images = [ex["image"].convert("RGB") for ex in batch]
    enc = processor(
        text=full_texts,
        images=images,
        return_tensors="pt",
        padding=True,
        truncation=True,
        max_length=LONGEST,
    )
    input_ids = enc["input_ids"]
    pad_id = processor.tokenizer.pad_token_id
    prompt_ids = processor.tokenizer(
        prompt_texts,
        return_tensors="pt",
        padding=True,
        truncation=True,
        max_length=LONGEST,
        add_special_tokens=False,
    )["input_ids"]
    prompt_lens = (prompt_ids != pad_id).sum(dim=1)
    labels = input_ids.clone()
    bs, seqlen = labels.shape
    for i in range(bs):
        pl = int(prompt_lens[i].item())
        pl = min(pl, seqlen)
        labels[i, :pl] = -100
    labels[labels == pad_id] = -100
    enc["labels"] = labels
    return enc


def test_the_benchmark_trains_on_the_batches_of_the_tutorial(tmp_path: Path) -> None:
    processor = AutoProcessor.from_pretrained(TINY.base)
    rows = message_rows(tmp_path, 6)
    sheets = SheetImages(tmp_path, "train", LIMITS)
    batch = [
        {
            "index": index,
            "image": Image.open(io.BytesIO(sheets.image_bytes(row))),
            "messages": row["messages"],
        }
        for index, row in enumerate(rows)
    ]
    collator = _Collator(processor)
    for start in (0, 2, 4):
        ours, theirs = collator(batch[start : start + 2]), cells(processor, batch[start : start + 2])
        assert type(ours) is type(theirs) and set(ours) == set(theirs)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
        assert (ours["labels"] != -100).any()
    assert collator.batches == [[0, 1], [2, 3], [4, 5]]


def test_a_short_last_step_does_not_change_the_steady_rate() -> None:
    steps = [TimedStep([0, 1, 2, 3], 2.0), TimedStep([4, 5, 6, 7], 2.0), TimedStep([8], 1.5)]
    measured = Measured(steps, 0.0, 0.0, 0.0)
    assert measured.steady_rate == 2
    assert measured.seconds == 5.5 and measured.samples == list(range(9))
    assert len(measured.samples) / measured.seconds == pytest.approx(9 / 5.5)

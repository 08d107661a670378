"""The forward pass for pictures of one size computes what the transformers class computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from pretraining.fast import FixedSizeModel, Grid
from pretraining.train import prefix_of
from tests.support.pretraining import small_model


def test_logits_of_each_slot_are_those_of_a_chat_with_its_question_alone(processor):
    model = small_model().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(5)))
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (96, 168, 3), dtype=np.uint8)) for _ in range(2)]
    chats = [("What is R12?", "resistor"), ("How often is a capacitor drawn?", "17")]
    slots = (48, 64)
    grid = Grid.of(168, 96)
    prefix = prefix_of(processor.tokenizer, grid)
    ids = torch.zeros(2, sum(slots), dtype=torch.int64)
    lengths = []
    for start, (question, answer) in zip((0, slots[0]), chats, strict=True):
        text = f"{question}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>"
        tokens = torch.tensor(processor.tokenizer(text)["input_ids"])
        assert len(tokens) < slots[start > 0]
        ids[:, start : start + len(tokens)] = tokens
        lengths.append((start, len(tokens)))
    fixed = FixedSizeModel(model, grid, prefix, slots)
    pixels = torch.stack([torch.tensor(np.asarray(p)).float() / 127.5 - 1 for p in pictures])
    with torch.no_grad():
        seen, deep = fixed.see(pixels)
        found = fixed.logits(fixed.answer(seen, deep, ids))
        for (question, answer), (start, length) in zip(chats, lengths, strict=True):
            user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
            reply = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
            chat = processor.apply_chat_template([user, reply], tokenize=False)
            inputs = processor(text=[chat] * 2, images=pictures, return_tensors="pt")
            expected = model(**inputs).logits[:, len(prefix) : len(prefix) + length]
            assert expected.std() > 0.01
            torch.testing.assert_close(found[:, start : start + length], expected, atol=2e-5, rtol=1e-4)


def test_a_side_that_is_no_multiple_of_a_cell_is_an_error():
    with pytest.raises(ValueError, match="multiples of 24 px: got 168 x 100"):
        Grid.of(168, 100)

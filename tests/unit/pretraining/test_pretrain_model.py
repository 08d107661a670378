"""What is shipped in models/tiny."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from transformers import AutoProcessor

from pretraining.tokens import CHAT_TOKENS, IMAGE, TURN_END

TINY = Path(__file__).parents[3] / "models" / "tiny"
TOKENIZER = AutoProcessor.from_pretrained(TINY).tokenizer


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_comes_back_unchanged(text):
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    assert TOKENIZER.decode(ids, clean_up_tokenization_spaces=False) == text


def test_tokens_of_the_chat_have_their_ids():
    assert TOKENIZER.convert_tokens_to_ids(list(CHAT_TOKENS)) == list(range(len(CHAT_TOKENS)))
    assert TOKENIZER.eos_token_id == TURN_END
    assert len(TOKENIZER) <= 8192


def test_weights_are_small_and_finite():
    files = sorted(TINY.glob("*.safetensors"))
    assert all(file.stat().st_size <= 15_000_000 for file in files)
    assert sum(file.stat().st_size for file in TINY.iterdir()) <= 34_000_000
    parameters = 0
    for file in files:
        with safe_open(file, "pt") as weights:
            for name in weights.keys():  # noqa: SIM118
                tensor = weights.get_tensor(name)
                assert str(tensor.dtype) == "torch.bfloat16"
                assert tensor.isfinite().all(), name
                parameters += tensor.numel()
    assert parameters <= 16_000_000
    config = json.loads((TINY / "config.json").read_text())
    assert config["architectures"] == ["Qwen3VLForConditionalGeneration"]
    assert config["image_token_id"] == IMAGE


@pytest.mark.parametrize("system", [False, True])
def test_chat_has_the_shape_of_qwen3_vl(system):
    processor = AutoProcessor.from_pretrained(TINY)
    messages = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?\nHow?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "R, C"}]},
    ]
    expected = (
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>What?\nHow?<|im_end|>\n"
        "<|im_start|>assistant\nR, C<|im_end|>\n"
    )
    if system:
        messages.insert(0, {"role": "system", "content": "Be brief."})
        expected = "<|im_start|>system\nBe brief.<|im_end|>\n" + expected
    assert processor.apply_chat_template(messages, tokenize=False) == expected
    opened = processor.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    assert expected == opened + "R, C<|im_end|>\n"

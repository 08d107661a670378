"""What is shipped in models/tiny."""

from __future__ import annotations

import json
import string

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from transformers import AutoProcessor

from pretraining import settings as settings_module
from pretraining.fast import Grid
from pretraining.tokens import IMAGE, MERGE, PATCH, SPECIAL_TOKENS, TURN_END, VOCABULARY
from pretraining.train import prefix_of
from tests.support.paths import ROOT

TINY = ROOT / "models" / "tiny"
TOKENIZER = AutoProcessor.from_pretrained(TINY).tokenizer


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_comes_back_unchanged(text):
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    assert TOKENIZER.decode(ids, clean_up_tokenization_spaces=False) == text


def test_special_tokens_have_their_ids():
    assert TOKENIZER.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(len(SPECIAL_TOKENS)))
    assert TOKENIZER.eos_token_id == TURN_END
    assert len(TOKENIZER) <= VOCABULARY


def test_every_token_can_be_reached():
    """Some text is read as each token: nothing could be learned of one that no text gives."""
    tokenizer = TOKENIZER.backend_tokenizer
    reached = set(range(len(SPECIAL_TOKENS)))
    characters = (chr(code) for code in (*range(0xD800), *range(0xE000, 0x110000)))
    reached.update(tokenizer.encode("".join(char for char in characters if ord(char) % 61 < 2)).ids)
    reached.update(tokenizer.encode("".join(map(chr, range(0x3000)))).ids)
    # Some are steps on the way to a longer word, met in the middle of others.
    before = ("", *string.ascii_lowercase)
    after = ("", *string.ascii_lowercase, *(f"{letter}q" for letter in string.ascii_lowercase))
    unreached = set(range(len(TOKENIZER))) - reached
    for one in unreached:
        text = tokenizer.decode([one])
        assert any(one in tokenizer.encode(f"{a}{text}{b}").ids for a in before for b in after), text


def test_weights_are_small_and_finite():
    files = sorted(TINY.glob("*.safetensors"))
    assert all(file.stat().st_size <= 15_000_000 for file in files)
    assert sum(file.stat().st_size for file in TINY.iterdir()) <= 40_000_000
    parameters = 0
    for file in files:
        with safe_open(file, "pt") as weights:
            for name in weights.keys():  # noqa: SIM118
                tensor = weights.get_tensor(name)
                assert str(tensor.dtype) == "torch.bfloat16"
                assert tensor.isfinite().all(), name
                parameters += tensor.numel()
    assert parameters <= 20_000_000
    config = json.loads((TINY / "config.json").read_text())
    assert config["architectures"] == ["Qwen3VLForConditionalGeneration"]
    assert config["image_token_id"] == IMAGE
    assert config["vision_config"]["patch_size"] == PATCH
    assert config["vision_config"]["spatial_merge_size"] == MERGE


def test_no_two_tokens_have_nearly_the_same_embedding():
    """A token that was never trained lies where it began, beside others of its kind."""
    weights = {}
    for file in sorted(TINY.glob("*.safetensors")):
        with safe_open(file, "pt") as found:
            names = [name for name in found.keys() if "embed_tokens" in name]  # noqa: SIM118
            weights |= {name: found.get_tensor(name) for name in names}
    (table,) = weights.values()
    rows = torch.nn.functional.normalize(table[: len(TOKENIZER)].float(), dim=1)
    cosines = rows @ rows.T - 2 * torch.eye(len(rows))
    worst = divmod(int(cosines.argmax()), len(rows))
    assert cosines.max() < 0.95, (TOKENIZER.convert_ids_to_tokens(list(worst)), float(cosines.max()))


def test_sequences_of_every_shape_are_multiples_of_8():
    """Attention with a mask is fast only for those."""
    settings = settings_module.load(ROOT / "pretraining" / "config.yaml")
    for name, shape in settings.shapes.items():
        prefix = prefix_of(TOKENIZER, Grid.of(shape.width, shape.height))
        assert (len(prefix) + sum(shape.slots)) % 8 == 0, name


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

"""The shown tokens are those that the model's own processor makes, and those with a label have a loss."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from PIL import Image
from transformers import AutoProcessor

from schematic_reader.cli import UserError
from schematic_reader.model.encode import IGNORE_INDEX, Encoder
from schematic_reader.report.tokens import ChatTokens
from schematic_reader.tasks.messages import chat
from tests.support.paths import ROOT

TINY = ROOT / "models" / "tiny"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(AutoProcessor.from_pretrained(TINY))


@pytest.fixture(scope="module")
def tokens() -> ChatTokens:
    return ChatTokens(str(TINY), None)


@pytest.mark.parametrize(
    ("prompt", "answer", "size"),
    [
        ("Which symbols?", "R, C_Small, +3V3", (480, 336)),
        ("a\nb\n", "", (100, 40)),
        ("Grüße 漢字 🔌", "Ω, 漢, <|im_end|>, R", (61, 401)),
    ],
)
def test_as_the_encoder_makes_them(
    encoder: Encoder, tokens: ChatTokens, prompt: str, answer: str, size: tuple[int, int]
) -> None:
    encoded = encoder.encode_sample([Image.new("RGB", size, "white")], chat(prompt, answer))
    shown = tokens.chat(prompt, answer, size)
    assert sum(token.times for token in shown) == len(encoded.input_ids)
    losses = [token.loss for token in shown for _ in range(token.times)]
    assert losses == (encoded.labels != IGNORE_INDEX).tolist()
    special = set(encoder.tokenizer.all_special_ids)
    assert [token.special for token in shown for _ in range(token.times)] == [
        number in special for number in encoded.input_ids.tolist()
    ]
    assert "".join(token.text for token in shown if token.loss) == f"{answer}<|im_end|>"
    assert tokens.lengths([answer, ""]) == [len(encoder.answer_ids(answer)), 1]


def test_pictures_are_counted_as_the_processor_counts_them(encoder: Encoder, tokens: ChatTokens) -> None:
    rng = random.Random(1)
    count = encoder.processor.image_processor.get_number_of_image_patches
    sizes = [(28, 28), (30, 2900), (5000, 4000), (2048, 2048)]
    sizes += [(rng.randint(28, 3000), rng.randint(28, 3000)) for _ in range(300)]
    for width, height in sizes:
        assert tokens.picture_tokens(width, height) == count(height, width) // 4, (width, height)


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("tokenizer.json", None, FileNotFoundError),
        ("tokenizer.json", "{}", ValueError),
        ("tokenizer_config.json", "[]", ValueError),
        ("processor_config.json", "{}", ValueError),
        ("chat_template.jinja", "{{ nothing.at.all }}", UserError),
        ("chat_template.jinja", "{{ messages[0].content[1].text }}", ValueError),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, name: str, text: str | None, error: type[Exception]) -> None:
    for file in TINY.glob("*.js*n*"):
        shutil.copy(file, tmp_path)
    shutil.copy(TINY / "chat_template.jinja", tmp_path)
    if text is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(text)
    with pytest.raises(error):
        ChatTokens(str(tmp_path), None)


def test_layouts_of_models_on_the_hub(tmp_path: Path, tokens: ChatTokens) -> None:
    """The template as JSON or in the tokenizer's settings, the picture's settings in a file of their own."""
    pictures = json.loads((TINY / "processor_config.json").read_text())["image_processor"]
    template = (TINY / "chat_template.jinja").read_text()
    shutil.copy(TINY / "tokenizer.json", tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(pictures))
    settings = json.loads((TINY / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": template}))
    wanted = tokens.chat("a", "b", (480, 336))
    assert ChatTokens(str(tmp_path), None).chat("a", "b", (480, 336)) == wanted
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    assert ChatTokens(str(tmp_path), None).chat("a", "b", (480, 336)) == wanted

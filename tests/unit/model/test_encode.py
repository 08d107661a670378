"""The label mask and the shapes that the model gets, against a tokenization of the whole chat at once."""

from __future__ import annotations

import gzip
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoProcessor, PreTrainedTokenizerFast, Qwen2VLImageProcessor, Qwen3VLProcessor

from schematic_reader.cli import UserError
from schematic_reader.model.encode import IGNORE_INDEX, Encoder, collate
from schematic_reader.tasks.messages import chat
from tests.support.paths import ROOT, shared_folder


def tiny_processor() -> Any:
    return AutoProcessor.from_pretrained(ROOT / "models" / "tiny")


def real_processor(folder: Path) -> Any:
    """Qwen3-VL's processor around the real Qwen3 tokenizer; the chat template is the small model's."""
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "tokenizer.json"
        path.write_bytes(gzip.decompress((folder / "tokenizer.json.gz").read_bytes()))
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(path), pad_token="<|endoftext|>", eos_token="<|im_end|>"
        )
    tiny = tiny_processor()
    image_processor = Qwen2VLImageProcessor(
        patch_size=16,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 65536, "longest_edge": 16777216},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return Qwen3VLProcessor(
        image_processor, tokenizer, tiny.video_processor, chat_template=tiny.chat_template
    )


@pytest.fixture(scope="module", params=["tiny", "qwen3"])
def encoder(request: pytest.FixtureRequest) -> Encoder:
    if request.param == "tiny":
        return Encoder(tiny_processor())
    return Encoder(real_processor(shared_folder("qwen3-tokenizer")))


def picture(width: int, height: int) -> Image.Image:
    generator = random.Random(width * 10_000 + height)
    return Image.frombytes("RGB", (width, height), generator.randbytes(width * height * 3))


def expected(
    encoder: Encoder, pictures: list[Image.Image], messages: list[dict[str, Any]]
) -> tuple[list, list]:
    """Ids and labels by another road: expand the whole chat by hand, tokenize it once, search the turn."""
    text = encoder.processor.apply_chat_template(messages, tokenize=False)
    pieces = text.split("<|image_pad|>")
    assert len(pieces) == len(pictures) + 1
    pixels = encoder.processor.image_processor(images=pictures, return_tensors="pt")
    counts = [int(t * h * w) // 4 for t, h, w in pixels["image_grid_thw"]]
    expanded = pieces[0]
    for count, piece in zip(counts, pieces[1:], strict=True):
        expanded += "<|image_pad|>" * count + piece
    ids = encoder.tokenizer(expanded, add_special_tokens=False)["input_ids"]
    opening = encoder.tokenizer("<|im_start|>assistant\n", add_special_tokens=False)["input_ids"]
    start = max(i for i in range(len(ids)) if ids[i : i + len(opening)] == opening) + len(opening)
    end = ids.index(encoder.tokenizer.convert_tokens_to_ids("<|im_end|>"), start) + 1
    labels = [IGNORE_INDEX] * start + ids[start:end]
    return ids[:end], labels


@settings(max_examples=12, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(40, 400), st.integers(40, 400)), min_size=1, max_size=3),
    target=st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40),
)
def test_exactly_the_answer_and_its_end_of_turn_carry_a_loss(
    encoder: Encoder, sizes: list[tuple[int, int]], target: str
) -> None:
    target = target.strip() or "R"
    pictures = [picture(*size) for size in sizes]
    messages = chat("Which parts?", target)
    messages[0]["content"] = [{"type": "image"}] * (len(sizes) - 1) + messages[0]["content"]
    sample = encoder.encode_sample(pictures, messages)
    ids, labels = expected(encoder, pictures, messages)
    assert sample.input_ids.tolist() == ids
    assert sample.labels.tolist() == labels
    image_id = encoder.processor.image_token_id
    assert image_id not in sample.labels.tolist()
    assert (sample.mm_token_type_ids == (sample.input_ids == image_id)).all()
    assert sum(encoder.sample_lengths(sizes, messages)) == len(ids)
    prompt = encoder.encode_prompt(pictures, messages)
    text = encoder.processor.apply_chat_template(messages[:1], tokenize=False, add_generation_prompt=True)
    processed = encoder.processor(
        text=[text], images=pictures, return_mm_token_type_ids=True, return_tensors="pt"
    )
    for name in ("input_ids", "mm_token_type_ids"):
        assert torch.equal(getattr(prompt, name), processed[name][0]), name
    for name in ("pixel_values", "image_grid_thw"):
        assert torch.equal(getattr(prompt, name), processed[name]), name
    cached = encoder.encode_with_cached_features(sample.image_grid_thw, messages)
    assert cached.pixel_values.numel() == 0
    for name in ("input_ids", "labels", "mm_token_type_ids", "image_grid_thw"):
        assert torch.equal(getattr(cached, name), getattr(sample, name)), name


def test_a_prompt_that_spells_the_image_token_is_refused(encoder: Encoder) -> None:
    messages = chat(f"Which parts has {encoder.processor.image_token}.png?", "R")
    with pytest.raises(ValueError, match="2 placeholders in the prompt, 1 pictures"):
        encoder.encode_prompt([picture(64, 64)], messages)
    with pytest.raises(ValueError, match="2 placeholders in the prompt, 1 pictures"):
        encoder.encode_with_cached_features(torch.tensor([[1, 4, 4]]), messages)


def test_labels_of_a_sheet_small_enough_to_read(encoder: Encoder) -> None:
    sample = encoder.encode_sample([picture(256, 256)], chat("List the parts.", "R, C, GND"))
    labelled = sample.labels[sample.labels != IGNORE_INDEX]
    assert encoder.tokenizer.decode(labelled) == "R, C, GND<|im_end|>"
    cell = encoder.processor.image_processor.patch_size * encoder.merge_size
    tokens = int((sample.input_ids == encoder.processor.image_token_id).sum())
    assert tokens == round(256 / cell) ** 2
    assert encoder.tokenizer.decode(sample.input_ids[sample.labels == IGNORE_INDEX]).endswith("assistant\n")


@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_padding_never_carries_a_loss_or_attention(encoder: Encoder, padding_side: str) -> None:
    answers = ["R", "C, " * 20 + "GND"]
    samples = [encoder.encode_sample([picture(256, 256)], chat("Parts?", answer)) for answer in answers]
    batch = collate(samples, encoder.pad_id, padding_side=padding_side)
    padding = batch["attention_mask"] == 0
    assert int(padding.sum()) == abs(len(samples[0].input_ids) - len(samples[1].input_ids)) > 0
    assert (batch["labels"][padding] == IGNORE_INDEX).all()
    assert (batch["input_ids"][padding] == encoder.pad_id).all()
    assert int((batch["labels"] != IGNORE_INDEX).sum()) == sum(len(encoder.answer_ids(a)) for a in answers)
    short = batch["attention_mask"][0].bool()
    assert torch.equal(batch["input_ids"][0][short], samples[0].input_ids)
    assert bool(short[-1]) == (padding_side == "left")


def test_nulls_that_parquet_adds_do_not_change_the_prompt(encoder: Encoder) -> None:
    plain = chat("Parts?", "R")
    stored = [
        {"role": m["role"], "content": [{"type": c["type"], "text": c.get("text")} for c in m["content"]]}
        for m in plain
    ]
    samples = [encoder.encode_sample([picture(64, 64)], messages) for messages in (plain, stored)]
    assert torch.equal(samples[0].input_ids, samples[1].input_ids)


def test_a_template_without_end_of_turn_is_refused() -> None:
    processor = tiny_processor()
    processor.chat_template = "{% for m in messages %}{{ m.content[0].text }}{% endfor %}"
    with pytest.raises(UserError, match="end-of-turn|no special token|Instruct"):
        Encoder(processor)


@pytest.mark.parametrize(
    ("template", "line"),
    [
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
            "does not end within",
        ),
        ("{{ 'a' * 10**15 }}", r"chat template fails \(MemoryError"),
        ("{{ 9 ** (9 ** 9) }}", "does not end within"),
        ("{{ 'a' * 2000000 }}", "makes 2000000 characters of a prompt"),
        ("{% for m in %}", r"chat template fails \(Expected an expression"),
        ("{{ 1 // 0 }}", r"chat template fails \(integer division"),
        ("{{ raise_exception('no') }}", r"chat template fails \(no\)"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "chat template fails .*recursion"),
        ("{{ ''.__class__.__mro__ }}", "chat template fails .*unsafe"),
        ("{{ messages[9].content[0].text }}", "chat template fails"),
    ],
)
def test_a_hostile_chat_template_is_one_line_in_bounded_time(
    template: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schematic_reader.model.chat_template.CPU_SECONDS", 1)
    processor = AutoProcessor.from_pretrained(ROOT / "models" / "tiny")
    processor.chat_template = template
    start = time.monotonic()
    # As the page and the feed of training do: the limit must hold in any thread.
    with ThreadPoolExecutor(1) as thread, pytest.raises(UserError, match=line) as caught:
        thread.submit(Encoder, processor).result()
    assert time.monotonic() - start < 20
    assert "\n" not in str(caught.value)


def test_no_chat_template_sees_the_text_of_a_sheet() -> None:
    """So none can loop, or fail, on certain sheets alone."""
    processor = tiny_processor()
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    processor.chat_template = (
        f"{{% if 'ESP32' in messages|string %}}{endless}{{% endif %}}" + processor.chat_template
    )
    encoder, plain = Encoder(processor), Encoder(tiny_processor())
    for prompt in ("Parts of ESP32-C3?", "<|image_pad|> {{ 1 // 0 }} \u202e\n"):
        messages = chat(prompt, "R")
        start = time.monotonic()
        assert encoder.prompt_length([(64, 64)], messages) == plain.prompt_length([(64, 64)], messages)
        assert time.monotonic() - start < 5


def test_a_template_that_changes_the_prompt_is_refused() -> None:
    processor = tiny_processor()
    changed = "{{ part.text | upper if message.role == 'user' else part.text }}"
    processor.chat_template = processor.chat_template.replace("{{ part.text }}", changed)
    with pytest.raises(UserError, match="does not repeat the prompt as it is"):
        Encoder(processor).prompt_length([(64, 64)], chat("Parts?", "R"))


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=40))
def test_lengths_and_answers_are_what_the_tokenizer_itself_makes(encoder: Encoder, text: str) -> None:
    ids = encoder.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert encoder.answer_ids(text).tolist() == [*ids, encoder.end_of_turn_id]
    messages = chat(f"Which parts? {text}", "R")
    picture = Image.new("RGB", (64, 96))
    encoded = encoder.encode_prompt([picture], messages)
    assert encoder.prompt_length([picture.size], messages) == len(encoded.input_ids)

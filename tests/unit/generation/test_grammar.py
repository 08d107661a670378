"""Answers of the small model constrained to a grammar: they parse, whatever it would have answered."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from schematic_reader.config import ImageLimits
from schematic_reader.generation.grammar import grammar_constraint
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.tasks import task
from schematic_reader.tasks.contract import EMPTY
from schematic_reader.tasks.description import Description, Entry, symbol
from schematic_reader.tasks.joining import asked_about
from schematic_reader.tasks.messages import chat
from tests.support.answering import LIMITS, TINY, answerer, drawn, write_sheets

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("llguidance") is None, reason="needs the grammar extra (pip install llguidance)"
)
NAMES = ("json", "yaml")


def constraint(name: str, encoder: Encoder, most: int) -> Any:
    grammar = task(name).grammar
    assert grammar is not None
    return grammar_constraint(grammar, encoder, max_new_tokens=most)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_more_answers_parse(tmp_path: Path, encoder: Encoder, name: str) -> None:
    """The base model has never seen JSON or YAML."""
    asked = task(name)
    rows = write_sheets(tmp_path, [drawn(i) for i in range(4)])
    for row in rows:
        row["messages"] = chat(asked.prompt({}, form="compact", with_name=False), "{}")
    model, sheets = load_base(TINY, prepare_device(TINY, 1)), SheetImages(tmp_path, "test", LIMITS)
    free, bound = (
        answerer(model, encoder, max_new_tokens=96, grammar=grammar).answer(sheets, rows)
        for grammar in (None, asked.grammar)
    )
    parsed = [[asked.parse(answer.text).valid for answer in answers] for answers in (free, bound)]
    assert (sum(parsed[0]), sum(parsed[1])) == (0, 4)
    for answer in bound:
        assert len(answer.probabilities) == len(answer.ends) == answer.tokens + (answer.finish == "stop")


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_about_an_empty_tile_is_within_the_grammar_where_sheets_are_cut(
    encoder: Encoder, name: str
) -> None:
    from llguidance import LLMatcher, LLTokenizer

    tokenizer = LLTokenizer(encoder.tokenizer.backend_tokenizer.to_str(), eos_token=encoder.end_of_turn_id)
    whole = {"json": '{"symbols":[["R","R"]]}', "yaml": "symbols:\n- [R, R]"}[name]
    for tiles, accepted in ((1, [False, True]), (4, [True, True])):
        grammar = asked_about(task(name), ImageLimits(480, 1 << 20, tiles)).grammar
        assert grammar is not None
        found = []
        for text in (EMPTY[name], whole):
            matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(grammar.lark))
            found.append(matcher.consume_tokens(tokenizer.tokenize_str(text)) and matcher.is_accepting())
        assert found == accepted


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(8))
def test_whatever_ends_within_the_grammar_parses(encoder: Encoder, name: str, seed: int) -> None:
    """Tokens drawn at random among those allowed, up to the limit."""
    asked, rng = task(name), random.Random(seed)
    processor = constraint(name, encoder, 20 + 10 * seed)(1)
    ids: list[int] = []
    while encoder.end_of_turn_id not in ids:
        scores = processor(torch.tensor([[0, *ids]]), torch.zeros(1, 4096))[0]
        ids.append(rng.choice(torch.isfinite(scores).nonzero()[:, 0].tolist()))
    assert len(ids) <= 20 + 10 * seed
    text = encoder.tokenizer.decode(ids[:-1], skip_special_tokens=True)
    assert asked.parse(text).valid, text


@pytest.mark.parametrize("name", NAMES)
def test_right_answers_are_texts_of_the_grammar(encoder: Encoder, name: str) -> None:
    labels = [Entry((0, 0), (kind, text)) for kind, text in (("local", "SDA"), ("global", "+3V3"))]
    sheet = Description(
        [symbol("R1", "Device:R", "4.7k"), symbol("", "power:GND", "GND"), symbol("U1", "A:B", 'a "b": c')],
        [*labels, Entry((0, 0), ("hierarchical", "D[0..7]"))],
        [Entry((0, 0), ("Power supply",))],
    )  # fmt: skip
    for description in (sheet, Description(labels=labels), Description(sheets=[Entry((0, 0), ("5",))])):
        text = task(name).write(description)  # type: ignore[attr-defined]
        processor = constraint(name, encoder, 10_000)(1)
        ids = [*encoder.tokenizer(text, add_special_tokens=False)["input_ids"], encoder.end_of_turn_id]
        for at, token in enumerate(ids):
            scores = processor(torch.tensor([[0, *ids[:at]]]), torch.zeros(1, 4096))
            assert torch.isfinite(scores[0, token]), encoder.tokenizer.decode(ids[:at])

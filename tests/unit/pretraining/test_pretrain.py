"""The small base model's pre-training: the fast pass, the ground truth, the questions, resuming."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, Qwen3VLForConditionalGeneration

from pretraining import settings as settings_module
from pretraining.fast import Grid, Reader
from pretraining.feed import Feed
from pretraining.geometry import make_config, make_model
from pretraining.objective import unpack
from pretraining.plain import Candidate, plain_sheet
from pretraining.pool import Pool
from pretraining.questions import NAMES, ask, view
from pretraining.settings import Settings
from pretraining.sheets import LABELS, THEME_SHARES, SheetMaker, colors
from pretraining.train import Run, Source, prefix_of
from schematic_reader.cli import UserError
from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.drawing.layout import character_centers, layout_of
from schematic_reader.kicad.model import Property
from schematic_reader.synthetic.sample import make_sheet
from schematic_reader.synthetic.symbols import KINDS
from tests.support.paths import ROOT

TINY = ROOT / "models" / "tiny"
SETTINGS = Settings(
    seed=1,
    width=160,
    height=96,
    slots=(96, 40),
    question_sets=2,
    pool=6,
    batch=4,
    fresh=2,
    steps=4,
    learning_rate=1.0e-3,
    warmup=2,
    weight_decay=0.05,
    max_grad_norm=1.0,
    cells_weight=3.0,
    cells_positive=8.0,
    library_share=0.0,
    plain_share=0.5,
    validation_sheets=2,
    validation_every=4,
    checkpoint_every=2,
)


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(TINY)


def small_model() -> Qwen3VLForConditionalGeneration:
    return make_model(
        make_config(
            vision={
                "depth": 2,
                "hidden_size": 64,
                "num_heads": 2,
                "intermediate_size": 64,
                "out_hidden_size": 64,
                "num_position_embeddings": 49,
                "deepstack_visual_indexes": [0],
            },
            text={"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2},
        ),
        seed=3,
    )


def small_run(processor, folder: Path, settings: Settings = SETTINGS) -> Run:
    source = Source(SheetMaker(settings, TINY / "tokenizer.json"), LABELS, NAMES, colors(), THEME_SHARES)
    return Run(settings, small_model(), processor.tokenizer, source, folder, torch.device("cpu"))


def test_fast_pass_computes_what_the_class_computes(processor):
    model = small_model().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(5)))
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (96, 160, 3), dtype=np.uint8)) for _ in range(2)]
    chats = [("What is R12?", "resistor"), ("How many capacitors are drawn here?", "17, all small")]
    slots = (24, 40)
    grid = Grid.of(160, 96)
    prefix = prefix_of(processor.tokenizer, grid)
    ids = torch.zeros(2, sum(slots), dtype=torch.int64)
    texts = []
    for start, (question, answer) in zip((0, 24), chats, strict=True):
        text = f"{question}<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>"
        tokens = torch.tensor(processor.tokenizer(text)["input_ids"])
        ids[:, start : start + len(tokens)] = tokens
        texts.append((start, len(tokens)))
    reader = Reader(model, grid, prefix, slots)
    pixels = torch.stack([torch.tensor(np.asarray(p)).float() / 127.5 - 1 for p in pictures])
    with torch.no_grad():
        seen, deep = reader.see(pixels)
        found = reader.logits(reader.answer(seen, deep, ids))
        for (question, answer), (start, length) in zip(chats, texts, strict=True):
            user = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
            reply = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
            chat = processor.apply_chat_template([user, reply], tokenize=False)
            inputs = processor(text=[chat] * 2, images=pictures, return_tensors="pt")
            expected = model(**inputs).logits[:, len(prefix) : len(prefix) + length]
            assert expected.std() > 0.01
            torch.testing.assert_close(found[:, start : start + length], expected, atol=2e-5, rtol=1e-4)


def test_a_run_taken_up_again_goes_on_bit_for_bit(processor, tmp_path):
    whole = small_run(processor, tmp_path / "whole")
    whole.train(0)
    first = small_run(processor, tmp_path / "parts")
    first.train(0, until=2)
    second = small_run(processor, tmp_path / "parts")
    assert second.load()
    assert second.step == 2
    second.train(0)
    for name, value in whole.objective.state_dict().items():
        assert torch.equal(value, second.objective.state_dict()[name]), name
    last_lines = [(tmp_path / part / "curve.tsv").read_text().splitlines()[-1] for part in ("whole", "parts")]
    assert last_lines[0].split("\t")[3:] == last_lines[1].split("\t")[3:]

    shipped = Qwen3VLForConditionalGeneration.from_pretrained(
        tmp_path / "whole" / "weights", dtype=torch.bfloat16
    )
    for name, value in shipped.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name].to(torch.bfloat16)), name


def test_a_new_run_has_no_checkpoint(processor, tmp_path):
    assert not small_run(processor, tmp_path).load()


def test_workers_deliver_the_same_stream():
    maker = SheetMaker(SETTINGS, TINY / "tokenizer.json")
    streams = []
    for workers in (0, 2):
        feed = Feed(maker, lambda place: 100 + place, workers)
        try:
            chunks = iter(feed)
            streams.append(
                [
                    (c.pictures.copy(), c.tokens.copy(), c.cells.copy())
                    for c, _ in zip(chunks, range(3), strict=False)
                ]
            )
        finally:
            feed.close()
    for alone, together in zip(*streams, strict=True):
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_array_equal(a, b)


def test_pool_keeps_the_last_sheets_and_always_draws_the_new_ones():
    maker = SheetMaker(SETTINGS, TINY / "tokenizer.json")
    pool = Pool(maker.empty(), 4, torch.device("cpu"))
    for number in range(3):
        chunk = maker.empty()
        chunk.pictures[:] = [[[10 * number + 1]], [[10 * number + 2]]]
        pool.add(chunk)
    drawn = set()
    for seed in range(40):
        batch = pool.draw(4, 2, torch.tensor([1.0]), torch.Generator().manual_seed(seed))
        shown = batch.pictures[:, 0, 0].tolist()
        assert shown[:2] == [21, 22]
        drawn |= set(shown)
    assert drawn == {11, 12, 21, 22}  # the first two had to make room


def generated(number: int, width: int = 320, height: int = 224):
    return make_sheet(number, 7, width=width, height=height)[0]


@pytest.mark.parametrize("number", range(4))
def test_boxes_of_fields_hold_all_their_ink(number):
    """The pixels that change when a text is hidden lie in the box that was noted for it."""
    sheet = generated(number)
    whole = np.asarray(draw_sheet(sheet, width=320, height=224).convert("L")).astype(int)
    layout = layout_of(sheet, 320, 224)
    checked = 0
    for index, drawn in enumerate(layout.symbols):
        reference = next(
            (t for t in layout.texts if t.symbol == index and t.text.startswith(drawn.symbol.reference)), None
        )
        if reference is None or not drawn.symbol.reference:
            continue
        place = sheet.symbols.index(drawn.symbol)
        properties = tuple(
            replace(p, value="") if p.key == "Reference" else p for p in drawn.symbol.properties
        )
        symbols = (
            *sheet.symbols[:place],
            replace(drawn.symbol, properties=properties),
            *sheet.symbols[place + 1 :],
        )
        without = np.asarray(draw_sheet(replace(sheet, symbols=symbols), width=320, height=224).convert("L"))
        ys, xs = np.nonzero(np.abs(whole - without.astype(int)) > 40)
        if not len(xs):
            continue
        x0, y0, x1, y1 = reference.box
        assert x0 - 2 <= xs.min() and xs.max() <= x1 + 2
        assert y0 - 2 <= ys.min() and ys.max() <= y1 + 2
        assert xs.max() - xs.min() >= 0.6 * (x1 - x0) - 3
        checked += 1
    assert checked >= 2


def test_characters_stand_in_reading_direction():
    layout = layout_of(generated(1), 320, 224)
    for text in layout.texts:
        centers = character_centers(text)
        assert "".join(char for char, _ in centers) == text.text.replace(" ", "")
        along = [-y if text.vertical else x for _, (x, y) in centers]
        assert along == sorted(along)


def test_answers_are_true_of_the_sheet():
    sheet = generated(2, 640, 448)
    seen = view(sheet, layout_of(sheet, 640, 448))
    asked = {}
    for seed in range(60):
        for one in ask(seen, 4, random.Random(seed)):
            asked.setdefault(one.name, []).append(one)
    assert set(asked) == set(NAMES)
    references = {s.reference: s for s in seen.symbols if s.reference}
    assert references
    for one in asked["value"]:
        reference = one.prompt.removeprefix("What is the value of ").rstrip("?")
        placed = next(s for s in sheet.symbols if reference.startswith(s.reference) and s.value == one.answer)
        assert placed.value == one.answer
    for one in asked["counts"]:
        total = sum(int(part.split()[0]) for part in one.answer.split(", "))
        assert total == len(sheet.symbols)
    for one in asked["where"]:
        text = one.prompt.removeprefix("Where is the text ").rstrip("?")
        x, y = map(int, one.answer.split())
        place = next(t for t in seen.texts if t.text == text)
        assert abs(place.x / 6.4 - x) <= 1
        assert abs(place.y / 4.48 - y) <= 1


def test_answers_never_name_library_symbols_that_are_not_printed():
    """The base model must not be taught this project's answers."""
    for number in range(6):
        sheet = generated(number, 640, 448)
        layout = layout_of(sheet, 640, 448)
        printed = {text.text for text in layout.texts}
        seen = view(sheet, layout)
        for seed in range(10):
            for one in ask(seen, 4, random.Random(seed)):
                for item in one.answer.replace("\n", ", ").split(", "):
                    if item in KINDS:
                        assert item in printed, (one, item)


def test_cells_say_what_lies_in_them():
    maker = SheetMaker(replace(SETTINGS, width=640, height=448, plain_share=1.0), TINY / "tokenizer.json")
    chunk = maker(5)
    cells = unpack(torch.from_numpy(chunk.cells), LABELS).numpy()
    assert cells.shape == (2, 280, LABELS)
    ink = (chunk.pictures != 0).reshape(2, 14, 32, 20, 32).any((2, 4)).reshape(2, 280)
    with_text = cells[:, :, :700].any(2)
    assert with_text.sum() > 20
    assert ink[with_text].mean() > 0.99  # where a character is, there is ink
    assert with_text[~ink].sum() <= 0.01 * with_text.sum()


def test_plain_sheets_place_symbols_without_overlap():
    groups = ((1.0, tuple(Candidate(kind.symbol, kind.prefix, ("",)) for kind in KINDS.values())),)
    sheet = plain_sheet(groups, (150.0, 110.0), random.Random(3))
    bodies = [drawn.body for drawn in layout_of(sheet, 600, 440).symbols]
    assert len(bodies) > 8
    for i, a in enumerate(bodies):
        assert a[0] >= 0 and a[1] >= 0 and a[2] <= 600 and a[3] <= 440
        for b in bodies[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("steps: 10\nsteps_too: 1", "steps_too"),
        ("steps: ten", "steps must be of type int"),
        ("batch: 8\nfresh: 16", "fresh may be at most batch"),
    ],
)
def test_settings_name_what_is_wrong(tmp_path, line, message):
    committed = (ROOT / "pretraining" / "config.yaml").read_text()
    changed = {part.split(":")[0]: part for part in line.split("\n")}
    lines = [changed.pop(text.split(":")[0], text) for text in committed.splitlines()]
    path = tmp_path / "config.yaml"
    path.write_text("\n".join([*lines, *changed.values()]))
    with pytest.raises(UserError, match=message):
        settings_module.load(path)


def test_both_committed_configurations_load_and_align():
    for name in ("config.yaml", "config-large.yaml"):
        settings = settings_module.load(ROOT / "pretraining" / name)
        grid = Grid.of(settings.width, settings.height)
        prefix = prefix_of(AutoProcessor.from_pretrained(TINY).tokenizer, grid)
        # Attention with a mask is fast only for multiples of 8.
        assert (len(prefix) + sum(settings.slots)) % 8 == 0


def test_hidden_fields_are_not_text():
    sheet = generated(0)
    symbols = tuple(
        replace(s, properties=(*s.properties, Property("Datasheet", "secret", hidden=True)))
        for s in sheet.symbols
    )
    assert "secret" not in {t.text for t in layout_of(replace(sheet, symbols=symbols), 320, 224).texts}

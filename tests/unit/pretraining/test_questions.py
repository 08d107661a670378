"""What is asked about a picture, and that the answers are true of the sheet."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from pretraining.kinds import all_kinds
from pretraining.questions import _SCRIPTS, NAMES, ask
from pretraining.scene import Scene
from pretraining.tokens import PLACES
from schematic_reader.kicad.drawing.layout import layout_of
from schematic_reader.kicad.drawing.palette import Ink
from schematic_reader.synthetic.symbols import KINDS
from tests.support.pretraining import annotated, generated

WIDTH, HEIGHT = 640, 448
PLACE = re.compile(r"<\|x(\d\d)\|><\|y(\d\d)\|>")
WORDS = ("resistor", "Ω", "the")


@pytest.fixture(scope="module")
def sheet():
    return annotated(0)


@pytest.fixture(scope="module")
def view(sheet):
    return Scene(sheet, WIDTH, HEIGHT).view(0, 0, WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def asked(view):
    """Prompts with their answers, by the name of the question."""
    found = {}
    for seed in range(150):
        for one in ask(view, 8, WORDS, random.Random(seed)):
            found.setdefault(one.name, []).append((one.prompt, one.answer))
    return found


def printed_symbols(sheet):
    """References and values of the sheet's symbols as they are printed, by the project's own layout."""
    layout = layout_of(sheet, WIDTH, HEIGHT)
    for index, drawn in enumerate(layout.symbols):
        texts = [text.text for text in layout.texts if text.symbol == index]
        reference = next((t for t in texts if t.startswith(drawn.symbol.reference)), "")
        yield reference, drawn.symbol.value if drawn.symbol.value in texts else ""


def test_every_question_is_asked_and_each_slot_gets_its_sort(asked, view):
    assert set(asked) == set(NAMES)
    first = {ask(view, 4, WORDS, random.Random(seed))[0].name for seed in range(40)}
    assert first == {"transcribe", "table", "structured"}


def test_transcriptions_hold_all_texts_line_by_line(asked, sheet):
    texts = layout_of(sheet, WIDTH, HEIGHT).texts
    inside = [t for t in texts if t.box[0] >= -1 and t.box[1] >= -1 and t.box[2] <= 641 and t.box[3] <= 449]
    assert len(inside) > 20
    with_numbers, without = 0, 0
    for prompt, answer in asked["transcribe"]:
        numbers = "without pin numbers" not in prompt
        expected = [t.text for t in inside if numbers or t.ink != Ink.PIN_NUMBER]
        assert Counter(answer.split("\n")) == Counter(expected)
        with_numbers, without = with_numbers + numbers, without + (not numbers)
    assert with_numbers and without


def test_transcriptions_go_down_line_by_line_and_along_each_line(asked, view):
    """A line is 3.81 mm of the picture's height, three steps of KiCad's usual grid of 1.27 mm."""
    texts = [t for t in view.texts if [u.text for u in view.texts].count(t.text) == 1]
    places = {t.text: (int(t.y / view.scale / 3.81), t.x) for t in texts}
    for _, answer in asked["transcribe"]:
        order = [places[line] for line in answer.split("\n") if line in places]
        assert len(order) > 10 and order == sorted(order)


def test_values_are_those_of_the_named_symbols(asked, sheet):
    pairs = list(printed_symbols(sheet))
    values = dict(pairs)
    for prompt, answer in asked["value"]:
        assert values[prompt.removeprefix("What is the value of ").rstrip("?")] == answer
    for _, answer in asked["values"]:
        assert set(answer.split(", ")) == {value for _, value in pairs} - {""}


def test_references_are_all_that_are_printed_each_once(asked, sheet):
    expected = {reference for reference, _ in printed_symbols(sheet)} - {""}
    for prompt, answer in asked["references"]:
        names = answer.split(", ")
        assert len(names) == len(set(names)) and set(names) == expected
        if "sorted" in prompt:
            assert names == sorted(names)


def test_counts_add_up_to_the_placed_symbols(asked, sheet, view):
    for _, answer in asked["counts"]:
        counts = dict(part.split(" ", 1)[::-1] for part in answer.split(", "))
        assert sum(map(int, counts.values())) == len(layout_of(sheet, WIDTH, HEIGHT).symbols)
    for prompt, answer in asked["count"]:
        kind = re.fullmatch(r"How often is a (.+) drawn\?", prompt)[1]
        assert answer == counts.get(kind, "0")
    assert any(answer == "0" for _, answer in asked["count"])
    for _, answer in asked["kinds"]:
        assert set(answer.split(", ")) == set(counts)
    assert set(counts) <= set(all_kinds())


def place_of(text):
    """Middle of the hundredth that position tokens name, in pixels."""
    x, y = map(int, PLACE.search(text).groups())
    return (x + 0.5) * WIDTH / PLACES, (y + 0.5) * HEIGHT / PLACES


def near(one, x, y):
    return abs(one[0] - x) <= WIDTH / PLACES and abs(one[1] - y) <= HEIGHT / PLACES


def test_places_are_where_the_texts_are_printed(asked, sheet):
    middles = {}
    for text in layout_of(sheet, WIDTH, HEIGHT).texts:
        x0, y0, x1, y1 = text.box
        middles.setdefault(text.text, []).append(((x0 + x1) / 2, (y0 + y1) / 2))
    for prompt, answer in asked["where"]:
        (middle,) = middles[prompt.removeprefix("Where is the text ").rstrip("?")]
        assert PLACE.fullmatch(answer) and near(place_of(answer), *middle)
    for prompt, answer in asked["read"]:
        assert any(near(place_of(prompt), *middle) for middle in middles[answer])


def test_what_is_drawn_somewhere_is_the_symbol_there(asked, view):
    for prompt, answer in asked["drawn"]:
        there = [s for s in view.symbols if near(place_of(prompt), s.x, s.y)]
        assert any(answer.startswith(s.reference) and s.kind in answer for s in there)
    for prompt, answer in asked["named"]:
        reference = re.fullmatch(r"What (?:is|kind of part is) (.+)\?", prompt)[1]
        assert answer in {s.kind for s in view.symbols if s.reference == reference}
    for _, answer in asked["pins"]:
        assert answer != "none"


def test_labels_are_the_sheets_labels_and_pins_of_boxes(asked, sheet):
    kinds = {"net name": "local", "boxed net name": "global", "net port": "hierarchical"}
    expected = {
        kind: {label.text for label in sheet.labels if label.kind == kinds[kind]} for kind in kinds
    } | {"sheet port": {pin.name for box in sheet.sheets for pin in box.pins}}
    everything = set().union(*expected.values())
    assert "VOUT" in everything and sum(map(bool, expected.values())) > 1
    named = set()
    for prompt, answer in asked["labels"]:
        kind = re.search("(?:are a|List each) (.+?)(?:, in| once|, sorted)", prompt)
        assert set(answer.split(", ")) == (expected[kind[1]] if kind else everything)
        named.add(kind[1] if kind else "")
    assert named == {"", *(kind for kind, texts in expected.items() if texts)}


def test_what_a_text_is_for_follows_from_what_it_belongs_to(asked, sheet):
    layout = layout_of(sheet, WIDTH, HEIGHT)
    middles = {}
    for text in layout.texts:
        x0, y0, x1, y1 = text.box
        middles.setdefault(text.text, []).append((text.ink, (x0 + x1) / 2, (y0 + y1) / 2))
    printed = list(printed_symbols(sheet))
    inks = {"net name": Ink.LABEL, "boxed net name": Ink.GLOBAL_LABEL, "note": Ink.NOTE}
    roles = set()
    for prompt, answer in asked["role"]:
        role = next(
            role
            for role in ("pin name", "reference", "value", *inks, "net port", "sheet port", "sheet name")
            if answer.startswith(f"{role} ")
        )
        text = answer.removeprefix(f"{role} ")
        at = [ink for ink, x, y in middles[text] if near(place_of(prompt), x, y)]
        assert at and (role not in inks or inks[role] in at)
        assert role != "reference" or text in {reference for reference, _ in printed}
        assert role != "value" or text in {value for _, value in printed}
        roles.add(role)
    assert {"reference", "value", "boxed net name", "sheet port"} <= roles


def test_a_table_has_a_line_for_each_symbol_in_reading_order(asked, view):
    """Symbols whose anchors lie in one band of an inch stand from left to right."""
    lines = [" ".join(filter(None, (s.reference, s.kind, s.value))) for s in view.symbols]
    for _, answer in asked["table"]:
        assert Counter(answer.split("\n")) == Counter(lines)
    unique = {line: s for line, s in zip(lines, view.symbols, strict=True) if lines.count(line) == 1}
    order = [unique[line] for line in answer.split("\n") if line in unique]
    bands = [int(s.anchor[1] / view.scale // 25.4) for s in order]
    assert bands == sorted(bands) and len(set(bands)) > 1
    for one, two, band, next_band in zip(order, order[1:], bands, bands[1:], strict=False):
        assert band != next_band or one.anchor[0] <= two.anchor[0]


def test_a_text_to_repeat_is_the_answer(asked):
    for prompt, answer in asked["repeat"]:
        assert prompt == f"Repeat this: {answer}."
    assert any("resistor" in answer for _, answer in asked["repeat"])


def test_a_picture_with_nothing_on_it_is_asked_about_too():
    empty = Scene(generated(1), WIDTH, HEIGHT).view(0, 0, 24, 24)
    assert not empty.texts and not empty.symbols
    for seed in range(40):
        for one in ask(empty, 4, (), random.Random(seed)):
            if one.name not in ("structured", "repeat"):
                assert one.answer in ("none", "0"), one


@pytest.mark.parametrize("number", range(6))
def test_answers_never_name_library_symbols_that_are_not_printed(number):
    """The base model must not be taught this project's answers."""
    sheet = generated(number)
    texts = [text.text for text in layout_of(sheet, WIDTH, HEIGHT).texts]
    printed = {*texts, *(word for text in texts for word in text.split(" "))}
    view = Scene(sheet, WIDTH, HEIGHT).view(0, 0, WIDTH, HEIGHT)
    names = {name for name in KINDS if name not in printed}
    assert len(names & set(sheet.component_names)) > 1
    for seed in range(10):
        for one in ask(view, 4, (), random.Random(seed)):
            words = set(re.split(r"[\n,\"\[\]{}():]+ ?| ", one.answer)) | set(re.split(r", |\n", one.answer))
            assert not words & names, (one, words & names)


def test_texts_to_repeat_come_to_hold_every_byte_of_utf_8():
    """Else the token of a byte would stay as it was before the first step."""
    held = {byte for low, high in _SCRIPTS for code in range(low, high) for byte in chr(code).encode()}
    assert held >= {*range(0x80, 0xC0), *range(0xC2, 0xF5)}

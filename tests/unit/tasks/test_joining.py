"""Answers about tiles as one answer: names, symbols, cut-off answers, loops and confidences."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from schematic_reader.scoring.confidence import item_confidences
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.answer_tokens import Span, geometric_mean, span_tokens, symbol_spans
from schematic_reader.tasks.contract import EMPTY, ModelAnswer
from schematic_reader.tasks.description import Description, DescriptionTask, Entry
from schematic_reader.tasks.joining import joined

STRUCTURED = ("json", "yaml", "schematic")
COMPONENTS = task_named("components")
JSON = task_named("json")


def confidence(answer: ModelAnswer, span: Span) -> float:
    """The mean probability of the tokens of a span and of the one that ends it."""
    return geometric_mean(answer.probabilities[span_tokens(answer.ends, span)])


def answered(text: str, finish: str = "stop", probability: float | None = None) -> ModelAnswer:
    """An answer whose tokens are its characters, and the end of the turn."""
    if probability is None:
        return ModelAnswer(text, 7, finish)
    ends = [*range(1, len(text) + 1), len(text)]
    return ModelAnswer(text, len(ends), finish, ends, [probability] * len(ends))


def written(name: str, *symbols: tuple[str, str, str], labels: tuple[tuple[str, str], ...] = ()) -> str:
    task = task_named(name)
    assert isinstance(task, DescriptionTask)
    entries = [Entry((0.0, 0.0), texts) for texts in symbols]
    return task.write(Description(entries, [Entry((0.0, 0.0), label) for label in labels]))


def test_names_of_all_tiles_stand_once_in_the_order_of_the_tiles() -> None:
    answers = [answered("R, GND"), answered("none"), answered('C, R, "A,B"'), answered("")]
    found = joined(COMPONENTS, answers)
    assert (found.text, found.tokens, found.finish) == ('R, GND, C, "A,B"', 28, "stop")


def test_a_name_has_the_confidence_of_the_tile_that_is_surest_of_it() -> None:
    answers = [answered('R, "A,B", C_Small', probability=0.5), answered("GND, R", probability=0.75)]
    found = joined(COMPONENTS, answers)
    assert found.text == 'R, "A,B", C_Small, GND'
    confidences = item_confidences(COMPONENTS, found.text, found.ends, found.probabilities)
    assert confidences == pytest.approx({"R": 0.75, "A,B": 0.5, "C_Small": 0.5, "GND": 0.75})


def test_confidences_of_joined_names_are_those_of_the_tokens_of_the_tile() -> None:
    text = '"A,B", R_Small, "C"'
    ends = [2, 5, 8, 9, 12, 14, 15, 17, 19, 19]  # tokens that reach over the ends of names
    probabilities = [0.9, 0.8, 0.7, 0.6, 0.5, 0.45, 0.35, 0.3, 0.25, 0.2]
    alone = ModelAnswer(text, 10, "stop", ends, probabilities)
    found = joined(COMPONENTS, [alone, answered("Q", probability=0.1)])
    assert found.text == '"A,B", R_Small, C, Q'
    assert len(found.ends) == len(found.probabilities)
    expected = item_confidences(COMPONENTS, text, ends, probabilities) | {"Q": 0.1}
    assert item_confidences(COMPONENTS, found.text, found.ends, found.probabilities) == pytest.approx(
        expected
    )


@pytest.mark.parametrize(
    ("text", "names"), [("R, C_Sm", "R"), ("R, C_Small,", "R, C_Small"), ("R_Sm", "none")]
)
def test_the_name_at_the_cut_is_left_out(text: str, names: str) -> None:
    found = joined(COMPONENTS, [answered(text, "length")])
    assert (found.text, found.finish) == (names, "length")


@pytest.mark.parametrize("name", STRUCTURED)
def test_descriptions_are_merged_in_the_order_of_the_tiles(name: str) -> None:
    power = ("", "power:GND", "GND")
    first = written(name, ("R1", "Device:R", "1k"), power, labels=(("local", "SDA"),))
    second = written(name, power, ("R2", "Device:R", "2k"), labels=(("local", "SDA"), ("global", "VBUS")))
    expected = written(
        name,
        *[("R1", "Device:R", "1k"), power, power, ("R2", "Device:R", "2k")],
        labels=(("local", "SDA"), ("local", "SDA"), ("global", "VBUS")),
    )
    found = joined(task_named(name), [answered(first), answered(EMPTY[name]), answered(second, "length")])
    assert (found.text, found.tokens, found.finish) == (expected, 21, "length")


@pytest.mark.parametrize("name", STRUCTURED)
def test_a_reference_of_two_tiles_is_that_of_the_surer_one(name: str) -> None:
    units = [("U1", "Amplifier:LM358", "LM358")] * 2
    loose = [("R?", "Device:R", "1k")]  # not annotated: any number of symbols
    first = written(name, ("R1", "Device:R", "1k"), ("R2", "Device:R", "2k"), *loose)
    second = written(name, ("R1", "Device:R", "7k"), *units, *loose)
    once = ("U2", "Logic:74HC04", "74HC04")
    third = written(name, units[0], once, ("R2", "Device:R", "2k"))
    tiles = [
        answered(first, probability=0.5),
        answered(second, probability=0.75),
        answered(third, probability=0.75),
    ]
    found = joined(task_named(name), tiles)
    kept = [*loose, ("R1", "Device:R", "7k"), *units, *loose, units[0], once, ("R2", "Device:R", "2k")]
    assert found.text == written(name, *kept)
    spans = list(symbol_spans(kept, found.text))
    confidences = [confidence(found, span) for span in spans if span]
    assert confidences == pytest.approx([0.5] + [0.75] * 7)
    untold = joined(task_named(name), [answered(answer.text) for answer in tiles])
    assert "1k" in untold.text and "7k" not in untold.text  # without probabilities the first tile counts
    assert not untold.ends and not untold.probabilities


def test_a_symbol_that_is_said_in_escapes_has_the_confidence_of_its_answer() -> None:
    text = '{"symbols":[["R1","Device:R","4\\u00b5"],["R2","Device:R","1"]]}'
    found = joined(JSON, [answered(text, probability=0.5)])
    kept = [("R1", "Device:R", "4µ"), ("R2", "Device:R", "1")]
    spans = list(symbol_spans(kept, found.text))
    assert None not in spans
    confidences = [confidence(found, span) for span in spans if span]
    assert confidences == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("name", STRUCTURED)
def test_labels_without_a_symbol_are_said_without_tokens(name: str) -> None:
    text = written(name, labels=(("local", "SDA"), ("global", "VBUS")))
    empty = answered(EMPTY[name], probability=0.9)
    found = joined(task_named(name), [answered(text, probability=0.5), empty])
    assert (found.text, found.finish) == (text, "stop")
    assert found.ends == found.probabilities == []


def test_symbols_that_are_said_in_escapes_alone_have_no_tokens() -> None:
    text = written("json", ("R\u03a91", 'Device:R"', '1"'))
    found = joined(JSON, [answered(text, probability=0.5)])
    assert found.text == text
    assert len(found.ends) == len(found.probabilities)


@pytest.mark.parametrize("name", STRUCTURED)
def test_a_part_without_a_value_gets_that_which_kicad_gives_it(name: str) -> None:
    said = [("R1", "Device:R", ""), ("U1", "MCU_ST:STM32", ""), ("C1", "Device:C", "1u"), ("J1", "Conn", "")]
    tile = written(name, *said, ("", "power:GND", ""))
    found = joined(task_named(name), [answered(tile, probability=0.5)])
    values = ["R", "STM32", "1u", "Conn"]
    expected = [(reference, lib, value) for (reference, lib, _), value in zip(said, values, strict=True)]
    task = task_named(name)
    assert isinstance(task, DescriptionTask)
    symbols = [(one.reference, one.lib_id, one.value) for one in task.symbols(found.text)]
    assert symbols == [*expected, ("", "power:GND", "")]
    spans = [span for span in symbol_spans(symbols, found.text) if span]
    assert len(spans) == 5 and found.ends[-1] == len(found.text)
    assert all(confidence(found, span) == pytest.approx(0.5) for span in spans)


def test_of_a_cut_off_answer_what_stands_before_the_cut_counts() -> None:
    text = '{"symbols":[["R1","Device:R","1k"],["power:GND","GND"]],"labels":["SDA","SC'
    found = joined(JSON, [answered(text, "length"), answered('{"symbols":[["R9","Device:R","1"]]}')])
    assert json.loads(found.text) == {
        "symbols": [["R1", "Device:R", "1k"], ["power:GND", "GND"], ["R9", "Device:R", "1"]],
        "labels": ["SDA"],
    }


LOOPS = {
    "one symbol": ('{"symbols":[["R1","D:R","1"]' + ',["power:GND","GND"]' * 9 + ',["power:G', 2, 0),
    "two symbols": ('{"symbols":[["R1","D:R","1"]' + ',["C1","D:C","1"],["C2","D:C","1"]' * 4 + ',["C', 3, 0),
    "part of a period": (
        '{"symbols":[["R1","D:R","1"]' + ',["C1","D:C"],["C2","D:C"]' * 4 + ',["C1","D:C"],',
        3,
        0,
    ),
    "labels": ('{"symbols":[["R1","D:R","1"]],"labels":["A"' + ',"SDA","SCL"' * 5 + ',"SD', 1, 3),
    "two only": ('{"symbols":[["R1","D:R","1"]' + ',["power:GND","GND"]' * 2 + ",[", 3, 0),
}


@pytest.mark.parametrize(("text", "symbols", "labels"), LOOPS.values(), ids=LOOPS)
def test_a_loop_before_the_cut_counts_once(text: str, symbols: int, labels: int) -> None:
    found = json.loads(joined(JSON, [answered(text, "length")]).text)
    assert (len(found["symbols"]), len(found.get("labels", ()))) == (symbols, labels)


def test_repeats_of_an_answer_that_ended_stay() -> None:
    text = written("json", *[("", "power:GND", "GND")] * 9)
    assert joined(JSON, [answered(text)]).text == text


@pytest.mark.parametrize("name", ["components", *STRUCTURED])
def test_a_joined_answer_is_invalid_only_if_all_tiles_are(name: str) -> None:
    task = task_named(name)
    damaged, whole = '{"symbols":[[["' if name != "components" else "", EMPTY[name]
    all_damaged = joined(task, [answered(damaged), answered(damaged)])
    assert not task.parse(all_damaged.text).valid and all_damaged.tokens == 14
    assert joined(task, [answered(damaged), answered(whole)]).text == whole
    assert joined(task, []) == ModelAnswer(whole, 0, "stop")  # no tile showed anything
    assert task.parse(whole).valid


@pytest.mark.parametrize("name", STRUCTURED)
def test_empty_answers_have_no_items(name: str) -> None:
    assert task_named(name).parse(EMPTY[name]).items == Counter()

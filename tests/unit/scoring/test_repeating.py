"""What counts as an answer that goes round in circles."""

from __future__ import annotations

from collections import Counter

import pytest

from schematic_reader.scoring.repeating import repeating, tail_cycles
from schematic_reader.tasks import task


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("R, C, GND", False),
        ("R, R, C", False),
        ("R, R, R, C", True),
        ("CINT1, CINT2, CINT3, CINT4, CINT5, CINT6, CINT7, CINT8, CINT9, CINT10", False),
        ("R, " + "Conn_01x02_Pin_" * 10, True),
        ("", False),
    ],
)
def test_lists(answer: str, expected: bool) -> None:
    parsed = task("components").parse(answer)
    assert repeating(answer, parsed.items, "R, C", Counter(["R", "C"])) is expected


def test_what_the_sheet_repeats_is_no_fault() -> None:
    def answer(times: int) -> tuple[str, Counter]:
        text = '{"symbols":[' + ",".join(['["power:GND","GND"]'] * times) + "]}"
        return text, task("json").parse(text).items

    target, actual = answer(5)
    assert not repeating(*answer(10), target, actual)
    assert repeating(*answer(11), target, actual)


def test_a_common_symbol_of_another_sheet_is_no_fault() -> None:
    said = Counter({("symbol", "", "GND", "GND"): 5, ("label", "local", "SDA"): 1})
    assert not repeating("", said, "", Counter({("symbol", "", "+5V", "+5V"): 3}))
    assert repeating("", said, "", Counter({("symbol", "", "+5V", "+5V"): 2}))


def test_invalid_answers_are_caught_by_their_tail() -> None:
    loop = '{"symbols":[' + '["R1","Device:R","10k"],' * 20
    target = '{"symbols":[["R1","Device:R","10k"]]}'
    assert not task("json").parse(loop).valid
    assert repeating(loop, Counter(), target, task("json").parse(target).items)
    assert not repeating(loop, Counter(), "x" * 100, Counter())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("head " + "a" * 64, True),
        ("head " + "a" * 63, False),
        ("head " + "0123456789abcdef" * 4, True),
        ("head " + "0123456789abcdef" * 4 + "0123", True),
        ("head " + "0123456789abcdef" * 4 + ".", False),
        ("head " + "0123456789abcdef" * 3 + "0123456789abcde", False),
        ("head " + "".join(map(chr, range(33, 33 + 256))) * 4, True),
        ("head " + "".join(map(chr, range(33, 33 + 257))) * 4, False),
        ("  - GND\n  - R_Small\n\n" * 8, True),
        ("x" + " " * 100_000, False),
    ],
)
def test_tails(text: str, expected: bool) -> None:
    assert tail_cycles(text) is expected

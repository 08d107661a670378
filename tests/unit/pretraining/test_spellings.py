"""Quantities and references are written in the many ways in which people write them."""

from __future__ import annotations

import random
import re

import pytest

from pretraining.spellings import QUANTITIES, letters, quantity


@pytest.fixture(scope="module")
def quantities():
    rng = random.Random(5)
    return {prefix: [quantity(prefix, rng) for _ in range(4000)] for prefix in sorted(QUANTITIES)}


@pytest.mark.parametrize(
    ("prefix", "way"),
    [
        ("R", r"\d+ k"),
        ("R", r"\d+K"),
        ("R", r"\dk\d"),
        ("R", r"\d+R 0\.5W"),
        ("C", r"\d+nf"),
        ("C", r"\d+nf16v"),
        ("C", r"\d+(\.\d+)? pF"),
        ("C", r"\d+(\.\d)?µF"),
        ("L", r"\d+(\.\d)?nH"),
        ("L", r"\d+(\.\d)?uH/2A"),
    ],
)
def test_each_way_of_writing_occurs(quantities, prefix, way):
    assert any(re.fullmatch(way, text) for text in quantities[prefix])


def test_most_are_a_number_and_a_unit(quantities):
    for texts in quantities.values():
        plain = sum(bool(re.fullmatch(r"[\d.]+ ?\D{0,4}(\d+)?", text)) for text in texts)
        assert 0.6 < plain / len(texts) < 0.95
        assert not any(text != text.strip() for text in texts)
        assert 0.02 < sum(not re.search(r"\d", text) for text in texts) / len(texts) < 0.07


def test_a_unit_takes_the_place_of_the_point(quantities):
    pointed = [text for text in quantities["R"] if re.match(r"\d+[kKMRΩmo]\d+$", text)]
    assert 100 < len(pointed) < 1000


def test_references_begin_with_usual_letters_or_with_any():
    rng = random.Random(1)
    found = [letters(["LED", "SW"], rng) for _ in range(200)]
    assert 60 < sum(text in ("LED", "SW") for text in found) < 140
    assert all(re.fullmatch("[A-Z]{1,4}([-_][A-Z]{1,4})?", text) for text in found)
    assert 5 < sum("-" in text or "_" in text for text in found) < 50
    assert letters([], rng)

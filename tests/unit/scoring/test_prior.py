"""The prior: ranking, choice of k, and its score."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schematic_reader.cli import UserError
from schematic_reader.scoring.precision_recall import count, total
from schematic_reader.scoring.prior import best_k, prior, ranked


def sheets(*texts: str) -> list[Counter]:
    return [Counter(text.split()) for text in texts]


def test_ranking_is_by_sheets_then_name() -> None:
    assert ranked(sheets("R GND", "GND C", "GND C R", "B", "A A A")) == ["GND", "C", "R", "A", "B"]


def test_structured_items_rank_too() -> None:
    gnd, vcc = ("symbol", "", "GND", "GND"), ("symbol", "", "VCC", "VCC")
    assert ranked([Counter({vcc: 1, gnd: 9}), Counter({vcc: 2})]) == [vcc, gnd]


def test_prior_by_hand() -> None:
    train = sheets("GND R", "GND R", "GND C", "GND")
    # Validation, k = 1: 2 found of 2 said and 4 there, F1 2/3; k = 2: 4 of 4 and 4, F1 1; k = 3: 4 of 6.
    result = prior(train, sheets("GND R", "GND R"), sheets("GND R X", "C"))
    # Test: GND and R for both sheets: 2 found of 4 said and 4 there.
    assert result == {"k": 2, "precision": 0.5, "recall": 0.5, "f1": 0.5}


def test_smallest_of_equal_k() -> None:
    # k = 1: found 2, F1 4/(2+4) = 2/3; k = 2: found 2, less; k = 4: found 4, F1 8/(8+4) = 2/3.
    assert best_k(["A", "B", "C", "D"], sheets("A C", "A D")) == 1


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=6), min_size=1, max_size=6))
def test_best_k_is_that_of_trying_all(names: list[list[str]]) -> None:
    validation = [Counter(one) for one in names]
    ranking = list("CADBE")
    f1 = [total(count(Counter(ranking[:k]), items) for items in validation).f1 for k in range(1, 6)]
    assert best_k(ranking, validation) == 1 + f1.index(max(f1))


@pytest.mark.parametrize(("train", "validation"), [([], ["R"]), (["R"], [])])
def test_empty_splits_name_the_fix(train: list[str], validation: list[str]) -> None:
    with pytest.raises(UserError, match="dvc repro build-messages"):
        prior(sheets(*train), sheets(*validation), sheets("R"))

"""Precision, recall and F1 against scikit-learn and by hand."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

from schematic_reader.scoring.precision_recall import Counts, count, exact_match, macro_f1, total

NAMES = st.sets(st.sampled_from("ABCDEFGH"), max_size=8)
SHEETS = st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(SHEETS)
def test_sets_score_as_in_scikit_learn(sheets: list[tuple[set[str], set[str]]]) -> None:
    binarizer = MultiLabelBinarizer(classes=list("ABCDEFGH")).fit([])
    predicted = binarizer.transform([one for one, _ in sheets])
    actual = binarizer.transform([other for _, other in sheets])
    precision, recall, f1, _ = precision_recall_fscore_support(
        actual, predicted, average="micro", zero_division=0
    )
    counts = [count(Counter(one), Counter(other)) for one, other in sheets]
    top = total(counts)
    assert (top.precision, top.recall, top.f1) == pytest.approx((precision, recall, f1), abs=1e-12)
    samples = f1_score(actual, predicted, average="samples", zero_division=0)
    assert macro_f1(counts) == pytest.approx(samples, abs=1e-12)
    assert exact_match(counts) == pytest.approx(accuracy_score(actual, predicted), abs=1e-12)


def test_multisets_count_an_item_as_often_as_both_sides_have_it() -> None:
    counts = count(Counter({"GND": 5, "R": 1, "X": 2}), Counter({"GND": 3, "R": 2, "C": 1}))
    assert counts == Counts(found=4, predicted=8, actual=6)
    assert (counts.precision, counts.recall, counts.f1) == (0.5, 4 / 6, 8 / 14)


def test_nothing_said_or_nothing_there_is_zero() -> None:
    assert (Counts().precision, Counts().recall, Counts().f1) == (0.0, 0.0, 0.0)
    assert macro_f1([]) == exact_match([]) == 0.0
    assert exact_match([Counts(0, 0, 0), Counts(2, 2, 2), Counts(2, 2, 3), Counts(2, 3, 2)]) == 0.5

"""The loose reading of names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schematic_reader.tasks.folding import fold


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C_Small", "c small"),
        ("Conn_01x04_Pin", "conn-01X04.pin"),
        ("SOT-23", "sot23"),
        ("AMS1117-3.3", "ams1117 3.3"),
        ("10µF", "10\u03bcf"),  # micro sign and Greek mu
        ("ＧＮＤ", "gnd"),
        ("STRASSE", "straße"),
        ("TX/RX", "txrx"),
    ],
)
def test_alike(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("4.7k", "47k"), ("-12V", "12V"), ("-12V", "+12V"), ("R", "C"), ("LM358", "LM358A"), ("_", "-")],
)
def test_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text())
def test_never_empties_a_name(text: str) -> None:
    assert bool(fold(text)) == bool(text)

"""Text from outside loses what a terminal, a spreadsheet or a page would obey."""

from __future__ import annotations

from schematic_reader.io.display import clipped, ellipsized, printable


def test_control_and_format_characters_and_surrogates_are_replaced() -> None:
    assert printable("a\0\x1b[2J\u202e\x85\ud800\u200b\n µ end") == "a��[2J����� µ end"
    assert printable("a\n\tb\r", keep="\t\n") == "a\n\tb�"


def test_long_text_is_cut_with_a_note() -> None:
    assert clipped("abcdef", 4) == "abcd… (2 more characters)"
    assert clipped("ab\n\0", 4) == "ab\n�"
    assert (ellipsized("abcdef", 6), ellipsized("abcdef", 4)) == ("abcdef", "abc…")

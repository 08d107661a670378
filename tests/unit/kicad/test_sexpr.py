"""S-expressions: tokens, bounds, and KiCad's own layout."""

from __future__ import annotations

import random
import re
import tracemalloc
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schematic_reader.kicad.sexpr import Node, SexprError, Symbol, dump, parse

ATOMS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1).filter(
    lambda s: not any(c in '()"' or c.isspace() for c in s)
)
WORDS = st.one_of(ATOMS.map(Symbol), st.text(st.characters(exclude_categories=("Cs",))))
TREES = st.recursive(st.lists(WORDS), lambda inner: st.lists(WORDS | inner), max_leaves=40)


def kinds(node: Node) -> list[object]:
    """The tree with each word's kind spelled out, because Symbol("a") == "a"."""
    return [kinds(n) if isinstance(n, list) else (type(n) is Symbol, str(n)) for n in node]


@pytest.mark.slow
@settings(max_examples=300, deadline=None, derandomize=True)
@given(TREES)
def test_dump_then_parse_gives_the_same_tree(tree: Node) -> None:
    assert kinds(parse(dump(tree))) == kinds(tree)


def test_a_long_escaped_string_takes_no_memory_of_its_own() -> None:
    text = '(a "' + r"\n" * 500_000 + '")'
    tracemalloc.start()
    try:
        assert parse(text) == ["a", "\n" * 500_000]
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_words_keep_their_kind() -> None:
    node = parse('(kicad_sch (version 20231120) (text "a \\"b\\"\\n\\\\ \\x41\\101\\t(" -1.27e3))')
    assert kinds(node) == kinds(
        [
            Symbol("kicad_sch"),
            [Symbol("version"), Symbol("20231120")],
            [Symbol("text"), 'a "b"\n\\ AA\t(', Symbol("-1.27e3")],
        ]
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: empty text"),
        ("\n\n(a (b)", "line 3: 1 lists are not closed"),
        ("(a))", r"line 1: '\)' without '\('"),
        ("(a)\n(b)", "line 2: text after the end"),
        ("EESchema Schematic", "line 1: 'EESchema' outside a list"),
        ('(a\n "open)', "line 2: a string that does not end"),
        ('(a\n "open\\"', "line 2: a string that does not end"),
        ("(a\n\u00a0b)", r"line 2: '\\xa0' outside a string"),
        ("(a\n \f(b))", r"line 2: '\\x0c' outside a string"),
        ("(" * 6 + ")" * 6, "line 1: nested deeper than 5 lists"),
        ("(" + "a" * 1000 + ")", "the text has 1002 characters; at most 1000 are read"),
    ],
)
def test_rubbish_is_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(SexprError, match=message):
        parse(text, max_depth=5, max_chars=1000)


def test_depth_is_bounded_without_recursion() -> None:
    deep = "(a " * 5_000 + ")" * 5_000
    with pytest.raises(SexprError, match="deeper than 200"):
        parse(deep)
    tree = parse(deep, max_depth=5_000)
    assert dump(parse(dump(tree), max_depth=5_000)) == dump(tree)


def test_layout_is_kicad_8s() -> None:
    points = " ".join(f"(xy {x}.5 {x}.25)" for x in range(10, 20))
    node = parse(f'(wire (pts {points}) (stroke (width 0) (type default)) (data "{"A" * 76}" "BB" C))')
    assert dump(node) == (
        "(wire\n\t(pts\n"
        "\t\t(xy 10.5 10.25) (xy 11.5 11.25) (xy 12.5 12.25) (xy 13.5 13.25) (xy 14.5 14.25) (xy 15.5 15.25)"
        " (xy 16.5 16.25)\n\t\t(xy 17.5 17.25) (xy 18.5 18.25) (xy 19.5 19.25)\n"
        "\t)\n\t(stroke\n\t\t(width 0)\n\t\t(type default)\n\t)\n"
        f'\t(data "{"A" * 76}"\n\t\t"BB" C\n\t)\n)\n'
    )


@pytest.mark.parametrize(("sixth", "column"), [("(xy 1.5 22)", 98), ("(xy 1.5 222)", 99)])
def test_points_share_a_line_up_to_column_99(sixth: str, column: int) -> None:
    line = " ".join(["(xy 10.5 10.25)"] * 4 + ["(xy 110.555 110.255)", sixth])
    assert len(line) + 2 == column
    separator = " " if column < 99 else "\n\t\t"
    assert f"\t\t{line}{separator}(xy 7 8)\n" in dump(parse(f"(wire (pts {line} (xy 7 8)))"))


def test_kicads_own_files_are_printed_as_they_are(mini: Path) -> None:
    texts = [t for f in sorted(mini.glob("*.parquet")) for t in pq.read_table(f)["schematic"].to_pylist()]
    own = [t for t in texts if re.match(r"\(kicad_sch\n\t\(version (2023112|2024|2025)", t)]
    assert len(own) > 100
    for text in random.Random(4).sample(own, 20):
        assert dump(parse(text)).rstrip("\n") == text.rstrip("\n")


@pytest.mark.parametrize("atom", ["", "two words", "a(", 'a"b'])
def test_an_atom_that_could_not_be_read_back_is_refused(atom: str) -> None:
    with pytest.raises(SexprError, match="cannot be written as a bare atom"):
        dump([Symbol(atom)])

"""Patterns with possessive quantifiers and atomic groups find what another engine finds.

Python's own had a fault in them until 3.11.5: after a possessive repeat of a group it went on where the last,
failed repetition had stopped reading.
"""

from __future__ import annotations

import random
import re
from re import _parser  # type: ignore[attr-defined]

import pytest
import regex

from schematic_reader.cleaning import sheet_text
from schematic_reader.io import sheet_texts
from schematic_reader.kicad import sexpr
from schematic_reader.kicad.nets import bus_labels
from schematic_reader.tasks import components, json_description, schematic
from tests.support.paths import ROOT

LONG = "iVBORw0KGgo/+" + "A" * 60

# Each pattern and the pieces that its inputs are made of, and how many pieces.
PATTERNS = {
    "schematic": (
        sheet_texts._SCHEMATIC,
        ["(data ", f"(data {LONG}", '"', "|", LONG, "A+", " ", "\n", ")", "("],
        9,
    ),
    "json": (
        sheet_texts._JSON,
        ['"data"', ': "', ": [", '"A"', ', "A"', " ", "]", '"', LONG, "\\n", "\\"],
        9,
    ),
    "yaml": (
        sheet_texts._YAML,
        [
            "data:",
            "- data:",
            " |\n",
            " >-\n",
            "\n",
            " ",
            "  - A",
            "- ",
            LONG,
            "A",
            " A\n",
            "[",
            "]",
            ",",
            "'",
            "x: 1",
        ],
        9,
    ),
    "names": (components._NAME, ['"', '""', "R", ",", "\n", " ", ".", "- ", "1) "], 8),
    "tokens": (json_description._TOKEN, ['"', "\\", '\\"', "a", "\n", "[", "}"], 8),
    "vector": (bus_labels._VECTOR, ["~{", "_", "A", "[", "]", "[1..", "0]", "[0..2]", "}", "+", " "], 7),
    "symbols of json": (
        re.compile(json_description._SYMBOLS_END.pattern, re.DOTALL),
        ['{"symbols":[', '["R1","R"]', ",", "[", "]", '"', "\\", '"a"', '{"labels"', "}"],
        8,
    ),
    "symbols of schematic": (
        re.compile(schematic._SYMBOLS_END.pattern, re.DOTALL),
        ["(kicad_sch", "\n(symbol", ' "R1"', ")", " ", "\n(label x", '"', "\\", "(symbol "],
        8,
    ),
    "tokens of a sheet": (sexpr._TOKEN, ['"', "\\", '\\"', "a", "\n", "(", ")", " ", '"a"'], 9),
    "symbols of a sheet": (
        sheet_text._SYMBOL,
        ["(symbol ", "(lib_name ", "(lib_id ", '"', '\\"', "\\", "a", ")", " ", '"a"'],
        9,
    ),
    "values of a sheet": (sheet_text._VALUE, ['(property "Value" ', '"', '\\"', "\\", "a", '"a"'], 7),
    "labels of a sheet": (sheet_text._LABEL, ["label ", '"', '\\"', "\\", "a", '"a"'], 7),
    "group": (bus_labels._GROUP, ["~{", "_{", "A", "{", "}", " ", "[", "~", "B}"], 8),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_finds_what_another_engine_finds(name: str) -> None:
    pattern, pieces, length = PATTERNS[name]
    other = regex.compile(pattern.pattern, flags=pattern.flags)
    if isinstance(pattern.pattern, bytes):
        pieces = [piece.encode() for piece in pieces]
    rng = random.Random(name)
    hits = 0
    for _ in range(10_000):
        text = pattern.pattern[:0].join(rng.choices(pieces, k=rng.randint(1, length)))
        if name in ("schematic", "json", "yaml") or name.startswith(("symbols of", "values of", "labels of")):
            text = pieces[0] + text
        found = [(match.span(), match.groups()) for match in pattern.finditer(text)]
        assert found == [(match.span(), match.groups()) for match in other.finditer(text)], text
        hits += bool(found)
    assert hits >= 50


@pytest.mark.parametrize("name", PATTERNS)
def test_no_possessive_repeat_of_a_group_with_a_quantifier(name: str) -> None:
    """The form that the fault hits, seen on every version of Python."""
    pattern = PATTERNS[name][0]
    assert not _hit(_parser.parse(pattern.pattern, pattern.flags))
    assert _hit(_parser.parse(r"x(?:(?: a++\n)++|b)"))


def test_every_possessive_group_is_among_the_patterns() -> None:
    files = {
        path
        for path in (ROOT / "schematic_reader").rglob("*.py")
        if re.search(r"\)[*+?}]\+", path.read_text("utf-8"))
    }
    assert {path.stem for path in files} <= {
        "sheet_texts",
        "bus_labels",
        "components",
        "json_description",
        "schematic",
        "sexpr",
        "sheet_text",
    }


def _hit(tree: object, within: bool = False) -> bool:
    """Whether a parsed pattern has a quantifier within a possessive repeat of a group."""
    if isinstance(tree, tuple) and len(tree) == 2 and str(tree[0]).endswith("_REPEAT"):
        return within or _hit(tree[1], within=str(tree[0]) == "POSSESSIVE_REPEAT")
    if isinstance(tree, (tuple, list, _parser.SubPattern)):
        return any(_hit(part, within) for part in tree)
    return False

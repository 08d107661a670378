"""Near twins are kept but never split, trivial sheets are not tied, mismatched lists are counted."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from schematic_reader.cleaning.sheet_text import SheetSymbols, signature
from tests.support.cleaning import PARAMS, ROOMY, clean, re_encoded
from tests.support.raw_rows import raw_row, write_raw

GOOD = [raw_row(number) for number in range(30)]


def splits_of_pairs(tmp_path: Path, firsts: list[dict[str, Any]], seconds: list[dict[str, Any]]) -> int:
    """How many of 30 pairs of rows, of a repository each, lie in one split; all rows are kept."""
    firsts = [{**row, "name": f"first/{number}"} for number, row in enumerate(firsts)]
    seconds = [{**row, "name": f"second/{number}"} for number, row in enumerate(seconds)]
    _, rows = clean(write_raw(tmp_path / "raw", [firsts, seconds]), ROOMY)
    split = {row["name"]: row["split"] for row in rows}
    assert len(split) == 60
    return sum(split[f"first/{number}"] == split[f"second/{number}"] for number in range(30))


def sheet_text(number: int, values: int, note: str = "") -> str:
    """A sheet with ten placed symbols, ``values`` different ones among them, and a label."""
    library = "".join(f'(symbol "Device:R{kind}" (symbol "R{kind}_0_1"))' for kind in range(values))
    placed = "".join(
        f'(symbol (lib_id "Device:R{kind % values}") (property "Value" "{number} k"))' for kind in range(10)
    )
    return f'(kicad_sch (lib_symbols {library}) (text "{note}") (label "NET_{number}") {placed})'


def sheet_json(number: int) -> str:
    return json.dumps(
        {
            "schematicSymbols": [
                {"entryName": f"R{kind}", "properties": [{"key": "Value", "value": f"{number} k"}]}
                for kind in range(10)
            ],
            "labels": [{"text": f"NET_{number}"}],
        }
    )


def drawing(number: int, moved: int = 0, words: int = 0) -> bytes:
    """A white page with forty dark bars, ``moved`` of them elsewhere, and ``words`` in the title block."""
    page = Image.new("RGBA", (562, 397), "white")
    pen = ImageDraw.Draw(page)
    for bar in range(40):
        rng = random.Random(f"{number} {bar} {bar < moved}")
        x, y = rng.randrange(40, 500), rng.randrange(40, 280)
        pen.rectangle((x, y, x + 17, y + 20), fill="darkred")
    pen.rectangle((380, 340, 380 + 2 * words, 370), fill="darkred")
    file = io.BytesIO()
    page.save(file, "PNG")
    return file.getvalue()


def test_sheets_of_one_structure_are_never_split(tmp_path: Path) -> None:
    firsts = [raw_row(number, schematic=sheet_text(number, 10), json=None) for number in range(30)]
    notes = [sheet_text(number, 10, "moved") for number in range(30)]
    from_text = [raw_row(100 + number, schematic=notes[number], json=None) for number in range(30)]
    from_json = [raw_row(100 + number, json=sheet_json(number)) for number in range(30)]
    others = [raw_row(100 + number, schematic=sheet_text(99 - number, 10)) for number in range(30)]
    assert splits_of_pairs(tmp_path / "text", firsts, from_text) == 30
    assert splits_of_pairs(tmp_path / "json", firsts, from_json) == 30
    assert splits_of_pairs(tmp_path / "others", firsts, others) < 25


def test_sheets_with_next_to_nothing_on_them_are_not_tied(tmp_path: Path) -> None:
    """Ten mounting holes or a page with one dot lie in any number of repositories."""
    firsts = [raw_row(number, schematic=sheet_text(0, 1, f"a{number}")) for number in range(30)]
    seconds = [raw_row(100 + number, schematic=sheet_text(0, 1, f"b{number}")) for number in range(30)]
    assert splits_of_pairs(tmp_path / "structure", firsts, seconds) < 25
    blanks = [Image.new("RGBA", (300 + number, 200), "white") for number in range(60)]
    files = [io.BytesIO() for _ in blanks]
    for blank, file in zip(blanks, files, strict=True):
        blank.putpixel((9, 9), (0, 0, 0, 255))
        blank.save(file, "PNG")
    rows = [raw_row(number, image=file.getvalue()) for number, file in enumerate(files)]
    assert splits_of_pairs(tmp_path / "blank", rows[:30], rows[30:]) < 25


def test_pictures_that_differ_in_little_are_never_split(tmp_path: Path) -> None:
    firsts = [raw_row(number, image=drawing(number)) for number in range(30)]
    titles = [raw_row(100 + number, image=drawing(number, words=9 + number)) for number in range(30)]
    edited = [raw_row(100 + number, image=drawing(number, moved=1)) for number in range(30)]
    others = [raw_row(100 + number, image=drawing(number, moved=20)) for number in range(30)]
    assert splits_of_pairs(tmp_path / "titles", firsts, titles) == 30
    assert splits_of_pairs(tmp_path / "edited", firsts, edited) == 30
    assert splits_of_pairs(tmp_path / "others", firsts, others) < 25


def test_the_metrics_tell_what_ties_groups(tmp_path: Path) -> None:
    two = raw_row(50, name=GOOD[0]["name"])
    text = raw_row(51, schematic=GOOD[1]["schematic"])
    pixels = raw_row(52, image=drawing(3), schematic=sheet_text(7, 10))
    same_pixels = raw_row(53, image=re_encoded(drawing(3)))
    structure = raw_row(54, schematic=sheet_text(7, 10, "again"))
    near = raw_row(55, image=drawing(3, moved=1))
    rows = [*GOOD, two, text, pixels, same_pixels, structure, near]
    metrics, _ = clean(write_raw(tmp_path / "raw", [rows]), ROOMY)
    assert metrics["tied"] == {
        "repository": 1,
        "text": 1,
        "pixels": 1,
        "signature": 1,
        "perceptual_hash": 1,
    }


def test_the_metrics_tell_whose_other_repositories_are_trained_on(tmp_path: Path) -> None:
    names = [f"Alike/{number}" if number % 3 else f"{number}/board" for number in range(60)]
    rows = [raw_row(number, name=name) for number, name in enumerate(names)]
    metrics, kept = clean(write_raw(tmp_path / "raw", [rows]), ROOMY)
    alike = Counter(row["split"] for row in kept if row["name"].startswith("Alike/"))
    assert min(alike.values()) > 0 and alike["test"] < metrics["splits"]["test"]
    assert metrics["known_owners"] == {"validation": alike["validation"], "test": alike["test"]}


MATCHING = sheet_text(1, 3)


@pytest.mark.parametrize(
    ("names", "text", "mismatch"),
    [
        (["R0", "R1", "R2"], MATCHING, 0),
        (["R2", "R0", "R1"], MATCHING, 0),
        (["R0", "R1"], MATCHING, 1),
        (["R0", "R1", "R2", "LED"], MATCHING, 1),
        (["R0", "R1", "R2", "X"], MATCHING.replace("(lib_symbols", '(lib_symbols (symbol "X")'), 0),
        (["A_1", "R1", "R2"], MATCHING.replace('"Device:R0"', '"A_1"').replace("R0_0_1", "A_1_0_1"), 0),
        (["R0"], "EESchema Schematic File Version 4", 0),
        (["R0"], None, 0),
    ],
)
def test_components_that_are_not_those_of_the_text_are_counted(
    tmp_path: Path, names: list[str], text: str | None, mismatch: int
) -> None:
    good = [raw_row(number, schematic=None) for number in range(30)]
    raw = write_raw(tmp_path / "raw", [[*good, raw_row(77, components_used=names, schematic=text)]])
    metrics, rows = clean(raw, ROOMY)
    assert (metrics["mismatch"], len(rows)) == (mismatch, 31)
    metrics, rows = clean(raw, replace(ROOMY, mismatch="drop"))
    assert (metrics["mismatch"], metrics["dropped"]["mismatch"], len(rows)) == (
        mismatch,
        mismatch,
        31 - mismatch,
    )
    _, rows = clean(raw, replace(ROOMY, mismatch="repair"))
    repaired = [row["components"] for row in rows if row["name"] == "owner/board-77"]
    assert repaired == [["R0", "R1", "R2"] if mismatch else names]


def test_a_list_that_cannot_be_repaired_is_dropped(tmp_path: Path) -> None:
    good = [raw_row(number, schematic=None) for number in range(30)]
    raw = write_raw(tmp_path / "raw", [[*good, raw_row(77)]])
    metrics, rows = clean(raw, replace(PARAMS, mismatch="repair"))
    assert (metrics["dropped"]["mismatch"], len(rows)) == (1, 30)


def test_text_and_json_of_a_real_sheet_have_one_signature(mini: Path) -> None:
    signed = 0
    for path in sorted(mini.glob("*.parquet")):
        for row in pq.read_table(path, columns=["schematic", "json", "components_used"]).to_pylist():
            if row["json"] is None:
                continue
            text, description = row["schematic"].encode(), row["json"].encode()
            symbols = SheetSymbols(text)
            assert signature(text, b"", symbols) == signature(b"", description, None)
            signed += bool(signature(b"", description, None))
    assert signed > 230


def test_a_symbol_without_a_value_does_not_take_that_of_the_next() -> None:
    text = b'(symbol (lib_id "A:a")) (symbol (lib_id "A:b") (property "Value" "1k")) (symbol (lib_id "A:c"))'
    assert SheetSymbols(text).items == [("a", ""), ("b", "1k"), ("c", "")]


def test_a_long_string_takes_no_memory_of_its_own() -> None:
    text = b'(symbol (lib_id "' + b"x" * 1_000_000 + b'"))'
    tracemalloc.start()
    try:
        assert SheetSymbols(text).placed == ["x" * 1_000_000]
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", [b"[" * 100_000, b"[1]", b'{"schematicSymbols": 3}', b"\xff", b"9" * 9999])
def test_a_json_column_of_anything_has_no_signature(text: bytes) -> None:
    assert signature(b"", text, None) == b""

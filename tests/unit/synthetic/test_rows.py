"""Rows of the generator: the raw layout, determinism, corruption."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from schematic_reader.cli import UserError
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.synthetic.project import project_of
from schematic_reader.synthetic.sample import generate_rows, make_row, make_sheet
from schematic_reader.synthetic.yaml_text import dump_yaml

WIDTH, HEIGHT = 640, 448
COLUMNS = ["schematic", "image", "components_used", "json", "yaml", "name", "description", "type"]
# The first five rows of seed 1: of their texts, and of their pixels. They change whenever circuits,
# symbols or the drawing do; run this file to see the new ones, and look at the sheets.
TEXTS = "1b52569732c70644274be5f473a041fde2fb0bde1d2a804f04805ac91779c8c7"
PIXELS = "cb5f57a6438fc45916756b2dd692e3cdeaf3276c480c77594e92209730cd0f7c"


@cache
def rows() -> list[dict[str, Any]]:
    return list(generate_rows(24, 1, width=WIDTH, height=HEIGHT))


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def digests(first: list[dict[str, Any]]) -> tuple[str, str]:
    texts, pictures = hashlib.sha256(), hashlib.sha256()
    for row in first:
        texts.update(json.dumps({k: v for k, v in row.items() if k != "image"}, sort_keys=True).encode())
        pictures.update(pixels(row["image"]["bytes"]).tobytes())
    return texts.hexdigest(), pictures.hexdigest()


def test_rows_have_the_raw_layout() -> None:
    for row in rows():
        assert list(row) == COLUMNS
        assert row["type"] == ".kicad_sch"
        assert row["name"].count("/") == 1 and row["image"]["path"].endswith(".png")
        assert pixels(row["image"]["bytes"]).shape == (HEIGHT, WIDTH, 3)
        assert "\n" not in row["description"]


def test_components_are_the_names_of_the_placed_symbols() -> None:
    for number, row in enumerate(rows()):
        sheet = make_sheet(number, 1, width=WIDTH, height=HEIGHT)[0]
        placed = {symbol.lib_id.split(":")[1] for symbol in sheet.symbols}
        assert len(row["components_used"]) == len(placed)
        assert set(row["components_used"]) == placed
        in_file = [
            line.split('"')[1] for line in row["schematic"].splitlines() if line.startswith('\t\t(symbol "')
        ]
        assert row["components_used"] == [name.split(":")[1] for name in in_file]


def test_json_and_yaml_are_one_document() -> None:
    for row in rows():
        content = json.loads(row["json"])
        assert yaml.safe_load(row["yaml"]) == content
        assert yaml.safe_dump(content) == row["yaml"]
        assert json.dumps(content, indent=2) == row["json"]
        assert {s["entryName"] for s in content["schematicSymbols"]} == set(row["components_used"])


def test_the_text_reads_back_as_the_sheet() -> None:
    for number, row in enumerate(rows()):
        sheet = make_sheet(number, 1, width=WIDTH, height=HEIGHT)[0]
        back = read_sheet(row["schematic"])
        assert replace(back, frame=sheet.frame) == sheet, row["name"]  # the file does not tell of the frame


def test_a_row_depends_on_its_number_and_the_seed_alone() -> None:
    again = list(generate_rows(6, 1, width=WIDTH, height=HEIGHT, first=10))
    assert again == rows()[10:16]
    assert make_row(3, 2, width=WIDTH, height=HEIGHT) != rows()[3]


def test_workers_make_the_same_rows() -> None:
    alone = list(generate_rows(40, 5, width=WIDTH, height=HEIGHT, corrupt_share=0.2))
    assert list(generate_rows(40, 5, width=WIDTH, height=HEIGHT, corrupt_share=0.2, workers=2)) == alone


def test_the_first_rows_are_the_committed_ones() -> None:
    assert digests(rows()[:5]) == (TEXTS, PIXELS)


def test_projects_have_one_to_four_sheets_of_one_style() -> None:
    sizes = Counter(project_of(3, row, WIDTH)[0].name for row in range(480))
    assert set(sizes.values()) == {1, 2, 3, 4}
    for row in range(48):
        project, number = project_of(3, row, WIDTH)
        if number > 1:
            assert project_of(3, row - 1, WIDTH) == (project, number - 1)


@pytest.mark.slow
def test_many_kinds_in_realistic_numbers() -> None:
    seen: Counter[str] = Counter()
    distinct = []
    for row in range(400):
        sheet = make_sheet(row, 7, width=WIDTH, height=HEIGHT)[0]
        names = {symbol.lib_id.split(":")[1] for symbol in sheet.symbols}
        seen.update(names)
        distinct.append(len(names))
    assert len(seen) >= 150
    assert seen.most_common(1)[0][0] == "GND"
    low, median, high = np.quantile(distinct, [0.1, 0.5, 0.9])
    assert 2 <= low <= 5 and 7 <= median <= 12 and 11 <= high <= 18


def test_larger_pictures_hold_more_kinds() -> None:
    distinct = [len(make_sheet(row, 7, width=1280, height=900)[0].lib_symbols) for row in range(100)]
    assert np.median(distinct) >= 9 and max(distinct) >= 22


@pytest.mark.slow
def test_the_share_of_corrupted_rows_is_exact() -> None:
    share, count = 0.25, 40
    corrupted = list(generate_rows(count, 1, width=WIDTH, height=HEIGHT, corrupt_share=share))
    clean = list(generate_rows(count, 1, width=WIDTH, height=HEIGHT))
    changed = [i for i in range(count) if corrupted[i] != clean[i]]
    assert len(changed) == 10
    kinds = Counter(kind(corrupted[i], clean[i]) for i in changed)
    assert kinds == {"none": 2, "empty": 2, "no picture": 2, "truncated": 2, "copy": 2}
    for i in changed:
        if kind(corrupted[i], clean[i]) == "copy":
            originals = [j for j in range(i) if corrupted[j]["schematic"] == corrupted[i]["schematic"]]
            assert len(originals) == 1 and corrupted[originals[0]] == clean[originals[0]]
            assert corrupted[i]["image"] == clean[originals[0]]["image"]
            assert corrupted[i]["name"] != clean[originals[0]]["name"]


def kind(row: dict[str, Any], clean: dict[str, Any]) -> str:
    if row["components_used"] is None:
        return "none"
    if row["components_used"] == []:
        return "empty"
    if row["image"] is None:
        return "no picture"
    if row["schematic"] != clean["schematic"]:
        return "copy"
    png = row["image"]["bytes"]
    assert clean["image"]["bytes"].startswith(png)
    with pytest.raises(OSError):
        Image.open(io.BytesIO(png)).load()
    return "truncated"


def test_no_row_is_corrupted_by_default() -> None:
    assert all(row["components_used"] and row["image"] for row in rows())


def test_a_picture_without_room_is_refused() -> None:
    with pytest.raises(UserError, match="60 x 40 pixels has no room"):
        make_row(0, 1, width=60, height=40)


words = st.one_of(
    st.sampled_from(
        ["", "~", "yes", "null", "1", "1.5", "0x1", "1e3", "+3V3", "-", "#PWR01", "a: b", "{a}", "'", '"']
    ),
    st.text("abcXYZ019+-_./#:~ {}[]'\"%@!&*|>,?=", max_size=24),
)
numbers = st.one_of(
    st.integers(-(10**6), 10**6), st.floats(allow_nan=False, width=32), st.booleans(), st.none()
)
keys = st.text("abcXY", min_size=1, max_size=8)
documents = st.recursive(
    st.one_of(words, numbers),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=12,
)


@given(st.dictionaries(keys, documents, min_size=1, max_size=4))
def test_yaml_text_is_pyyamls(document: dict[str, Any]) -> None:
    assert dump_yaml(document) == yaml.safe_dump(document)


def test_yaml_text_refuses_what_would_be_folded() -> None:
    with pytest.raises(ValueError, match="over lines"):
        dump_yaml({"a": "word " * 30})


if __name__ == "__main__":
    print(digests(rows()[:5]))

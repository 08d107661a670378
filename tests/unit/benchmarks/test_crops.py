"""Crops show what they are asked about, and the answer of the base model is held against it to the letter."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks import crops
from benchmarks.common import results
from pretraining.questions import Question
from pretraining.scene import Scene
from schematic_reader.io.tables import RAW, write_rows
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.synthetic.sample import make_row
from tests.support.paths import ROOT


def row(number: int = 0) -> dict[str, Any]:
    return make_row(number, 42, width=640, height=448)


@pytest.mark.parametrize("factor", crops.VIEWS.values())
def test_a_crop_is_cut_from_the_sheets_own_picture_at_the_place_that_is_asked_about(factor: float) -> None:
    one = row()
    scene = Scene(read_sheet(one["schematic"]), 640, 448)
    width, height = (int(side / factor) for side in crops.SHOWN)
    found = list(crops.crops(iter([one]), factor, seed=1))
    assert 0 < len(found) <= crops.WINDOWS
    for crop in found:
        assert crop.picture.size == crops.SHOWN
        places = [
            (left, top)
            for x, y in scene.focus()
            for left in [min(max(0, int(x - width / 2)), 640 - width)]
            for top in [min(max(0, int(y - height / 2)), 448 - height)]
        ]
        whole = crops.open_picture(one["image"]["bytes"]).convert("RGB")
        here = [
            (left, top)
            for left, top in places
            if crops.resized(whole.crop((left, top, left + width, top + height)), crops.SHOWN) == crop.picture
        ]
        assert here
        texts = {text.text for text in scene.view(*here[0], width, height).texts}
        assert crop.questions["read"].answer in texts


def test_sheets_without_text_or_picture_of_a_window_are_passed_over() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (crops.SHOWN[0] - 1, 400)).save(buffer, "png")
    small = row() | {"image": {"bytes": buffer.getvalue(), "path": None}}
    others = [row() | {"schematic": "no sheet"}, row() | {"image": None}]
    assert list(crops.crops(iter([small, *others]), 1, seed=1)) == []


def test_of_each_kind_the_first_question_is_asked() -> None:
    asked = [Question("values", "a", "1"), Question("labels", "b", "2"), Question("read", "c", "3")]
    asked += [Question("where", "d", "4"), Question("read", "e", "5"), Question("count", "f", "6")]
    chosen = crops.first_of_each(asked)
    assert {kind: one.prompt for kind, one in chosen.items()} == {"list": "a", "read": "c", "count": "f"}


@pytest.mark.slow
def test_a_line_for_each_question_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(tmp_path / "rows.parquet", RAW, [row(number) for number in range(3)])
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr("sys.argv", ["crops", "--rows", str(tmp_path / "rows.parquet")])
    monkeypatch.chdir(ROOT)
    crops.main()
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert len(lines) == len(crops.VIEWS) * len(crops.ASKED)
    assert all(0 < line["asked"] <= 3 * crops.WINDOWS for line in lines)
    shares = {line["variant"]: line["exact"] for line in lines}
    assert all(shares[f"read, {view}"] > 0.5 for view in crops.VIEWS)  # it reads
    assert all(line["exact_low"] <= line["exact"] <= line["exact_high"] for line in lines)

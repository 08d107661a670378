"""Crops show what they are asked about, and the answer of the base model is held against it to the letter."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
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


def test_a_crop_is_cut_from_the_sheets_own_picture_at_the_place_that_is_asked_about() -> None:
    one = row()
    scene = Scene(read_sheet(one["schematic"]), 640, 448)
    found = list(crops.crops(iter([one]), seed=1))
    assert len(found) == crops.WINDOWS
    for crop in found:
        assert crop.picture.size == (crops.WIDTH, crops.HEIGHT)
        places = [
            (left, top)
            for x, y in scene.focus()
            for left in [min(max(0, int(x - crops.WIDTH / 2)), 640 - crops.WIDTH)]
            for top in [min(max(0, int(y - crops.HEIGHT / 2)), 448 - crops.HEIGHT)]
        ]
        whole = np.asarray(crops.open_picture(one["image"]["bytes"]).convert("RGB"))
        here = [
            (left, top)
            for left, top in places
            if np.array_equal(whole[top : top + crops.HEIGHT, left : left + crops.WIDTH], crop.picture)
        ]
        assert here
        texts = {text.text for text in scene.view(*here[0], crops.WIDTH, crops.HEIGHT).texts}
        assert crop.questions["read"].answer in texts


def test_sheets_without_text_or_picture_of_a_window_are_passed_over() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (crops.WIDTH - 1, 400)).save(buffer, "png")
    small = row() | {"image": {"bytes": buffer.getvalue(), "path": None}}
    others = [row() | {"schematic": "no sheet"}, row() | {"image": None}]
    assert list(crops.crops(iter([small, *others]), seed=1)) == []


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
    assert len(lines) == 2 * len(crops.ASKED) and {line["asked"] for line in lines} == {6}
    shares = {line["variant"]: line["exact"] for line in lines}
    assert shares["read, own size"] > 0.5  # it reads
    assert all(line["exact_low"] <= line["exact"] <= line["exact_high"] for line in lines)

"""The time of reading pictures: what a line says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from benchmarks import reading
from benchmarks.common import results
from schematic_reader.cli import UserError
from tests.support.paths import ROOT


@pytest.mark.slow
def test_a_line_has_the_seconds_and_the_tiles_of_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Image.new("RGB", (240, 120), "white")
    ImageDraw.Draw(picture).text((90, 50), "R1 10k", fill="black")
    for name in "ab":
        picture.save(tmp_path / f"{name}.png")
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["reading", str(tmp_path)])
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results.jsonl")
    reading.main()
    (line,) = map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())
    assert line["variant"].startswith("2 pictures, bill of materials")
    assert line["tiles_median"] == 1
    assert 0 < line["seconds_median"] <= line["seconds_p90"] < 300
    assert 0 < line["cpu_seconds_median"] <= line["cpu_seconds_p90"]


def test_a_folder_without_pictures_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["reading", str(tmp_path)])
    with pytest.raises(UserError, match=f"{tmp_path} holds no .png"):
        reading.main()

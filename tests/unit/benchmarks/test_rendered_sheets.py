"""Real sheets drawn anew at the size that the small base model reads, and the rows that cannot be."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks.data.rendered_sheets import render_cut, render_rows
from schematic_reader.kicad.model import Line, Sheet
from schematic_reader.kicad.writer import write_sheet

PAPER = (297.0, 210.0)


def wire(*points: tuple[float, float]) -> Sheet:
    return Sheet(size=PAPER, paper="A4", lines=(Line(points),))


def test_the_picture_is_cut_to_what_is_drawn_at_the_models_scale() -> None:
    picture = render_cut(wire((100, 100), (150, 100), (150, 120)), 1 << 20)
    assert picture is not None
    # 50 mm x 20 mm at 5.55 px/mm are 278 x 111 px; with 16 px around them and up to the next cell of 32 px:
    assert picture.size == (320, 160)
    rows = [y for y in range(160) if len(picture.crop((0, y, 320, y + 1)).getcolors() or []) > 1]
    assert rows[0] == 16
    assert 110 <= rows[-1] - rows[0] <= 115


def test_a_large_sheet_is_drawn_smaller_not_cut() -> None:
    picture = render_cut(wire((10, 10), (280, 10), (280, 200)), 1 << 18)
    assert picture is not None
    assert 0.7 * (1 << 18) < picture.width * picture.height <= 1 << 18
    assert picture.width % 32 == picture.height % 32 == 0
    assert picture.width / picture.height == pytest.approx(270 / 190, rel=0.08)


def test_rows_that_cannot_be_drawn_are_counted_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blank = write_sheet(Sheet(size=PAPER, paper="A4"))
    texts = [write_sheet(wire((10, 10), (60, 60))), "(kicad_sch (wire", blank, None]
    table = pa.table(
        {
            "schematic": pa.array(texts, pa.string()),
            "image": pa.array([{"bytes": b"old", "path": "a.png"}] * 4),
            "name": ["a/good", "a/cut", "a/blank", "a/none"],
        }
    )
    (tmp_path / "in").mkdir()
    pq.write_table(table, tmp_path / "in" / "x.parquet")
    with caplog.at_level(logging.WARNING):
        counts = render_rows(tmp_path / "in", tmp_path / "out", 1 << 20)
    assert counts == {"drawn": 1, "nothing_drawn": 1, "schematic_broken": 2}
    assert [record.args for record in caplog.records] == [
        ("a/cut", "schematic_broken"),
        ("a/blank", "nothing_drawn"),
        ("a/none", "schematic_broken"),
    ]
    (row,) = pq.read_table(tmp_path / "out").to_pylist()
    assert (row["name"], row["schematic"]) == ("a/good", texts[0])
    assert Image.open(io.BytesIO(row["image"]["bytes"])).size == (320, 320)

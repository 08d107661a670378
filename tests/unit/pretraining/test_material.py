"""What pictures are drawn from."""

from __future__ import annotations

import base64
import lzma
import pickle
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pretraining import material
from pretraining.scene import Scene
from schematic_reader.cli import UserError
from schematic_reader.kicad.drawing.draw import draw_sheet, encode_png
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.writer import write_sheet
from tests.support.pretraining import annotated, generated, library


def marked(number):
    """A sheet on which every label says whose it is."""
    sheet = generated(number)
    label = sheet.labels[0]
    return replace(sheet, labels=(replace(label, text=f"OF{number}"),))


def test_repositories_are_either_trained_on_or_held_out():
    sheets = [(f"owner/{name}", marked(number)) for name, number in zip("abcdda", range(4, 10), strict=True)]
    found = material.gather(sheets, library())
    held = {label.text for sheet in found.held_out for label in sheet.labels}
    trained = {label.text for sheet in found.sheets for label in sheet.labels}
    assert held == {"OF7", "OF8"}  # both sheets of owner/d
    assert trained == {"OF4", "OF5", "OF6", "OF9"}
    assert {text for text in found.labels if text.startswith("OF")} == trained


def test_texts_and_symbols_are_kept_by_what_they_are():
    sheet = annotated(6)
    found = material.gather([("owner/a", sheet)], ())
    power = {s.value for s in sheet.symbols if sheet.lib_symbols[s.lib_id].power}
    assert power and set(found.power) == power
    for prefix, values in found.values.items():
        own = [s for s in sheet.symbols if material.prefix_of(s.reference) == prefix]
        assert set(values) == {s.value for s in own if not sheet.lib_symbols[s.lib_id].power}
        assert set(found.symbols[prefix]) <= {sheet.lib_symbols[s.lib_id] for s in own}
    assert {"place", "close", "datasheet"} <= set(found.words) and "VOUT" in found.labels


def test_a_sheet_loses_the_colours_of_its_items_and_nothing_else():
    """Pictures in training are palette indices, so a drawn sheet must be one."""
    sheet = annotated(2)
    red = (255, 0, 0, 1.0)
    label = sheet.labels[0]
    colored = replace(
        sheet,
        lines=tuple(replace(line, color=red) for line in sheet.lines),
        labels=(replace(label, style=replace(label.style, color=red)), *sheet.labels[1:]),
        junction_colors=(red,) * len(sheet.junctions),
    )
    assert draw_sheet(colored).mode == "RGB"
    assert material.without_colors(colored) == sheet
    assert draw_sheet(material.without_colors(colored)).mode == "P"


def test_material_comes_back_from_its_file(tmp_path):
    found = material.gather([("owner/a", annotated(1))], library())
    path = tmp_path / "folder" / "material.pickle.xz"
    material.write(found, path)
    assert material.read(path) == found
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"no\.pickle\.xz is missing: make it with python -m") as error:
        material.read(tmp_path / "no.pickle.xz")
    assert "\n" not in str(error.value)


def test_a_file_of_something_else_is_one_line(tmp_path):
    path = tmp_path / "other.pickle.xz"
    with lzma.open(path, "wb") as file:
        pickle.dump({"sheets": []}, file)
    with pytest.raises(UserError, match="holds no material"):
        material.read(path)
    with lzma.open(path, "wb") as file:
        file.write(b"cpretraining.material\nNo_such_class\n.")  # of another version of this project
    whole = path.read_bytes()
    for data in (whole, whole[:-20], b"no xz", b"", lzma.compress(b"no pickle")):
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"other\.pickle\.xz holds no material: make it anew"):
            material.read(path)


def test_rows_that_cannot_be_read_are_counted(tmp_path, caplog):
    sheet = generated(4)
    rows = [
        ("owner/a", write_sheet(sheet)),
        ("owner/b", "(kicad_sch"),
        ("owner/c", write_sheet(generated(5))),
    ]
    table = pa.table({"name": [name for name, _ in rows], "schematic": [text for _, text in rows]})
    pq.write_table(table, tmp_path / "train-00000.parquet")
    found = list(material.read_rows(tmp_path))
    assert [name for name, _ in found] == ["owner/a", "owner/c"]
    assert len(found[0][1].symbols) == len(sheet.symbols)
    assert "1 sheets" in caplog.text


def test_sheets_are_drawn_without_their_embedded_pictures(tmp_path):
    text = write_sheet(generated(4))
    png = base64.b64encode(encode_png(Image.new("RGB", (40, 30), "red"))).decode()
    text = text.rstrip().removesuffix(")") + f'(image (at 50 50) (uuid "u") (data "{png}")))'
    assert read_sheet(text).pictures  # the test's own sheet has one
    pq.write_table(pa.table({"name": ["owner/a"], "schematic": [text]}), tmp_path / "train-00000.parquet")
    ((_, sheet),) = material.read_rows(tmp_path)
    assert Scene(sheet, 640, 448).pixels.shape == (448, 640)

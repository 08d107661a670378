"""Embedded pictures and files do not count to a text's length, in any of the three syntaxes."""

from __future__ import annotations

import json
import time

import pytest
import yaml

from schematic_reader.io.sheet_texts import without_blobs, without_bom
from schematic_reader.kicad.sexpr import parse

BLOB = "iVBORw0KGgo/+" + "A" * 150 + "=="


@pytest.mark.parametrize(
    "data",
    [
        f'(data "{BLOB}")',
        f'(data "{BLOB}"\n\t\t"{BLOB}"\n\t)',
        f"(data\n  {BLOB}\n  {BLOB}\n)",  # KiCad 6 and 7
        f"(data |{BLOB}\n{BLOB}|)",  # embedded files of KiCad 9
    ],
)
def test_a_schematic_without_its_blobs(data: str) -> None:
    text = f'(kicad_sch (image (at 1 2) {data} (uuid "a")) (text "(data 5)" (at 1 2)))'
    found = without_blobs(text, "schematic")
    assert found == '(kicad_sch (image (at 1 2) (data) (uuid "a")) (text "(data 5)" (at 1 2)))'
    assert parse(found)[1] == ["image", ["at", "1", "2"], ["data"], ["uuid", "a"]]


@pytest.mark.parametrize("data", [[BLOB], [BLOB, BLOB[:4]], BLOB])
@pytest.mark.parametrize("indent", [None, 2])
def test_json_and_yaml_without_their_blobs(data: object, indent: int | None) -> None:
    sheet = {"images": [{"data": data, "scale": 1}], "labels": [{"text": "data", "at": 1}], "data": "5V"}
    bare = {**sheet, "images": [{"data": [], "scale": 1}]}
    assert json.loads(without_blobs(json.dumps(sheet, indent=indent), "json")) == bare
    for style in (None, False, True):
        text = yaml.safe_dump(sheet, default_flow_style=style, width=80, sort_keys=False)
        if style is not True:
            assert yaml.safe_load(without_blobs(text, "yaml")) == bare
    block = f"images:\n- data: |\n    {BLOB}\n    {BLOB}\n  scale: 1\n"
    assert without_blobs(block, "yaml") == "images:\n- data: []\n  scale: 1\n"


@pytest.mark.parametrize("column", ["schematic", "json", "yaml"])
@pytest.mark.parametrize(
    "piece", ['(data "A', '"data": ["A", ', "data:\n- A\n", "(data AAAA ", "data: " + "A" * 70]
)
def test_hostile_texts_take_linear_time(column: str, piece: str) -> None:
    text = piece * (2_000_000 // len(piece))
    start = time.process_time()
    without_blobs(text, column)
    assert time.process_time() - start < 5


def test_a_byte_order_mark_is_left_out_once() -> None:
    assert without_bom("\ufeff\ufeffa") == "\ufeffa"
    assert without_bom("a\ufeff") == "a\ufeff"

"""What is printed: a list that a spreadsheet opens unharmed, JSON, a table; kinds of parts."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pandas as pd
import pyarrow.parquet as pq
import pytest

from schematic_reader.kicad.bom import read_symbol
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.predict.bom import bom_notes
from schematic_reader.predict.opened_sheet import SheetOrigin
from schematic_reader.predict.output import as_bom, as_csv, as_json, as_table, as_text, formatted
from schematic_reader.predict.part_kinds import part_kind
from schematic_reader.predict.parts import Part, Reading, part_list
from schematic_reader.tasks.components import is_none
from schematic_reader.tasks.contract import EMPTY
from tests.support.paths import shared_folder


def reading(file: str, page: int | None = None, **parts: float | None) -> Reading:
    named = tuple(Part(name, confidence) for name, confidence in parts.items())
    return Reading(SheetOrigin(file, page), ", ".join(parts), named, cut=False)


TWO = [
    reading("a.png", R_Small=0.25, GND=0.99, **{"+3V3": 0.5}),
    reading("b.pdf", 2, R_Small=0.75, LM358=None),
]


def test_every_part_once_with_the_sheets_that_show_it() -> None:
    rows = list(csv.reader(io.StringIO(as_csv(TWO).removeprefix("\ufeff"))))
    assert rows == [
        ["part", "kind", "seen in", "confidence"],
        ["LM358", "other", "b.pdf page 2", ""],
        ["'+3V3", "power", "a.png", "0.500"],
        ["GND", "power", "a.png", "0.990"],
        ["R_Small", "resistor", "a.png; b.pdf page 2", "0.750"],
    ]


def test_csv_opens_as_a_data_frame() -> None:
    found = pd.read_csv(io.StringIO(as_csv(TWO)))
    assert list(found.columns) == ["part", "kind", "seen in", "confidence"]
    assert found["confidence"].tolist()[1:] == [0.5, 0.99, 0.75]


@pytest.mark.parametrize(
    "name",
    [
        *("=1+1", "+SUM(A1)", "-2", "@x", "\t=1", "\r=1", "\n=1", "\u202e=1", "＝1", " =1", "\u3000＝1"),
        '=HYPERLINK("http://x","y")',
    ],
)
def test_no_cell_is_a_formula_or_breaks_its_line(name: str) -> None:
    text = as_csv([Reading(SheetOrigin(f"{name}.png"), name, (Part(name, 0.5),), cut=False)])
    _, row = csv.reader(io.StringIO(text))
    for cell in (row[0], row[2]):
        assert cell.strip()[0] in "'\ufffd"  # a spreadsheet may take blanks off
        assert cell.replace("\u3000", "").isprintable()
    assert text.count("\n") == 2


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["R;=1+1", "a,=1", 'x";=HYPERLINK("u")', "R|@SUM(1)", "a\t+1"])
def test_no_program_s_separator_cuts_a_formula_free(name: str, separator: str) -> None:
    text = as_csv([Reading(SheetOrigin(f"{name}.png"), name, (Part(name, 0.5),), cut=False)])
    for line in csv.reader(io.StringIO(text), delimiter=separator):
        for cell in line:
            assert not cell.startswith(("=", "+", "-", "@"))


def test_a_long_name_and_control_characters_leave_the_table_in_columns() -> None:
    lines = as_table([reading("x" * 90, R=1.0, **{"A\x1b[31m\nB": 0.125})]).splitlines()
    assert lines[0] == f"part      kind      {'seen in':60}  confidence"
    assert lines[1] == f"A\ufffd[31m\ufffdB  other     {'x' * 59}…  0.125"
    assert lines[2] == f"R         resistor  {'x' * 59}…  1.000"
    assert len(lines) == 3


def test_json_has_each_sheet_with_its_answer() -> None:
    found = json.loads(as_json(TWO, task="components", calibrated=True))
    assert (found["task"], found["calibrated"]) == ("components", True)
    assert found["sheets"][1] == {
        "file": "b.pdf",
        "page": 2,
        "answer": "R_Small, LM358",
        "cut": False,
        "parts": [
            {"part": "R_Small", "kind": "resistor", "confidence": 0.75},
            {"part": "LM358", "kind": "other", "confidence": None},
        ],
    }


CALIBRATED = [replace(one, calibrated=True) for one in TWO]


def test_a_part_that_is_more_likely_wrong_is_doubtful_where_confidences_are_calibrated() -> None:
    """By the highest confidence of its sheets: that of R_Small is 0.75. At one half it is not."""
    more = [
        replace(reading("c.png", TL071=0.49), calibrated=True),
        replace(reading("d.png"), calibrated=True),
    ]
    rows = list(csv.reader(io.StringIO(as_csv([*CALIBRATED, *more]).removeprefix("\ufeff"))))
    assert rows[0] == ["part", "kind", "seen in", "confidence", "doubtful"]
    assert [(row[0], row[4]) for row in rows[1:]] == [
        ("LM358", ""), ("TL071", "doubtful"), ("'+3V3", ""), ("GND", ""), ("R_Small", ""), ("", ""),
    ]  # fmt: skip
    table = as_table(more).splitlines()
    assert table[0].endswith("confidence  doubtful") and table[1].endswith("0.490       doubtful")
    assert "doubtful" not in as_csv(TWO) + as_table(TWO)


def test_json_tells_of_each_part_whether_it_is_doubtful_where_confidences_are_calibrated() -> None:
    """A part has here the confidence of its sheet, which is 0.25 for R_Small on the first."""
    found = json.loads(as_json(CALIBRATED, task="components", calibrated=True))
    assert [[part["doubtful"] for part in one["parts"]] for one in found["sheets"]] == [
        [True, False, False], [False, False],
    ]  # fmt: skip
    assert {line["symbol"]: line["doubtful"] for line in found["bom"]} == {"LM358": False, "R_Small": False}
    assert "doubtful" not in as_json(TWO, task="components", calibrated=False)


def test_a_root_sheet_is_a_row_that_says_that_it_has_sub_sheets_alone() -> None:
    """It is in no bill of materials, and no note calls it lost."""
    answer = '{"sheets":["left","right"]}'
    root = replace(reading("root.png"), answer=answer, calibrated=True, sub_sheets=("left", "right"))
    assert (root.has_sub_sheets_alone, root.unlike, root.empty) == (True, False, False)
    rows = list(csv.reader(io.StringIO(as_csv([root]).removeprefix("\ufeff"))))
    assert rows[1:] == [["", "sub-sheets alone", "root.png", "", ""]]
    (told,) = json.loads(as_json([root], task="json", calibrated=True))["sheets"]
    assert told["sub-sheets"] == ["left", "right"] and "readable" not in told
    assert len(as_bom([root]).splitlines()) == 1
    assert list(bom_notes([root])) == []
    assert not replace(root, symbols=(read_symbol("Device:R", "R1", "1k"),)).has_sub_sheets_alone
    logo = replace(root, symbols=(read_symbol("Graphic:Logo", "", ""),))
    assert logo.has_sub_sheets_alone


def test_a_sheet_on_which_all_is_doubtful_is_a_row_that_says_so() -> None:
    """Where nothing at all was read, the row says that."""
    unlike = replace(reading("photo.png", R=0.3), calibrated=True, readable=False)
    nothing = replace(reading("text.png"), calibrated=True, readable=False)
    fine = replace(reading("a.png", R=0.9), calibrated=True, readable=True)
    assert [one.unlike for one in (unlike, nothing, fine, TWO[0])] == [True, False, False, False]
    found = [unlike, nothing, fine]
    rows = list(csv.reader(io.StringIO(as_csv(found).removeprefix("\ufeff"))))
    assert rows[2:] == [
        ["", "not readable", "photo.png", "", "doubtful"],
        ["", "nothing read", "text.png", "", ""],
    ]
    assert as_table(found).splitlines()[2].split() == ["not", "readable", "photo.png", "doubtful"]
    lines = list(csv.DictReader(io.StringIO(as_bom(found).removeprefix("\ufeff"))))
    assert [(line["Kind"], line["Sheet"], line["Doubtful"], line["DNP"]) for line in lines] == [
        ("resistor", "photo.png; a.png", "", ""),
        ("not readable", "photo.png", "doubtful", ""),
    ]
    told = json.loads(as_json(found, task="components", calibrated=True))["sheets"]
    assert [one["readable"] for one in told] == [False, False, True]
    assert "readable" not in as_json(TWO, task="components", calibrated=True)


def test_one_answer_stands_alone_and_several_under_their_names() -> None:
    assert as_text(TWO[:1]) == "R_Small, GND, +3V3\n"
    assert as_text(TWO) == "==> a.png <==\nR_Small, GND, +3V3\n\n==> b.pdf page 2 <==\nR_Small, LM358\n"


HOSTILE = "\x1b]0;owned\x07\x9b2J\r\x7f\u202eevil\u2066\u200b\ufeff\U000e0041 \u03a9\t\u00e9"


def test_no_answer_or_name_steers_a_terminal_in_any_format() -> None:
    file = f"{HOSTILE}\nb.png"
    shown = Reading(SheetOrigin(file), HOSTILE, (Part(HOSTILE, 0.5),), cut=False)
    of_parts = [("components", format) for format in ("csv", "table", "bom", "kicad")]
    for task, format in (*of_parts, ("yaml", None), ("yaml", "json")):
        for utf8 in (True, False):
            text = formatted([shown, shown], format, task, calibrated=True, utf8=utf8)
            assert text.removeprefix("\ufeff").translate({9: None, 10: None}).isprintable(), (format, text)
            assert "\u03a9" in text or (format == "json" and not utf8)


def test_json_loses_no_character_of_an_answer_in_any_encoding() -> None:
    answer = HOSTILE + "\ud800"
    shown = Reading(SheetOrigin("a.png"), answer, (), cut=False)
    for utf8 in (True, False):
        text = formatted([shown], "json", "yaml", calibrated=True, utf8=utf8)
        assert json.loads(text)["sheets"][0]["answer"] == answer
        text.encode("utf-8" if utf8 else "ascii")


def test_an_answer_keeps_its_lines_and_tabs() -> None:
    shown = Reading(SheetOrigin("a.png"), "a:\r\n\t- b\n", (), cut=False)
    assert as_text([shown]) == "a:\n\t- b\n\n"


def test_nothing_read_is_a_row_in_every_format() -> None:
    both = [*TWO, reading("=c.png")]
    assert part_list(both[2:]) == []
    assert list(csv.reader(io.StringIO(as_csv(both))))[-1] == ["", "nothing read", "'=c.png", ""]
    assert as_table(both).splitlines()[-1].split() == ["nothing", "read", "=c.png"]
    assert json.loads(as_json(both, task="components", calibrated=True))["sheets"][2]["parts"] == []
    assert as_text(both[2:]) == "(nothing read)\n"
    assert as_text(both).endswith("\n==> =c.png <==\n(nothing read)\n")


@pytest.mark.parametrize(
    ("answer", "none"),
    [("none", True), ("None.", True), (" [none] ", True), ("N/A", True), ("", False), ("NONE_1", False)],
)
def test_none_is_no_part(answer: str, none: bool) -> None:
    assert is_none(answer) is none
    assert Reading(SheetOrigin("a"), answer, (), cut=False).empty is (none or not answer)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("R", "resistor"), ("R_Small_US", "resistor"), ("RP2040", "other"), ("C", "capacitor"),
        ("CP_Small", "capacitor"), ("CH340C", "other"), ("L", "inductor"), ("LM358", "other"),
        ("FerriteBead_Small", "inductor"), ("LED", "diode"), ("D_Schottky", "diode"), ("1N4148WS", "diode"),
        ("DS18B20", "other"), ("Q_NMOS_GSD", "transistor"), ("2N7002", "transistor"), ("GND", "power"),
        ("GNDA", "power"), ("+3.3VA", "power"), ("-12V", "power"), ("VCC", "power"), ("VDDIO", "power"),
        ("PWR_FLAG", "power"), ("VL53L0X", "other"), ("Conn_01x04", "connector"),
        ("USB_C_Receptacle", "connector"), ("USBLC6-2P6", "other"), ("SW_Push", "switch"),
        ("Crystal_GND24", "crystal"), ("TestPoint", "test point"),
        ("MountingHole", "mechanical"), ("SolderJumper_2_Open", "jumper"), ("Polyfuse", "fuse"),
        ("Battery_Cell", "battery"), ("Device_R", "resistor"), ("", "other"),
    ],
)  # fmt: skip
def test_kinds_by_name(name: str, kind: str) -> None:
    assert part_kind(name) == kind


LETTERS = {
    "R": "resistor", "RN": "resistor", "RV": "resistor", "C": "capacitor", "L": "inductor", "FB": "inductor",
    "D": "diode", "LED": "diode", "Q": "transistor", "J": "connector", "P": "connector", "SW": "switch",
    "Y": "crystal", "X": "crystal", "F": "fuse", "TP": "test point", "H": "mechanical", "FID": "mechanical",
    "JP": "jumper", "BT": "battery",
}  # fmt: skip


@pytest.mark.slow
def test_kinds_agree_with_the_reference_letters_of_real_sheets() -> None:
    """Each symbol says by its reference what it is, and by a flag that it is a power symbol."""
    right = wrong = total = 0
    for path in sorted(shared_folder("open-schematics-mini").rglob("*.parquet"))[:1]:
        for text in pq.read_table(path, columns=["schematic"]).column("schematic").to_pylist():
            try:
                symbols = read_sheet(text).lib_symbols
            except KicadError:
                continue
            for lib_id, symbol in symbols.items():
                letters = next((prop.value for prop in symbol.properties if prop.key == "Reference"), "")
                kind = "power" if symbol.power else LETTERS.get(letters.rstrip("?0123456789"), "other")
                said = part_kind(lib_id.rpartition(":")[2])
                total += 1
                right += said == kind
                wrong += said not in (kind, "other")
    assert total > 500
    assert right / total > 0.85 and wrong / total < 0.03, (right, wrong, total)


@pytest.mark.parametrize("answer", EMPTY.values())
def test_the_answer_of_an_empty_sheet_is_nothing_read(answer: str) -> None:
    assert Reading(SheetOrigin("a"), answer, (), cut=False).empty

"""The bill of materials of a KiCad project is that which ``kicad-cli`` 9.0.2 exports of it."""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from pathlib import Path

import pytest

from schematic_reader.config import ImageLimits
from schematic_reader.predict.batches import opened
from schematic_reader.predict.bom import bill_of_materials, bom_notes
from schematic_reader.predict.kicad_file import read_kicad
from schematic_reader.predict.opened_sheet import SheetLimits
from schematic_reader.predict.parts import Reading
from schematic_reader.predict.rendering import RenderScale
from schematic_reader.tasks import task as task_named
from tests.support.kicad_projects import box, placed, sheet

ROOT_PATH = "/00000000-0000-0000-0000-0000000000aa"
LIMITS = SheetLimits(ImageLimits(1024, 1_048_576), 150_000_000, RenderScale(4.0, 1024, 1_048_576))
LEFT, RIGHT = (f"00000000-0000-0000-0000-0000000000b{number}" for number in "12")


def part(number: int, reference: str, value: str, *, library: str = "Device:R", more: str = "") -> str:
    uuid = f"00000000-0000-0000-0000-{number:012d}"
    return placed(library, uuid, reference, value, (ROOT_PATH, reference), more=more, x=10 + 5 * number)


def used_twice(number: int, left: str, right: str, value: str) -> str:
    """A part on the sheet below both boxes."""
    uses = (f"{ROOT_PATH}/{LEFT}", left), (f"{ROOT_PATH}/{RIGHT}", right)
    uuid = f"00000000-0000-0000-0001-{number:012d}"
    return placed("Device:R", uuid, left, value, *uses, x=10 + 5 * number)


PARTS = [
    *(("10k", reference) for reference in ("R10", "R9", "R1", "R2", "R11", "R0", "R30")),
    ("100", "R101"), ("100", "R12"), ("1k", "R?"), ("1k", "R?"), ("22k", "R6"), ("33k", "R6"), ("~", "R7"),
    ("", "R8"), ("DNP", "R20"), ('a,"b";=1', "R22"), ("1k", "SW1_r1"), ("1k", "SW10"), ("1k", "SW2"),
]  # fmt: skip
MORE = [
    part(51, "R3", "10k", more="(dnp yes)"),
    part(52, "R4", "10k", more="(in_bom no)"),
    part(53, "R5", "10k", more='(property "DNP" "DNP" (at 1 1 0))'),
    part(54, "#PWR01", "GND", library="power:GND"),
    part(55, "GND1", "GND", library="power:GND"),
    part(56, "#FLG01", "PWR_FLAG"),
]
ROOT_TEXT = sheet(
    ROOT_PATH[1:],
    *(part(number, reference, value) for number, (value, reference) in enumerate(PARTS)),
    *MORE,
    box(LEFT, "Left", "sub.kicad_sch"),
    box(RIGHT, "Right", "sub.kicad_sch").replace("(uuid", "(dnp yes) (uuid"),
)
SUB_TEXT = sheet(
    "00000000-0000-0000-0000-0000000000cc",
    used_twice(1, "R40", "R50", "10k"),
    used_twice(2, "R41", "R51", "10k"),
    used_twice(3, "R42", "R52", "4k7"),
)
KICAD = """"Reference","Value","Qty","Symbol","DNP"
"R0-R2, R9-R11, R30, R40, R41","10k","9","R",""
"R3, R5, R50, R51","10k","4","R","DNP"
"R6","22k,33k","1","R",""
"R7, R8","~","2","R",""
"R12, R101","100","2","R",""
"R20","DNP","1","R",""
"R22","a,""b"";=1","1","R",""
"R42","4k7","1","R",""
"R52","4k7","1","R","DNP"
"R?, R?, SW1_r1, SW2, SW10","1k","5","R",""
"""
"""What this prints for ``ROOT_TEXT``, version 9.0.2::

    kicad-cli sch export bom --fields 'Reference,Value,${QUANTITY},${SYMBOL_NAME},${DNP}' \\
        --labels 'Reference,Value,Qty,Symbol,DNP' --group-by 'Value,${SYMBOL_NAME},${DNP}' \\
        --ref-delimiter ', '
"""


def test_lines_are_those_of_kicad_in_its_order() -> None:
    files = {"a.kicad_sch": ROOT_TEXT.encode(), "sub.kicad_sch": SUB_TEXT.encode()}
    found = read_kicad("a.kicad_sch", files.get, project=None, task=task_named("components"), form="compact")
    lines = [
        (line.ranges, line.value or "~", str(line.quantity), line.symbol, "DNP" if line.dnp else "")
        for line in bill_of_materials(found.readings)
    ]
    assert lines == [tuple(row) for row in csv.reader(io.StringIO(KICAD))][1:]


@pytest.mark.parametrize(("argument", "projects"), [("amp.kicad_pro", 1), (".", 1), (".", 2)])
def test_the_root_sheets_of_a_project_are_one_list(tmp_path: Path, argument: str, projects: int) -> None:
    """KiCad 10 lists several in the project file; units of a part are spread over them and a sub-sheet."""
    roots = {
        "amp": sheet("a", part(1, "U1", "TL072"), box("b", "Sub", "sub.kicad_sch")),
        "psu": sheet("p", part(2, "U1", "TL072"), part(3, "R1", "1k")),
    }
    for name, text in (*roots.items(), ("sub", sheet("s", placed("Device:R", "1", "U1", "TL072")))):
        (tmp_path / f"{name}.kicad_sch").write_text(text)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.kicad_sch").write_text(sheet("o", part(4, "R2", "1k")))
    listed = {"schematic": {"top_level_sheets": [{"filename": f"{name}.kicad_sch"} for name in roots]}}
    (tmp_path / "amp.kicad_pro").write_text(json.dumps(listed) if projects == 1 else "{}")
    read = partial(read_kicad, task=task_named("components"), form="compact")
    found = [
        sheets for sheets in opened([str(tmp_path / argument)], LIMITS, read) if isinstance(sheets, list)
    ]
    readings = [reading for sheets in found for reading in sheets if isinstance(reading, Reading)]
    lines = {line.value: line.quantity for line in bill_of_materials(readings)}
    assert lines == {"TL072": projects, "1k": 2 if argument == "." else 1}
    assert len(list(bom_notes(readings))) == projects - 1

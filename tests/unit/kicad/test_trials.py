"""Small sheets of kinds that were once read or drawn wrongly, each against its right value.

Pictures are those of kicad-cli 9.0.2. Nets and fields are what the trials' description says of KiCad in
words; for KiCad 10 what its format says.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data.ink import ink, ink_found, on_paper
from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.hierarchy import follow_sheets
from schematic_reader.kicad.library import load_library
from schematic_reader.kicad.model import Arc, Property, Rectangle, Sheet
from schematic_reader.kicad.nets.netlist import nets
from schematic_reader.kicad.project_file import (
    ProjectFile,
    label_of_missing_alias,
    read_project,
    with_project,
)
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.predict.kicad_file import read_kicad
from schematic_reader.tasks import task
from tests.support.paths import shared_folder


@pytest.fixture(scope="module")
def trials() -> Path:
    return shared_folder("trials")


def read(trials: Path, name: str, version: int | None = None) -> Sheet:
    """The sheet with the project file beside it, as of ``version`` if one is given."""
    file = trials / f"{name}.kicad_sch"
    sheet = replace(read_sheet(file.read_text(encoding="utf-8")), file_name=file.name)
    sheet = replace(sheet, version=version or sheet.version)
    project = file.with_suffix(".kicad_pro")
    return with_project(sheet, read_project(project.read_text())) if project.exists() else sheet


# The nets of several pins or with a name, each as its name and pins; other pins are alone in their net.
NETS = {
    "vars": {"/SPI1_SCK": "R1.1 R2.1", "/${NOPE}": "R3.1"},
    "inalias": {"/A.SCL": "R2.1 R4.1", "/A.SDA": "R1.1 R3.1"},
    "noalias": {"/A.SCL": "R2.1", "/A.SDA": "R1.1", "/B.SCL": "R4.1", "/B.SDA": "R3.1"},
    "libname": {"/FAR": "R1.1 R2.1"},
    "midlabel": {"/MID": "R1.1 R2.1 R3.1", "GND": "R4.2", "Net-(R6-Pad1)": "R6.1 R7.1"},
    "mirrorxy": {"/SIG": "U1.1"},
    "plocal": {"/GND": "R1.2 R2.2"},
    "stacked-20250114": {"/GND": "U1.[1,15,38-39]", "/VCC": "U1.[A1-A3,7]"},
    "stacked-20260306": {"/GND": "U1.1 U1.15 U1.38 U1.39", "/VCC": "U1.7 U1.A1 U1.A2 U1.A3"},
    "tee20211123": {"Net-(R1-Pad1)": "R1.1 R2.1"},
    "tee20250114": {"Net-(R1-Pad1)": "R1.1 R2.1"},
    "units": {"/Q": "U1.7"},
}


@pytest.mark.parametrize("name", NETS)
def test_nets(trials: Path, name: str) -> None:
    found = {
        net.name: " ".join(sorted(".".join(pin) for pin in net.pins))
        for net in nets(read(trials, name))
        if not net.name.startswith("unconnected-")
    }
    assert found == NETS[name]


def test_bus_aliases_of_the_project_join_from_kicad_10_on_or_are_named(trials: Path) -> None:
    project, file = (
        {net.name: net.pins for net in nets(sheet)}
        for sheet in (read(trials, "noalias", 20260306), read(trials, "inalias"))
    )
    assert {name: file[name] for name in ("/A.SCL", "/A.SDA")}.items() <= project.items()
    alone = read_sheet((trials / "noalias.kicad_sch").read_text())
    assert label_of_missing_alias(alone) is None
    assert label_of_missing_alias(replace(alone, version=20260306)) == "A{I2C}"


@pytest.mark.parametrize(
    "name", ["alt", "foreign", "private", "quotes9", "size", "stacked-20250114", "table", "text", "vars"]
)
def test_the_picture_is_that_of_kicad(trials: Path, name: str) -> None:
    truth = on_paper((trials / f"{name}-kicad.png").read_bytes())
    drawn = draw_sheet(read(trials, name), width=truth.shape[1], height=truth.shape[0])
    assert min(ink_found(truth, np.asarray(drawn.convert("RGB")))) >= 0.999


def test_a_font_has_a_width_of_its_own(trials: Path) -> None:
    mask = ink(np.asarray(draw_sheet(read(trials, "size"), width=1123).convert("RGB")))
    for y, size in ((120, (95, 13)), (130, (48, 13)), (140, (95, 7))):
        bottom = round(y * 1123 / 297)
        ys, xs = np.nonzero(mask[bottom - 16 : bottom + 4, 180:400])
        assert (np.ptp(xs) + 1, np.ptp(ys) + 1) == pytest.approx(size, abs=2)


def test_private_fields_and_graphics(trials: Path) -> None:
    sheet = read(trials, "private")
    assert sheet.symbols[0].value_of("KLC_S3.3") == "Graphical-Symbol: thickness"
    assert [type(item) for unit in sheet.lib_symbols["t:CONN"].units for item in unit.graphics] == [Rectangle]


def test_arcs_of_early_kicad_6(trials: Path) -> None:
    (arc,) = (item for unit in read(trials, "oldarc").lib_symbols["t:L"].units for item in unit.graphics)
    assert isinstance(arc, Arc)
    assert arc.mid == pytest.approx((0.635, -1.905), abs=1e-3)


def test_rounded_rectangles(trials: Path) -> None:
    sheet = read(trials, "radius")
    found = [item for item in sheet.graphics if isinstance(item, Rectangle)]
    assert [item.radius > 0 for item in found] == [True]


def test_sub_sheets_have_the_references_of_each_use(trials: Path) -> None:
    found = follow_sheets(
        "root.kicad_sch", lambda file: (trials / file).read_text(encoding="utf-8"), ProjectFile()
    )
    assert found.unread == []
    assert [(used.name, [s.reference for s in used.sheet.symbols]) for used in found.sheets] == [
        ("/", ["R9", "C5"]), ("/one/", ["R1"]), ("/two/", ["R101"]),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "said"), [("root", "R9"), ("variant10", "variants ")])
def test_what_the_parts_do_not_follow_is_named(trials: Path, name: str, said: str) -> None:
    reading = read_kicad(
        f"{name}.kicad_sch",
        lambda file: (trials / file).read_bytes(),
        project=None,
        task=task("components"),
        form="compact",
    )
    assert said in " ".join(reading.notes)


def test_an_unpacked_library_is_read(trials: Path) -> None:
    assert load_library(trials).symbols["Device:R"].properties[0] == Property("Reference", "R")


def test_each_input_has_its_test(trials: Path) -> None:
    """A new input of the folder needs a right value here."""
    pictures = {file.name.removesuffix("-kicad.png") for file in trials.glob("*-kicad.png")}
    others = {"oldarc", "radius", "root", "sub", "variant10"}
    assert {file.stem for file in trials.glob("*.kicad_sch")} == {*NETS, *pictures, *others}

"""Damaged inputs of every kind for some seconds: one line or an answer, never another exception.

``FUZZ_SECONDS`` is the time for each kind; a failure shows the input, which becomes a test of its own.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from schematic_reader.cli import UserError
from schematic_reader.config import ImageLimits, load_params
from schematic_reader.io.picture import PictureError, decode_picture
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_file import read_project
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.sexpr import SexprError, parse
from schematic_reader.kicad.writer import write_sheet
from schematic_reader.predict.kicad_file import read_kicad
from schematic_reader.predict.opened_sheet import SheetLimits, open_sheets, render_scale
from schematic_reader.predict.output import as_bom, as_kicad
from schematic_reader.tasks import task
from tests.support.foreign_files import SVG, pdf, picture
from tests.support.kicad_sheets import every_feature
from tests.support.mutations import mutations
from tests.support.paths import ROOT

SECONDS = float(os.environ.get("FUZZ_SECONDS", "1"))
PARAMS = load_params(ROOT / "params.yaml")
LIMITS = SheetLimits(ImageLimits(256, 65_536), 1_000_000, render_scale(PARAMS))
FORM = PARAMS.messages.form

SHEET = write_sheet(every_feature()).encode()
PROJECT = b'{"text_variables": {"A": "b"}, "schematic": {"bus_aliases": {"I2C": ["SDA", "SCL"]}}}'
DRAWING = (
    f'<svg {SVG} width="99" height="60" viewBox="0 0 99 60"><g transform="scale(2)"><path d="M1 1L40 9z"/>'
)
DRAWING += '<text x="3" y="20" font-size="8">R1</text><rect width="9" height="9" fill="url(#a)"/></g></svg>'
ANSWERS = {
    "components": b"R, C, GND, ATmega328P-A",
    "json": b'{"symbols":[["R1","Device:R","10k"]],"labels":["SDA"]}',
    "yaml": b"symbols:\n- [R1, 'Device:R', 10k]\nlabels: [SDA]\n",
    "schematic": b'(kicad_sch (symbol "R1" "Device:R" "10k") (label "SDA"))',
}


def text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def params_of(data: bytes) -> object:
    path = Path(f"params-{os.getpid()}.yaml")
    path.write_bytes(data)
    try:
        return load_params(path)
    except UserError as error:  # with YAML's own lines, which ``cli.run`` joins
        raise UserError(" ".join(str(error).split())) from None


def kicad_of(data: bytes) -> object:
    files = {"a.kicad_sch": data, "a.kicad_pro": PROJECT}
    found = read_kicad("a.kicad_sch", files.get, project="a.kicad_pro", task=task("json"), form=FORM)
    return as_bom(found.readings), as_kicad(found.readings)


PICTURES = [picture(kind, (40, 30)) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")]
KINDS: dict[str, tuple[list[bytes], Callable[[bytes], object], tuple[type[Exception], ...]]] = {
    "picture": (PICTURES, lambda data: decode_picture(data, max_pixels=1_000_000), (PictureError,)),
    "opened picture": (PICTURES, lambda data: open_sheets("a", data, LIMITS), (UserError,)),
    "SVG": ([DRAWING.encode()], lambda data: open_sheets("a", data, LIMITS), (UserError,)),
    "PDF": ([pdf(content="0 0 99 99 re f")], lambda data: open_sheets("a", data, LIMITS), (UserError,)),
    "KiCad drawn": ([SHEET], lambda data: open_sheets("a", data, LIMITS), (UserError,)),
    "KiCad read": ([SHEET], kicad_of, (UserError,)),
    "sheet": ([SHEET], lambda data: read_sheet(text(data)), (KicadError,)),
    "S-expression": ([SHEET, ANSWERS["schematic"]], lambda data: parse(text(data)), (SexprError,)),
    "project": ([PROJECT], lambda data: read_project(text(data)), (KicadError,)),
    "params": ([(ROOT / "params.yaml").read_bytes()], params_of, (UserError,)),
} | {
    f"answer to {name}": ([*ANSWERS.values()], lambda data, name=name: task(name).parse(text(data)), ())
    for name in ANSWERS
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_one_line_or_an_answer(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds, opened, refusals = KINDS[kind]
    monkeypatch.chdir(tmp_path)
    for seed in seeds:
        opened(seed)
    end, tried = time.monotonic() + SECONDS, 0
    for data in mutations(seeds, random.Random(0)):
        try:
            opened(data)
        except refusals as error:
            assert "\n" not in str(error), data
        except Exception:
            Path("input").write_bytes(data)
            print(f"{kind}: {data[:2000]!r}, whole in {Path('input').absolute()}")
            raise
        tried += 1
        if time.monotonic() > end:
            break
    print(f"{kind}: {tried} inputs")
    assert tried > 1

"""An SVG's text is drawn whatever fonts it names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from schematic_reader.config import ImageLimits, load_params
from schematic_reader.predict.opened_sheet import SheetLimits, open_sheets, render_scale
from schematic_reader.predict.svg_fonts import FONT_FOLDERS, fallback_font
from tests.support.foreign_files import SVG
from tests.support.paths import ROOT

LIMITS = SheetLimits(ImageLimits(256, 65_536), 1_000_000, render_scale(load_params(ROOT / "params.yaml")))
needs_a_font = pytest.mark.skipif(fallback_font() is None, reason="needs an installed font")


def drawing(attributes: str, text: str = "R1") -> bytes:
    """A box with a text in it, whose ink begins at 20 pixels from the left."""
    content = (
        f'<path d="M1 1H98V59H1z" fill="none" stroke="#000"/><text x="20" y="40" {attributes}>{text}</text>'
    )
    return f'<svg {SVG} width="99" height="60">{content}</svg>'.encode()


def ink(data: bytes) -> int:
    """Dark pixels inside the box."""
    (sheet,) = open_sheets("a.svg", data, LIMITS)
    picture = np.asarray(sheet.picture.convert("L"))
    height, width = picture.shape
    return int((picture[height // 6 : -height // 6, width // 9 : -width // 9] < 128).sum())


@needs_a_font
@pytest.mark.parametrize(
    "font", ["", "Arial", "Times New Roman", "No Such Font", "serif", "sans-serif", "'No Such Font', Verdana"]
)
def test_text_is_drawn_in_some_font_where_its_own_is_missing(font: str) -> None:
    named = f'font-size="20" font-family="{font}"' if font else 'font-size="20"'
    assert ink(drawing(named)) > 40 > ink(drawing(named, " "))


@needs_a_font
def test_a_folder_with_a_damaged_and_a_good_font_gives_the_good_one(tmp_path: Path) -> None:
    good = next(file for folder in FONT_FOLDERS for file in folder.rglob("*.ttf"))
    (tmp_path / "Arial.ttf").write_bytes(b"no font")
    shutil.copy(good, tmp_path / "z.ttf")
    assert fallback_font([tmp_path]) == ImageFont.truetype(good).getname()[0]
    (tmp_path / "z.ttf").unlink()
    assert fallback_font([tmp_path, tmp_path / "none"]) is None


@pytest.mark.parametrize(("opacity", "refused"), [("1", True), ("0", False)])
def test_without_any_font_only_visible_text_is_refused(opacity: str, refused: bool, tmp_path: Path) -> None:
    code = (
        "from schematic_reader.predict import rendering, svg_fonts\n"
        "rendering.fallback_font = lambda: None\n"
        "import json, sys\n"
        "from dataclasses import asdict\n"
        "from schematic_reader.predict.opened_sheet import render_scale\n"
        "from schematic_reader.config import load_params\n"
        "from schematic_reader.cli import UserError\n"
        "try:\n"
        "    list(rendering._render_svg(sys.stdin.buffer.read(), render_scale(load_params())))\n"
        "except UserError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=drawing(f'opacity="{opacity}"'),
        cwd=ROOT,
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().startswith("no font is installed") is refused

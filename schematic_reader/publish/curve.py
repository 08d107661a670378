"""The training curve of the model card: the report's own chart as a PNG."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

import resvg_py
from PIL import ImageFont

from schematic_reader.cli import UserError
from schematic_reader.report import svg

WIDTH = 840
"""Pixels; the height follows from the chart's proportions."""

Points = Sequence[tuple[float, float]]


def read_curve(path: Path) -> list[tuple[float, float]]:
    """The (step, loss) pairs of a table that ``stages.train`` wrote.

    Raises:
        UserError: it is missing or holds no pairs.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            points = [
                (float(row["step"]), float(row["loss"])) for row in csv.DictReader(file, delimiter="\t")
            ]
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro train`, or `git checkout {path}`") from None
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path} is no table of step and loss: run `git checkout {path}`") from None
    if not points:
        raise UserError(f"{path} has no rows: run `dvc repro --force train`")
    return points


def draw_curve(train: Points, validation: Points) -> bytes:
    """A PNG, ``WIDTH`` px wide: loss by optimizer step, of training and of validation sheets.

    Raises:
        UserError: Pillow has no font.
    """
    series = {"training": train, "validation": validation}
    chart = svg.lines(series, "Loss by optimizer step", x="optimizer step", y="loss")
    # The font that Pillow brings, so that the chart has its texts on a machine without fonts.
    font = ImageFont.load_default(size=11)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise UserError("this Pillow has no FreeType: install a wheel of Pillow from PyPI")
    with tempfile.NamedTemporaryFile(suffix=".otf") as file:
        file.write(font.font_bytes)
        file.flush()
        png: bytes = resvg_py.svg_to_bytes(
            svg_string=str(chart),
            width=WIDTH,
            background="white",
            style_sheet=svg.light_style(),
            font_files=[file.name],
            font_family=font.getname()[0],
            skip_system_fonts=True,
        )
    return png

"""The training curve as a PNG, drawn without a plotting library."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from schematic_reader.cli import UserError

WIDTH, HEIGHT = 840, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 44, 52
_DRAWN = 3  # times the size, then shrunk: Pillow draws lines without smoothing
_INK, _GRID, _PAGE = "#24292f", "#d8dee4", "white"
_COLOURS = ("#0969da", "#bc4c00")
_TICKS = 5

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
    """A PNG of ``WIDTH`` x ``HEIGHT`` px: loss by optimizer step, of training and of validation sheets."""
    size = (WIDTH * _DRAWN, HEIGHT * _DRAWN)
    image = Image.new("RGB", size, _PAGE)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(13 * _DRAWN)
    last = max(step for points in (train, validation) for step, _ in points) or 1.0
    top = max(loss for points in (train, validation) for _, loss in points) * 1.05 or 1.0

    def place(step: float, loss: float) -> tuple[float, float]:
        x = _LEFT + step / last * (WIDTH - _LEFT - _RIGHT)
        y = HEIGHT - _BOTTOM - loss / top * (HEIGHT - _TOP - _BOTTOM)
        return x * _DRAWN, y * _DRAWN

    for tick in range(_TICKS + 1):
        loss, step = top * tick / _TICKS, last * tick / _TICKS
        draw.line([place(0, loss), place(last, loss)], fill=_GRID, width=_DRAWN)
        x, y = place(0, loss)
        draw.text((x - 8 * _DRAWN, y), f"{loss:.2f}", fill=_INK, font=font, anchor="rm")
        x, y = place(step, 0)
        draw.text((x, y + 8 * _DRAWN), f"{step:.0f}", fill=_INK, font=font, anchor="mt")
    x, y = place(last / 2, 0)
    draw.text((x, y + 30 * _DRAWN), "optimizer step", fill=_INK, font=font, anchor="mt")
    key = _LEFT * _DRAWN
    for name, points, colour in zip(
        ("loss, training", "loss, validation"), (train, validation), _COLOURS, strict=True
    ):
        places = [place(step, loss) for step, loss in points]
        if len(places) > 1:
            draw.line(places, fill=colour, width=2 * _DRAWN, joint="curve")
        for x, y in places:
            radius = 3 * _DRAWN
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        draw.rectangle((key, 14 * _DRAWN, key + 18 * _DRAWN, 22 * _DRAWN), fill=colour)
        draw.text((key + 26 * _DRAWN, 18 * _DRAWN), name, fill=_INK, font=font, anchor="lm")
        key += 26 * _DRAWN + int(draw.textlength(name, font=font)) + 30 * _DRAWN
    out = io.BytesIO()
    image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS).save(out, "PNG", optimize=True)
    return out.getvalue()

"""DrawnSymbol sheets beside the pictures that kicad-cli and rsvg-convert made of the same files.

Agreement is the share of ink of one picture that has ink of the other within two pixels, the smaller of
both directions. Ink differs from the paper by more than 60 in a channel, so fills of symbol bodies do not
count. What is never drawn keeps some sheets low: project drawing sheets, embedded pictures, outline fonts.
"""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.drawing.palette import PAPER
from schematic_reader.kicad.reader import read_sheet

pytestmark = pytest.mark.slow  # all real sheets

SHEETS = 24
Pair = tuple[np.ndarray, np.ndarray]  # KiCad's picture and ours, RGB


def ink(rgb: np.ndarray) -> np.ndarray:
    return np.abs(rgb.astype(int) - PAPER).max(axis=2) > 60


def near(mask: np.ndarray) -> np.ndarray:
    """The pixels within two pixels of the mask."""
    height, width = mask.shape
    padded = np.pad(mask, 2)
    grown = np.zeros_like(mask)
    for dy, dx in ((y, x) for y in range(-2, 3) for x in range(-2, 3) if x * x + y * y <= 4):
        grown |= padded[2 + dy : 2 + dy + height, 2 + dx : 2 + dx + width]
    return grown


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    a, b = ink(one), ink(other)
    return float(min((a & near(b)).sum() / a.sum(), (b & near(a)).sum() / b.sum()))


@pytest.fixture(scope="module")
def sample(mini: Path) -> list[Pair]:
    """Some good rows, chosen with a fixed seed."""
    with (mini / "manifest.csv").open() as file:
        dirt = [row["dirt"] for row in csv.DictReader(file)]
    good = sorted(random.Random(6).sample([i for i, why in enumerate(dirt) if not why], SHEETS))
    pairs: list[Pair] = []
    first = 0
    for shard in sorted(mini.glob("*.parquet")):
        table = pq.read_table(shard, columns=["schematic", "image"])
        for index in (i - first for i in good if first <= i < first + len(table)):
            picture = Image.open(io.BytesIO(table["image"][index].as_py()["bytes"])).convert("RGBA")
            page = Image.new("RGBA", picture.size, (*PAPER, 255))
            page.alpha_composite(picture)
            sheet = read_sheet(table["schematic"][index].as_py())
            ours = draw_sheet(sheet, width=page.width, height=page.height)
            pairs.append((np.asarray(page.convert("RGB")), np.asarray(ours.convert("RGB"))))
        first += len(table)
    return pairs


def test_our_ink_is_kicads_ink(sample: list[Pair]) -> None:
    scores = sorted(agreement(picture, ours) for picture, ours in sample)
    assert np.median(scores) >= 0.97
    assert scores[SHEETS // 10] >= 0.6


def test_a_small_shift_would_be_noticed(sample: list[Pair]) -> None:
    """The measure is no rubber stamp: three pixels aside, agreement breaks down."""
    picture, ours = sample[0]
    assert agreement(picture, np.roll(ours, (3, 3), axis=(0, 1))) < agreement(picture, ours) - 0.1


def test_pixels_are_close_not_only_ink(sample: list[Pair]) -> None:
    """Colours and darkness: the mean difference over sheets whose ink agrees is a small part of the range."""
    differences = []
    for picture, ours in sample:
        if agreement(picture, ours) > 0.97:
            differences.append(np.abs(picture.astype(int) - ours.astype(int))[ink(picture)].mean())
    assert len(differences) > SHEETS / 3
    assert np.median(differences) < 16

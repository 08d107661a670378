"""DrawnSymbol sheets beside the pictures that kicad-cli and rsvg-convert made of the same files.

Agreement is that of benchmarks.data.ink. Project drawing sheets are never drawn, which keeps some sheets low.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.data.ink import ink, ink_found, measure, on_paper
from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.reader import read_sheet
from tests.support.paths import shared_folder

pytestmark = pytest.mark.slow  # all real sheets

SHEETS = 24
Pair = tuple[np.ndarray, np.ndarray]  # KiCad's picture and ours, RGB


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    return min(ink_found(one, other))


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
            page = on_paper(table["image"][index].as_py()["bytes"])
            sheet = read_sheet(table["schematic"][index].as_py())
            ours = draw_sheet(sheet, width=page.shape[1], height=page.shape[0])
            pairs.append((page, np.asarray(ours.convert("RGB"))))
        first += len(table)
    return pairs


def test_our_ink_is_kicads_ink(sample: list[Pair]) -> None:
    scores = sorted(agreement(picture, ours) for picture, ours in sample)
    assert np.median(scores) >= 0.97
    assert scores[SHEETS // 10] >= 0.6


def test_evaluation_sheets_are_drawn_as_kicad_draws_them() -> None:
    """All that are judged by: none unreadable, and what no single cause lowers much."""
    sheets = list(measure([shared_folder("real-sheets") / "evaluation-00.parquet"]))
    assert len(sheets) == 193
    assert [sheet.error for sheet in sheets if sheet.error] == []
    agreements = [sheet.agreement for sheet in sheets]
    assert np.median(agreements) >= 0.995
    assert np.quantile(agreements, 0.1) >= 0.985
    assert min(agreements) >= 0.9


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

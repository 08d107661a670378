"""Asking the small model about a few small sheets, in float32 on the CPU."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from PIL import Image, ImageDraw

from stages.config import Image as Limits
from stages.config import Model
from stages.store.tables import CLEAN, write_rows
from stages.tasks.messages import chat
from stages.vlm.device import prepare_device
from stages.vlm.encode import Encoder
from stages.vlm.generate import GREY, answer_sheets
from stages.vlm.load import load_base, load_processor
from stages.vlm.sheets import Sheets

TINY = Model(base=str(ROOT / "models" / "tiny"), revision=None, dtype="float32", device="cpu", batch_size=2)
LIMITS = Limits(max_side=256, max_pixels=65536)
ROWS = 5


def write_sheets(folder: Path, pictures: list[Image.Image]) -> list[dict[str, Any]]:
    """A clean split ``test`` of these pictures; returns the message rows, each with a prompt of its own."""
    clean, rows = [], []
    for i, picture in enumerate(pictures):
        data = io.BytesIO()
        picture.save(data, "PNG")
        clean.append(
            dict.fromkeys(CLEAN.names, None)
            | {"id": f"{i}", "image": data.getvalue(), "width": picture.width, "height": picture.height}
        )
        prompt = f"Which parts are on sheet {'of this project ' * i}{i}?"
        rows.append({"id": f"{i}", "part": "part-00.parquet", "row": i, "messages": chat(prompt, "R")})
    write_rows(folder / "test" / "part-00.parquet", CLEAN, clean)
    return rows


def drawn(i: int) -> Image.Image:
    picture = Image.new("RGB", (96 + 32 * (i % 3), 96), "white")
    ImageDraw.Draw(picture).text((4, 4), f"R{i} C{i}", fill="black")
    return picture


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("clean")
    return folder, write_sheets(folder, [drawn(i) for i in range(ROWS)])


@pytest.fixture(scope="module")
def ask(rows: tuple[Path, list[dict[str, Any]]]) -> Any:
    model: Any = load_base(TINY, prepare_device(TINY, 1))
    encoder = Encoder(load_processor(TINY.base, None))
    sheets = Sheets(rows[0], "test", LIMITS)
    return partial(answer_sheets, model, encoder, sheets, batch_size=2, max_new_tokens=8)


def test_blind_answers_are_those_about_grey_sheets(
    tmp_path: Path, rows: tuple[Path, list[dict[str, Any]]], ask: Any
) -> None:
    grey = write_sheets(tmp_path, [Image.new("RGB", drawn(i).size, GREY) for i in range(ROWS)])
    model, encoder, _ = ask.args
    shown = answer_sheets(model, encoder, Sheets(tmp_path, "test", LIMITS), grey, **ask.keywords)
    assert ask(rows[1], blind=True) == shown

"""The picture of a row is one that shows its parts on white."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from schematic_reader.importing import picture_rows
from schematic_reader.importing.folder import import_folder
from schematic_reader.importing.imported import Imported
from schematic_reader.importing.picture_rows import ListedPicture


def imported(folder: Path, image: Image.Image, name: str, **options: bool) -> tuple[bytes, Imported]:
    """The picture's bytes, and what comes of it."""
    image.save(folder / name, **options)
    (folder / "list.txt").write_text("R\n")
    found = ListedPicture(folder / name, "own/board", folder / "list.txt").imported()
    return (folder / name).read_bytes(), found


def lines(level: int) -> Image.Image:
    image = Image.new("RGBA", (120, 90), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 29, 29), fill=(level, level, level))
    return image


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_white_lines_on_a_transparent_background_are_stored_in_black(tmp_path: Path, name: str) -> None:
    """Training, which lays pictures on white, would see nothing else."""
    _, found = imported(tmp_path, lines(255), name, lossless=True)
    (row,) = found.rows
    stored = Image.open(io.BytesIO(row["image"]["bytes"]))
    assert (stored.format, stored.mode, row["image"]["path"], row["type"]) == ("PNG", "RGB", "a.png", ".png")
    dark = np.asarray(stored.convert("L")) < 128
    assert dark[:30, :30].all() and dark.sum() == 900
    assert found.notes == [
        f"{tmp_path / name}: its light lines on a transparent background are stored in black"
    ]


@pytest.mark.parametrize("image", [lines(0), lines(0).convert("LA"), lines(255).convert("RGB")])
def test_every_other_picture_is_stored_as_it_is(tmp_path: Path, image: Image.Image) -> None:
    data, found = imported(tmp_path, image, "a.png")
    assert (found.rows[0]["image"]["bytes"], found.notes) == (data, [])


def test_a_list_goes_with_the_picture_of_its_name_in_other_case(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each with that of exactly its name first, and with none where two are spelled alike."""
    folder = tmp_path / "in" / "p"
    folder.mkdir(parents=True)
    for name in ("IMG_1.JPG", "Two.png", "two.png", "three.png", "Four.png", "four.png"):
        lines(255).convert("RGB").save(folder / name)
    for name in ("img_1.txt", "two.txt", "Three.csv", "THREE.csv", "FOUR.txt"):
        (folder / name).write_text(f"R_{name}\n")
    import_folder(folder.parent, tmp_path / "own.parquet")
    rows = pq.read_table(tmp_path / "own.parquet").to_pylist()
    assert {row["image"]["path"]: row["components_used"] for row in rows} == {
        "IMG_1.JPG": ["R_img_1.txt"],
        "two.png": ["R_two.txt"],
    }
    left_out = {line.split(" is left out")[0].rpartition("/")[2] for line in caplog.messages}
    assert left_out == {"Two.png", "three.png", "Three.csv", "THREE.csv", "Four.png", "four.png", "FOUR.txt"}


def test_a_file_that_is_too_large_is_told_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_rows, "MAX_PICTURE_BYTES", 0)
    _, found = imported(tmp_path, lines(0), "a.png")
    assert found.left_out[0] == f"{tmp_path / 'a.png'} is left out: too_large: over 0 MB: save it smaller"

"""Damaged parquet between the stages: whoever reads it names the file in one line, and what makes it anew."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schematic_reader.cleaning.clean_to_parquet import clean_to_parquet
from schematic_reader.cli import UserError
from schematic_reader.config import ImageLimits, load_params
from schematic_reader.io.manifest import raw_shards
from schematic_reader.io.tables import CLEAN, MESSAGES, PREDICTIONS, Pictures, read_messages, write_rows
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.scoring.evaluation import read_predictions
from schematic_reader.sources.fetch import preview
from schematic_reader.tasks.build_messages import build_messages
from tests.support.cleaning import PARAMS
from tests.support.paths import ROOT
from tests.support.raw_rows import png, raw_row, write_raw

MESSAGE_SETTINGS = load_params(ROOT / "params.yaml").messages
LIMITS = ImageLimits(100, 10_000)
PLACE = {"part": "part-00.parquet", "row": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_raw(tmp_path / "raw", [[raw_row(number) for number in range(40)]])
    clean = [
        {
            "id": f"{number:016x}", "name": f"owner/{number}",
            "image": png(number), "width": 40, "height": 30,
            "components": ["R"], "type": ".kicad_sch", "description": "", "json": "{}", "yaml": "a: 1",
            "schematic": "(kicad_sch)",
        }
        for number in range(3)
    ]  # fmt: skip
    for split in ("train", "validation", "test"):
        write_rows(tmp_path / "clean" / split / "part-00.parquet", CLEAN, clean)
    content = [{"role": "user", "content": [{"type": "text", "text": "read"}]}]
    messages = {"id": "0", "name": "n", "prompt": "read", "target": "R", "messages": content, **PLACE}
    write_rows(tmp_path / "messages" / "test.parquet", MESSAGES, [messages])
    prediction: dict[str, Any] = {"id": "0", "name": "n", "prompt": "read", "target": "R", "prediction": "R"}
    prediction |= {"tokens": 1, "finish": "stop", "precision": 1.0, "recall": 1.0, "f1": 1.0, "ends": [1]}
    prediction |= {"probabilities": [0.5]}
    write_rows(tmp_path / "predictions" / "baseline.parquet", PREDICTIONS, [prediction])
    return tmp_path


CASES: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "clean-to-parquet": (
        "raw/shard-00000.parquet", "fetch",
        lambda folder: clean_to_parquet(folder / "raw", folder / "out", PARAMS, workers=1),
    ),
    "preview": (
        "raw/shard-00000.parquet", "fetch",
        lambda folder: preview(folder / "raw" / "shard-00000.parquet"),
    ),
    "build-messages": (
        "clean/test/part-00.parquet", "clean-to-parquet",
        lambda folder: build_messages(
            folder / "clean", folder / "out", "components", MESSAGE_SETTINGS, LIMITS, workers=1
        ),
    ),
    "picture": (
        "clean/test/part-00.parquet", "clean-to-parquet",
        lambda folder: Pictures(folder / "clean", "test").read(**PLACE),
    ),
    "size": (
        "clean/test/part-00.parquet", "clean-to-parquet",
        lambda folder: SheetImages(folder / "clean", "test", LIMITS).size(PLACE),
    ),
    "messages": (
        "messages/test.parquet", "build-messages",
        lambda folder: read_messages(folder / "messages", "test"),
    ),
    "predictions": (
        "predictions/baseline.parquet", "baseline",
        lambda folder: read_predictions(folder / "predictions" / "baseline.parquet", "baseline"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("damage", ["empty", "cut", "no parquet", "other columns"])
def test_a_damaged_file_is_one_line(folder: Path, case: str, damage: str) -> None:
    name, made_by, read = CASES[case]
    read(folder)
    path = folder / name
    if damage == "other columns":
        pq.write_table(pa.table({"x": [1, 2, 3]}), path)
    else:
        whole = path.read_bytes()
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "no parquet": b"x" * 99}[damage])
    if case == "clean-to-parquet":  # whose shards' sizes are checked before
        manifest = folder / "raw" / "manifest.json"
        size = path.stat().st_size
        manifest.write_text(manifest.read_text().replace('"bytes": ', f'"bytes": {size}, "was": ', 1))
    with pytest.raises(UserError, match=rf"{path} .*`dvc repro {made_by}`") as caught:
        read(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", CASES)
def test_a_flipped_byte_anywhere_is_no_traceback(folder: Path, case: str) -> None:
    """What the flip leaves readable is another table; what it does not is one line."""
    name, made_by, read = CASES[case]
    path, rng = folder / name, random.Random(0)
    whole = path.read_bytes()
    refused = 0
    places = [*rng.sample(range(len(whole)), 40), *range(len(whole) - 300, len(whole), 10)]
    for place in places:
        flipped = bytes([whole[place] ^ (1 << rng.randrange(8))])
        path.write_bytes(whole[:place] + flipped + whole[place + 1 :])
        try:
            read(folder)
        except UserError as error:
            refused += f"`dvc repro {made_by}`" in str(error)
    assert refused > 3


@pytest.mark.parametrize(
    "content", ["{}", '{"shards": [{}]}', '{"shards": [1]}', '{"shards": 5}', "[" * 10**5]
)
def test_a_manifest_without_its_parts_is_one_line(folder: Path, content: str) -> None:
    (folder / "raw" / "manifest.json").write_text(content)
    with pytest.raises(UserError, match=r"manifest\.json .*: delete it and run `dvc repro fetch`"):
        raw_shards(folder / "raw")

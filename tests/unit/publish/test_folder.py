"""The files of a published folder that serving engines look for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import AutoProcessor

from schematic_reader.publish.folder import write_processor_parts
from tests.support.paths import ROOT


def read(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def test_the_parts_of_a_processor_are_those_that_transformers_saves(tmp_path: Path) -> None:
    processor = AutoProcessor.from_pretrained(ROOT / "models" / "tiny")
    folder, own = tmp_path / "folder", tmp_path / "own"
    processor.save_pretrained(folder)
    write_processor_parts(folder)
    processor.image_processor.save_pretrained(own)
    processor.video_processor.save_pretrained(own)
    names = sorted(path.name for path in own.iterdir())
    assert names == ["preprocessor_config.json", "video_preprocessor_config.json"]
    for name in names:
        assert read(folder / name) == read(own / name)
    again = AutoProcessor.from_pretrained(folder)
    assert again.image_processor.to_dict() == processor.image_processor.to_dict()

"""The examples of a split: what is said where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schematic_reader.cli import UserError
from schematic_reader.config import load_params
from schematic_reader.io.tables import MESSAGES, write_rows
from schematic_reader.training.examples import read_splits
from tests.support.paths import ROOT


def test_sheets_that_are_cut_without_a_tile_to_train_on_are_not_said_to_be_long(tmp_path: Path) -> None:
    row: dict[str, Any] = dict.fromkeys(MESSAGES.names) | {"id": "a", "part": "part-00.parquet", "row": 0}
    write_rows(tmp_path / "train.parquet", MESSAGES, [row | {"messages": [], "tiles": 6}])
    no_encoder: Any = None  # nothing is left to encode
    with pytest.raises(UserError, match=r"^every train sheet is cut into tiles, .* image\.tiles to 1$"):
        read_splits(tmp_path, tmp_path, load_params(ROOT / "params.yaml"), no_encoder)

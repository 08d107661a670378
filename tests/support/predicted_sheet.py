"""A checkout's data and answers in miniature: one test sheet, whose answer is its target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schematic_reader.io.tables import CLEAN, PREDICTIONS, write_rows
from schematic_reader.synthetic.sample import make_row
from schematic_reader.tasks import task as task_named
from tests.support.paths import ROOT


def write_predicted_sheet(folder: Path) -> None:
    """Write params.yaml, the clean row and its predicted row, of the task json, to ``folder``."""
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    row = make_row(5, 42, width=640, height=448)
    clean = dict.fromkeys(CLEAN.names, None) | {"id": "x", "schematic": row["schematic"], "image": b""}
    clean |= {"width": 640, "height": 448}
    write_rows(folder / "data" / "clean" / "test" / "part-00.parquet", CLEAN, [clean])
    target = task_named("json").target(row, form="compact")
    predicted: dict[str, Any] = dict.fromkeys(PREDICTIONS.names, 0.0) | {
        "id": "x", "name": "a/b", "prompt": "?", "target": target, "prediction": target, "tokens": 1,
        "finish": "stop", "ends": [], "probabilities": [],
    }  # fmt: skip
    write_rows(folder / "data" / "predictions" / "tuned.parquet", PREDICTIONS, [predicted])

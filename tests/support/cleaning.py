"""The clean stage on small raw folders, for its tests."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from schematic_reader.cleaning.clean_to_parquet import clean_to_parquet
from schematic_reader.config import Clean
from schematic_reader.io.tables import SPLITS, clean_parts, iterate_rows

PARAMS = Clean(
    max_pixels=10_000, max_text_chars=1000, mismatch="keep", validation=0.3, test=0.3, rows_per_part=2000
)
ROOMY = replace(PARAMS, max_pixels=10**6, max_text_chars=10**5)


def clean(raw: Path, params: Clean = PARAMS, workers: int = 1) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Metrics and clean rows, each with its split."""
    folder = raw.parent / "clean"
    metrics = clean_to_parquet(raw, folder, params, workers=workers)
    rows = [{**row, "split": split} for split in SPLITS for row in iterate_rows(clean_parts(folder, split))]
    return metrics, rows


def re_encoded(png: bytes) -> bytes:
    """The same pixels in other bytes."""
    file = io.BytesIO()
    Image.open(io.BytesIO(png)).save(file, "TIFF", compression="tiff_lzw")
    return file.getvalue()

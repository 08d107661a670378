"""The reader that ships, as ``stages.predict`` loads it for a bill of materials."""

from __future__ import annotations

from pathlib import Path

from schematic_reader.config import load_params
from schematic_reader.predict.loading import load_reader
from schematic_reader.predict.model_source import find_model, followed, settings_of
from schematic_reader.predict.opened_sheet import SheetLimits, render_scale
from schematic_reader.predict.sheet_reader import SheetReader


def shipped_reader() -> tuple[SheetReader, SheetLimits]:
    """The reader in this checkout's ``models/reader``, and the limits of the sheets that it opens."""
    settings = settings_of(None, Path())
    params = followed(settings, load_params())
    reader = load_reader(find_model(None, params), "components", params)
    return reader, SheetLimits(params.active.image, params.clean.max_pixels, render_scale(params, settings))

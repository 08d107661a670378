"""Where the checkout is, and what stands beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def shared_folder(name: str) -> Path:
    """The folder ``../shared/NAME`` beside the checkout; skips the test where there is none."""
    folder = ROOT.parent / "shared" / name
    if not folder.is_dir():
        pytest.skip(f"needs ../shared/{name} beside the checkout")
    return folder

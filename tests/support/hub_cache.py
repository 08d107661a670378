"""A model in the Hub's cache on this machine, as after a download."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def cache_on_this_machine(folder: Path, name: str, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cache the small model's configuration in ``folder`` as ``name``, whose branch main is at ``commit``.

    The Hugging Face libraries look there, without the network.
    """
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    cached = folder / f"models--{name.replace('/', '--')}"
    snapshot = cached / "snapshots" / commit
    snapshot.mkdir(parents=True)
    shutil.copyfile(ROOT / "models" / "tiny" / "config.json", snapshot / "config.json")
    (cached / "refs").mkdir(exist_ok=True)
    (cached / "refs" / "main").write_text(commit)

"""Runs of the train stage for tests that compare them: in this process, in several, and what they wrote."""

from __future__ import annotations

import socket
from contextlib import chdir
from pathlib import Path

import pytest
from safetensors.torch import load_file

from stages import train
from tests.support.paths import ROOT

ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
"""Of a rank that is started in a folder of its own."""


def run_train(folder: Path) -> dict[str, bytes]:
    """Run the stage to its end; returns all that it wrote, by name."""
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["stages.train"])
        train.main()
    return written(folder)


def written(folder: Path) -> dict[str, bytes]:
    """The bytes of the adapter's files and of all metrics, by name."""
    files = [*(folder / train.ADAPTER).iterdir(), *(folder / "metrics").rglob("*.*")]
    return {file.name: file.read_bytes() for file in sorted(files)}


def curve(folder: Path, name: str) -> list[tuple[int, float]]:
    """Steps and losses of a curve, ``train`` or ``validation``."""
    lines = (folder / "metrics" / "plots" / f"{name}.tsv").read_text().splitlines()[1:]
    return [(int(step), float(loss)) for step, loss in (line.split("\t") for line in lines)]


def assert_same_training(expected: Path, found: Path) -> None:
    """The same losses at the same steps, and the same adapter, but for the order of sums."""
    for name in ("train", "validation"):
        one, two = curve(expected, name), curve(found, name)
        assert [step for step, _ in one] == [step for step, _ in two] and len(one) > 2
        assert [loss for _, loss in two] == pytest.approx([loss for _, loss in one], rel=1e-3)
    weights, others = (
        load_file(folder / train.ADAPTER / "adapter_model.safetensors") for folder in (expected, found)
    )
    assert set(weights) == set(others)
    for name, weight in weights.items():
        assert (others[name] - weight).norm() < 1e-2 * weight.norm(), name


def free_port() -> str:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])

"""A clone of this commit whose stages run on a handful of sheets, for benchmarks that disturb them."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

STAGES = ("fetch", "clean-to-parquet", "build-messages", "baseline", "train", "evaluate")
AGAIN = ("repro", "--single-item", "--force", "--no-run-cache")
LEFT_OVER = (".answer_cache", "models/.train.part")
"""What stages keep for their next run."""

_ROOT = Path(__file__).resolve().parents[2]


def arguments(module: str, does: str, tries: str, *, stages: bool = True) -> argparse.Namespace:
    """``--tries`` and, unless told otherwise, ``--stages`` of a benchmark's command line.

    Args:
        module: the benchmark's, below ``benchmarks``.
        does: what it does, in a line.
        tries: what it tries so often.
    """
    parser = argparse.ArgumentParser(f"python -m benchmarks.{module}", description=does)
    parser.add_argument("--tries", type=int, default=10, help=f"{tries} (default: 10)")
    if stages:
        parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES, help="default: all")
    return parser.parse_args()


def small_checkout(folder: Path) -> Path:
    """Clone this commit into ``folder``, with ``handful`` in params.yaml, and return it."""
    subprocess.run(["git", "clone", "-q", str(_ROOT), str(folder)], check=True)
    params = folder / "params.yaml"
    params.write_text(yaml.safe_dump(handful(yaml.safe_load(params.read_text())), sort_keys=False))
    return folder


def handful(params: dict[str, Any]) -> dict[str, Any]:
    """The params, cut down to a handful of sheets, with several checkpoints."""
    params["clean"] |= {"validation": 0.25, "test": 0.25}
    params["evaluate"] |= {"max_sheets": 8, "calibration_sheets": 4, "no_image_sheets": 2}
    params["evaluate"] |= {"max_new_tokens": 16, "bootstrap_samples": 50, "grammar": False}
    params["train"] |= {"validation_sheets": 2, "warmup_steps": 1}
    sample = params["profiles"]["sample"]
    sample["data"] |= {"rows": 120}
    sample["image"] |= {"max_side": 256}
    sample["train"] |= {"max_sheets": 8, "step_tokens": 1024, "packed_length": 1024}
    sample["train"] |= {"epochs": 5, "checkpoint_steps": 2}
    sample["model"] |= {"batch_size": 4}
    return params


def clear(checkout: Path) -> None:
    """Remove what earlier runs have left, so that the next one does all of its work."""
    for name in LEFT_OVER:
        shutil.rmtree(checkout / name, ignore_errors=True)


def environment() -> dict[str, str]:
    """With this environment's programs, which say at once what they say, without a network."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1", "DVC_NO_ANALYTICS": "1"}
    return os.environ | {"PATH": path} | settings


def run_dvc(checkout: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    """DVC in a process group of its own, with these variables in its environment."""
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", *words],
        cwd=checkout,
        env=environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_stage(process: subprocess.Popen[str]) -> bool:
    """Read what ``dvc repro`` says until it starts a stage; whether it has."""
    assert process.stdout is not None
    return any(line.startswith("Running stage") for line in process.stdout)


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for an undisturbed run. Raises SystemExit with what it said where it fails."""
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(said)


def outputs(checkout: Path, stage: str) -> dict[str, str]:
    """The hash of each output of a stage, metrics and plots included, as DVC has it."""
    lock = yaml.safe_load((checkout / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for out in lock["stages"][stage]["outs"]}


def cached_outputs(checkout: Path) -> list[str]:
    """The outputs of all stages that are in DVC's cache."""
    stages = yaml.safe_load((checkout / "dvc.yaml").read_text())["stages"]
    return [out for stage in stages.values() for out in stage.get("outs", ()) if isinstance(out, str)]


def digests(checkout: Path, paths: Iterable[str]) -> dict[str, str]:
    """MD5 of each file at or below the paths of a checkout that are there."""
    found = (checkout / path for path in paths)
    files = (file for path in found for file in ([path] if path.is_file() else path.rglob("*")))
    return {
        str(file.relative_to(checkout)): hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
        for file in files
        if file.is_file()
    }


def remove(checkout: Path, paths: Iterable[str]) -> None:
    """Remove files and folders of a checkout, where they are there."""
    for path in (checkout / path for path in paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def mended(checkout: Path, lock: bytes) -> bool:
    """Whether DVC left a file of its own cut: its lock file, then deleted, or dvc.lock, then ``lock`` again.

    docs/trouble.md tells users to do the same.
    """
    rwlock, recorded = checkout / ".dvc" / "tmp" / "rwlock", checkout / "dvc.lock"
    try:
        cut = rwlock.is_file() and not isinstance(json.loads(rwlock.read_bytes()), dict)
    except ValueError:
        cut = True
    if cut:
        rwlock.unlink()
    try:
        whole = isinstance(yaml.safe_load(recorded.read_text())["stages"], dict)
    except (OSError, yaml.YAMLError, TypeError, KeyError):
        whole = False
    if not whole:
        recorded.write_bytes(lock)
    return cut or not whole

"""A checkout in which the pipeline has run on a handful of sheets; who changes it takes a copy."""

from __future__ import annotations

import hashlib
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from tests.support.checkout import copy_checkout, git
from tests.support.commands import PERSON, documented, give_environment
from tests.support.paths import ROOT


def small_params(task: str) -> dict[str, Any]:
    """The committed params, cut down to a handful of small sheets and a few steps."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["task"] = task
    params["clean"] |= {"validation": 0.25, "test": 0.25}
    params["evaluate"] |= {
        "max_sheets": 4,
        "max_new_tokens": 24,
        "bootstrap_samples": 50,
        "no_image_sheets": 2,
    }
    params["evaluate"]["calibration_sheets"] = 4
    params["evaluate"]["grammar"] = task == "json" and find_spec("llguidance") is not None
    params["train"] |= {"validation_sheets": 2, "warmup_steps": 1}
    sample = params["profiles"]["sample"]
    sample["data"] |= {"rows": 60}
    sample["image"] |= {"max_side": 256}
    sample["train"] |= {"max_sheets": 8, "step_tokens": 1024, "packed_length": 1024, "epochs": 1}
    return params


def write_params(folder: Path, task: str) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(small_params(task), sort_keys=False))


def digests(folder: Path) -> dict[str, str]:
    """The hash of every data file and every metric below ``folder``."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for top in ("data", "metrics")
        for path in sorted((folder / top).rglob("*"))
        if path.is_file() and path.name != ".gitignore"
    }


def make_finished(folder: Path) -> Path:
    """A checkout in ``folder`` after ``make repro``, its results committed."""
    copy_checkout(folder)
    write_params(folder, "components")
    give_environment(folder)
    documented("make repro", folder)
    commit(folder, "Run the pipeline")
    return folder


def copy_finished(finished: Path, folder: Path) -> Path:
    """A copy of ``finished``, with its Git history and its DVC cache."""
    return Path(shutil.copytree(finished, folder, symlinks=True, dirs_exist_ok=True))


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "-A")
    git(
        folder,
        "-c",
        f"user.name={PERSON['GIT_AUTHOR_NAME']}",
        "-c",
        f"user.email={PERSON['GIT_AUTHOR_EMAIL']}",
        "commit",
        "-qm",
        message,
    )

"""A checkout in which the pipeline has run on a handful of sheets; who changes it takes a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

from checkout import copy_checkout, git
from commands import PERSON, documented, give_environment
from test_pipeline_end_to_end import write_params


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

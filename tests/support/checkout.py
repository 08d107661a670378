"""A copy of this checkout in a temporary folder, under Git and DVC, for tests that change it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT


def copy_checkout(folder: Path) -> Path:
    """Copy all files that Git tracks or would track into ``folder`` and commit them there."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        source = ROOT / name
        if source.is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-qm", "copy")
    return folder


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def run_python(folder: Path, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Run this environment's Python in ``folder``; its programs (``dvc``, ``python``) come first on PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1", "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done


def dvc(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return run_python(folder, "-m", "dvc", *words, check=check)

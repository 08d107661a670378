"""Run code that may not read what a test has locked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

LOCK_OUT = """
import os
if os.geteuid() == 0:
    os.seteuid(65534)  # who may read everything is locked out of nothing
"""
"""A part of such code, after what it must have loaded before."""


def run_locked_out(code: str, folder: Path, modes: Mapping[str, int]) -> subprocess.CompletedProcess[str]:
    """Run Python code in a folder while folders in it have these modes; its output, and how it ended."""
    folder.chmod(0o755)
    for name, mode in modes.items():
        (folder / name).chmod(mode)
    try:
        words = [sys.executable, "-c", code]
        return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    finally:
        for name in modes:
            (folder / name).chmod(0o755)

"""SHA-256 fingerprints of files and of settings: the same on every machine for the same content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's bytes in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def value_digest(value: Any) -> str:
    """The SHA-256 in hex of a value that JSON can hold; the order of a dictionary's keys does not count."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode("ascii")).hexdigest()


def files_digest(paths: Iterable[Path], *, root: Path | None = None) -> str:
    """The SHA-256 in hex of files and of the files in folders: of their paths and their contents.

    Python's compiled files do not count, nor do paths that do not exist.

    Args:
        paths: in any order.
        root: paths are hashed relative to it, so that a moved checkout has the same digest; None hashes them
            as given.
    """
    files = {file for path in paths for file in (path.rglob("*") if path.is_dir() else (path,))}
    named = [
        ((file.relative_to(root) if root else file).as_posix(), file)
        for file in files
        if file.is_file() and file.suffix != ".pyc"
    ]
    return value_digest([[name, file_digest(file)] for name, file in sorted(named)])

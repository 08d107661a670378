"""Files that another run relies on, with a checksum: what is damaged is noticed before it is used."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from schematic_reader.io.files import write_json, write_text
from schematic_reader.io.fingerprint import file_digest, value_digest

log = logging.getLogger(__name__)

_SIDECAR = ".sha256"


def write_checked_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write ``value``, whose types JSON has, with its SHA-256, atomically."""
    write_json(path, {"sha256": value_digest(value), "value": value})


def read_checked_json(path: Path) -> dict[str, Any] | None:
    """What ``write_checked_json`` wrote; None where the file is missing, damaged or something else."""
    try:
        stored = json.loads(path.read_bytes())
        value: dict[str, Any] = stored["value"]
        return value if isinstance(value, dict) and stored["sha256"] == value_digest(value) else None
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None


def digests(paths: Iterable[Path]) -> dict[str, str]:
    """The SHA-256 of each file, by name."""
    return {path.name: file_digest(path) for path in sorted(paths)}


def damaged_file(folder: Path, expected: Mapping[str, str]) -> str | None:
    """The name of the first file of ``expected`` that is missing in ``folder`` or has another SHA-256."""
    for name, digest in expected.items():
        if not (folder / name).is_file() or file_digest(folder / name) != digest:
            return name
    return None


def write_sidecar(path: Path) -> None:
    """Write the file's SHA-256 beside it, as a hidden file."""
    write_text(_sidecar(path), file_digest(path))


def matches_sidecar(path: Path) -> bool:
    """Whether the file is there and as it was when ``write_sidecar`` was called."""
    sidecar = _sidecar(path)
    return path.is_file() and sidecar.is_file() and sidecar.read_bytes() == file_digest(path).encode("ascii")


def remove_sidecars(folder: Path) -> None:
    """Remove the sidecars of all files in ``folder``."""
    for path in folder.glob(f".*{_SIDECAR}"):
        path.unlink()


def set_aside(path: Path, consequence: str) -> None:
    """Rename a damaged file or folder to ``damaged-NAME`` beside it; one log line says so.

    Args:
        consequence: what happens instead.
    """
    aside = path.with_name(f"damaged-{path.name}")
    if aside.is_dir():
        shutil.rmtree(aside)
    path.replace(aside)
    log.warning("%s is damaged and set aside as %s: %s", path, aside.name, consequence)


def _sidecar(path: Path) -> Path:
    return path.with_name(f".{path.name}{_SIDECAR}")

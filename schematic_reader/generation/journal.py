"""Answers of an examination that is under way, kept so that an interrupted one goes on where it was.

A stage keeps its journal beside its predictions until these are whole. What the answers depend on is written
first; a journal of anything else is started anew.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from schematic_reader.io.fingerprint import files_digest, value_digest

log = logging.getLogger(__name__)

_LIBRARIES = ("peft", "torch", "transformers")


class Journal:
    """A file of JSON lines: the fingerprint, then a key with its value each.

    Args:
        path: of the file; its folder is made.
        fingerprint: of what the values depend on (``fingerprint``).

    ``values`` are those that were kept, by key. What follows the first line that is not whole, as a killed
    run leaves it, is dropped.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path = path
        self.values: dict[str, dict[str, Any]] = {}
        data = path.read_bytes() if path.is_file() else b""
        first, *lines = data.splitlines(keepends=True) or [b""]
        if first != _line(fingerprint):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_line(fingerprint))
            return
        size = len(first)
        for line in lines:
            try:
                key, value = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n"):
                break
            self.values[key] = value
            size += len(line)
        os.truncate(path, size)
        log.info("going on with %d answers of an interrupted run", len(self.values))

    def add(self, values: Mapping[str, dict[str, Any]]) -> None:
        """Keep ``values``; they are on disk when this returns."""
        with self._path.open("ab") as file:
            file.write(b"".join(_line([key, value]) for key, value in values.items()))
            file.flush()
            os.fsync(file.fileno())
        self.values.update(values)

    def remove(self) -> None:
        """Delete the file's folder with all journals in it: the stage is done."""
        shutil.rmtree(self._path.parent)


def fingerprint(settings: object, files: Iterable[Path]) -> str:
    """A hash of settings (anything JSON has), the contents of files and folders, and library versions."""
    return value_digest([settings, {name: version(name) for name in _LIBRARIES}, files_digest(files)])


def _line(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode("ascii") + b"\n"

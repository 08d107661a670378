"""Atomic writes: a file or folder appears under its final name only when it is whole."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schematic_reader.cli import UserError

_STAMP = ".resume"
_PART = ".part"


@contextmanager
def atomic_write(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; it takes the final name if the block ends without an error.

    Args:
        sync: have the content on the disk before it gets its name, so that no loss of power leaves a name
            without it. A cache whose entries are verified when they are read can do without.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_PART, dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)
        if sync:
            sync_to_disk(part)
        part.replace(path)
        if sync:
            sync_to_disk(path.parent)
    finally:
        part.unlink(missing_ok=True)


def sync_to_disk(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_folder(path: Path, *, resume: str | None = None) -> Iterator[Path]:
    """Yield a folder beside ``path``; it takes the final name if the block ends without an error.

    The old folder, if any, stays in place until then. What a killed run left is deleted by the next run.

    Args:
        resume: a key of what the content depends on. With it, a block that fails leaves its folder to the
            next run with the same key, which finds the finished files in it. Without it, the folder starts
            empty and a block that fails leaves nothing.
    """
    part, old = (path.with_name(f".{path.name}{suffix}{_PART}") for suffix in ("", ".old"))
    _delete(old)
    stamp = part / _STAMP
    if resume is None or not stamp.is_file() or stamp.read_bytes() != resume.encode():
        if part.exists():
            shutil.rmtree(part)
        part.mkdir(parents=True)
        if resume is not None:
            write_text(stamp, resume)
    for unfinished in part.rglob(f".*{_PART}"):  # of a killed run
        if unfinished.is_file():  # an unfinished folder is deleted by its own next run
            unfinished.unlink()
    try:
        yield part
        stamp.unlink(missing_ok=True)
        for written in (*part.rglob("*"), part):
            sync_to_disk(written)
        # Renamed before it is deleted: whoever is killed meanwhile leaves no part of it under the final name.
        if path.exists() or path.is_symlink():
            path.replace(old)
        part.replace(path)
        sync_to_disk(path.parent)
        _delete(old)
    finally:
        if resume is None:
            shutil.rmtree(part, ignore_errors=True)


def _delete(path: Path) -> None:
    """Delete a folder, or a link to one with nothing behind it; there may be neither."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically."""
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write ``value`` as indented JSON with a final newline, atomically. NaN is refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path, made_by: str, keys: Collection[str] = ()) -> dict[str, Any]:
    """Read a JSON object that the stage ``made_by`` wrote.

    Args:
        keys: those that it has if it is whole.

    Raises:
        UserError: the file is missing, no JSON object or without a key; names the command that makes it.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run `dvc repro {made_by}`") from None
    except (ValueError, RecursionError):
        raise UserError(f"{path} is not valid JSON: delete it and run `dvc repro {made_by}`") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} holds no JSON object: delete it and run `dvc repro {made_by}`")
    if not set(keys) <= set(value):
        raise damaged_json(path, made_by)
    return value


def damaged_json(path: Path, made_by: str) -> UserError:
    """The error of a JSON file that is not what the stage ``made_by`` writes."""
    return UserError(f"{path} lacks a part of what {made_by} writes: delete it and run `dvc repro {made_by}`")

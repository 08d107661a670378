"""The files that ``data.path`` and ``data.test_path`` name: folders, files and patterns, one or several."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from glob import glob
from pathlib import Path
from typing import NoReturn

from schematic_reader.cli import UserError
from schematic_reader.io.fingerprint import value_digest
from schematic_reader.io.outside_paths import is_file, is_pipe


def parquet_files(named: str) -> list[tuple[Path, Path]]:
    """The parquet files that ``named`` stands for, each with the folder that its pictures may lie in.

    Args:
        named: a folder, for all ``*.parquet`` in it and in the folders in it; a file; or a pattern of these,
            in which ``*``, ``?``, ``[...]`` and ``**`` have the shell's meaning.

    Returns:
        (folder, file) pairs by name: for a file its own folder. Empty where nothing is there.

    Raises:
        UserError: one of them cannot be looked at, such as a link that leads nowhere.
        OSError: a folder cannot be listed. In both cases rows would be missing without a word.
    """
    found = []
    for path in _existing(named):
        if path.is_dir():
            files = (file for file in _files_in(path, _refuse) if file.name.endswith(".parquet"))
            found += [(path, file) for file in files if not is_pipe(file)]
        elif path == Path(named) or path.suffix == ".parquet":
            found.append((path.parent, path))
    for _, file in found:
        if not is_file(file):
            raise UserError(
                f"{file} cannot be read: it is locked, or a link that leads nowhere; restore or remove it"
            )
    return found


def is_there(named: str) -> bool:
    """Whether there is a file or a folder that ``named`` stands for."""
    return bool(_existing(named))


def paths_state(named: Sequence[str]) -> str:
    """A digest of the names, sizes and times of change of named files and of all files in named folders.

    What cannot be looked at does not count.
    """
    facts = []
    for path in (path for one in named for path in _existing(one)):
        root = path if path.is_dir() else path.parent
        files = _files_in(path) if path.is_dir() else [path]
        known = ((file.relative_to(root).as_posix(), _facts(file)) for file in files)
        facts += [[name, *sizes] for name, sizes in known if sizes]
    return value_digest(facts)


def _facts(file: Path) -> tuple[int, int] | None:
    """Size and time of change of a regular file."""
    try:
        found = file.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _files_in(folder: Path, locked: Callable[[OSError], object] | None = None) -> list[Path]:
    """All files in a folder and in the folders in it, by name; ``locked`` gets what cannot be listed."""
    walked = os.walk(folder, onerror=locked)
    return sorted(Path(inside, name) for inside, _, names in walked for name in names)


def _refuse(error: OSError) -> NoReturn:
    raise error


def _existing(named: str) -> list[Path]:
    """The path of that name or, where there is none, what the pattern finds, by name."""
    if Path(named).exists():
        return [Path(named)]
    return sorted(map(Path, glob(named, recursive=True)))  # noqa: PTH207, Path.glob raises on "**x"

"""The files that ``data.path`` and ``data.test_path`` name: folders, files and patterns, one or several."""

from __future__ import annotations

from collections.abc import Sequence
from glob import glob
from pathlib import Path

from schematic_reader.io.fingerprint import value_digest


def parquet_files(named: str) -> list[tuple[Path, Path]]:
    """The parquet files that ``named`` stands for, each with the folder that its pictures may lie in.

    Args:
        named: a folder, for all ``*.parquet`` in it and in the folders in it; a file; or a pattern of these,
            in which ``*``, ``?``, ``[...]`` and ``**`` have the shell's meaning.

    Returns:
        (folder, file) pairs by name: for a file its own folder. Empty where nothing is there.
    """
    found = []
    for path in _existing(named):
        if path.is_dir():
            found += [(path, file) for file in sorted(path.rglob("*.parquet")) if file.is_file()]
        elif path == Path(named) or path.suffix == ".parquet":
            found.append((path.parent, path))
    return found


def is_there(named: str) -> bool:
    """Whether there is a file or a folder that ``named`` stands for."""
    return bool(_existing(named))


def paths_state(named: Sequence[str]) -> str:
    """A digest of the names, sizes and times of change of named files and of all files in named folders."""
    facts = []
    for path in (path for one in named for path in _existing(one)):
        root = path if path.is_dir() else path.parent
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        stats = [(file.relative_to(root).as_posix(), file.stat()) for file in files]
        facts += [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
    return value_digest(facts)


def _existing(named: str) -> list[Path]:
    """The path of that name or, where there is none, what the pattern finds, by name."""
    if Path(named).exists():
        return [Path(named)]
    return sorted(map(Path, glob(named, recursive=True)))  # noqa: PTH207, Path.glob raises on "**x"

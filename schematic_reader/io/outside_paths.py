"""Paths from outside: what lies in a user's folder, and names that files list.

They may be links in a circle or to nothing, too long, locked, or no name of any file: with a NUL, or with
half of a surrogate pair. For some of these ``pathlib`` raises where it says yes or no, or follows links.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path


def is_file(path: Path) -> bool:
    """Whether it is one that can be looked at; unlike ``Path.is_file``, this raises for no name."""
    return os.path.isfile(path)  # noqa: PTH113


def real_path(path: str | Path) -> Path:
    """The path with its links followed; unlike ``Path.resolve``, in a circle of links as far as they lead.

    A name that no file can have, and one in this folder where that was removed, stays as it is.
    """
    try:
        return Path(os.path.realpath(path))
    except (FileNotFoundError, ValueError):
        return Path(path)


def shown_name(name: str | Path) -> str:
    """The name as UTF-8 can have it, U+FFFD in the place of bytes that are none. Raises ValueError."""
    return os.fsencode(name).decode("utf-8", "replace")


def reason_of(error: object) -> str:
    """What is wrong; an error of the operating system is told by its own words."""
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)


def files_below(folder: Path, locked: list[OSError]) -> Iterator[Path]:
    """The files in a folder and in the folders in it, in no order; names that start with a dot are left out.

    A link that leads nowhere and a file in a folder that may not be entered are among them, so that who reads
    them tells of them; pipes and the like are not.

    Args:
        locked: gets the errors of folders that cannot be listed.
    """
    for inside, folders, files in os.walk(folder, onerror=locked.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(inside, name) for name in files if not name.startswith("."))
        yield from (path for path in paths if not is_pipe(path))


def is_pipe(path: Path) -> bool:
    """Whether it is a pipe, a socket or a device, which could be read without end."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False

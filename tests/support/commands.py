"""Running a command as the documents print it, in a checkout whose environment is this one.

``test_documents.py`` reads the tests' own text for calls of ``documented``: a command in a document that no
test passes to it, to the letter, fails there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

PERSON = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "test"), ("EMAIL", "test@example.org"))
}


def give_environment(checkout: Path) -> None:
    """Put this environment into ``checkout`` as its ``.venv``, so that make finds it there and ready."""
    folder = checkout / ".venv"
    folder.mkdir()
    for part in sorted(Path(sys.prefix).iterdir()):
        if part.name != "ready":
            (folder / part.name).symlink_to(part)
    (folder / "ready").touch()


def documented(
    command: str,
    checkout: Path,
    put: Mapping[str, str] | None = None,
    *,
    network: bool = True,
    fails: bool = False,
    **environment: str,
) -> str:
    """Run ``command`` in ``checkout`` with the environment active, and return what it printed.

    Args:
        command: a line of a document, to the letter.
        put: what stands in the document, and what is put in its place here.
        network: False takes even loopback away, where the system lets a user do so, and leaves the Hugging
            Face libraries in the belief that there is one.
        fails: whether the command is to end with an error.
    """
    line = command
    for shown, real in (put or {}).items():
        if shown not in line:
            raise AssertionError(f"{shown!r} is not in {line!r}")
        line = line.replace(shown, real)
    words = ["bash", "-ec", line]
    if not network and _can_unshare():
        words = ["unshare", "-rn", *words]
    path = f"{checkout / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "HF_"))}
    done = subprocess.run(
        words,
        cwd=checkout,
        env={
            **inherited,
            **PERSON,
            "PATH": path,
            **({"HF_HUB_OFFLINE": "1"} if network else {}),
            "DVC_NO_ANALYTICS": "1",
            "COLUMNS": "200",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if bool(done.returncode) != fails:
        raise AssertionError(f"{line!r} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr


def _can_unshare() -> bool:
    try:
        return subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False

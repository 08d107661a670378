"""Where settings and models are: in the checkout in which a command runs, or where it was installed."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from schematic_reader.cli import UserError

PARAMS = "params.yaml"
_SHARED = Path("share") / "schematic-reader"
"""Where pyproject.toml lets a wheel put settings and models, below the scheme's folder for data."""

_OWN = re.compile(r"^profiles:", re.MULTILINE)
"""What tells this project's settings from those of another DVC project, which have the same name."""

_CODE = Path(__file__).resolve().parents[2]


def find_home(here: Path, code: Path = _CODE) -> Path:
    """The folder with params.yaml, ``models/`` and ``data/``.

    That is ``here`` if it has this project's settings, else the checkout around the package in the folder
    ``code``, else where pip has put them.

    Raises:
        UserError: there is none; one line that names the fix.
    """
    if _has_own_settings(here):
        return here
    for folder in (code, *_installed(code)):
        if (folder / PARAMS).is_file():
            return folder
    raise UserError(
        f"{PARAMS} is neither here nor where the package is installed ({code}): run it in a checkout, or run "
        "`pip install .` in one, which brings settings and models along"
    )


def _has_own_settings(folder: Path) -> bool:
    try:
        return bool(_OWN.search((folder / PARAMS).read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return False


def _installed(code: Path) -> Iterator[Path]:
    """Below the folder of ``pip install --target``, of the environment, of the user."""
    yield code / _SHARED
    yield Path(sysconfig.get_path("data")) / _SHARED
    yield Path(sysconfig.get_path("data", sysconfig.get_preferred_scheme("user"))) / _SHARED

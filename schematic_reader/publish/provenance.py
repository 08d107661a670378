"""Provenance of published weights: Git commit, dvc.lock, and whether files and results agree with them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from schematic_reader.cli import UserError
from schematic_reader.io.fingerprint import file_digest

LOCK = Path("dvc.lock")
_NAMED = 5  # paths that an error lists


@dataclass(frozen=True)
class Provenance:
    """The state of the repository that the weights were taken from.

    Attributes:
        commit: Git's, 40 hex digits.
        lock: SHA-256 of dvc.lock, 64 hex digits.
        warnings: sentences for the card on what does not agree; empty unless publishing was forced.
    """

    commit: str
    lock: str
    warnings: tuple[str, ...]


def find_provenance(*, forced: bool) -> Provenance:
    """The provenance of what the current folder holds.

    Args:
        forced: note what is wrong instead of refusing.

    Raises:
        UserError: this is no Git repository with a commit and a dvc.lock; or, not ``forced``, files differ
            from the commit or stages from their results.
    """
    commit = _git("rev-parse", "HEAD").strip()
    if not LOCK.is_file():
        raise UserError(f"{LOCK} is missing: run `dvc repro`")
    warnings = []
    changed = [line[3:] for line in _git("status", "--porcelain").splitlines()]
    if changed:
        warnings.append(f"Files differed from the commit: {_listed(changed)}.")
        if not forced:
            raise UserError(
                f"these files differ from the last commit: {_listed(changed)}; commit them, so that the "
                "model card can name what made the weights (or give --force, and it will say so)"
            )
    stale = _stale_stages()
    if stale:
        warnings.append(f"Stages were out of date: {_listed(stale)}.")
        if not forced:
            raise UserError(
                f"these stages are out of date: {_listed(stale)}; run `dvc repro`, or `dvc checkout` if you "
                "changed results by hand (or give --force, and the model card will say so)"
            )
    return Provenance(commit, file_digest(LOCK), tuple(warnings))


def _stale_stages() -> list[str]:
    """The stages whose inputs or outputs are not those of dvc.lock."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"`dvc status` fails: {_last_line(done.stderr)}")
    return sorted(json.loads(done.stdout))


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("git is not installed: install it, since a model card names the commit") from None
    if done.returncode:
        raise UserError(f"`git {' '.join(words)}` fails: {_last_line(done.stderr)}")
    return done.stdout


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no message"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")

"""What a stage's ``main`` may raise, and what of it is one line instead of a traceback."""

from __future__ import annotations

import errno
import importlib
import os
import subprocess
import sys

import pytest

from schematic_reader.cli import UserError, run
from tests.support.paths import ROOT


def test_an_error_of_the_user_is_one_line_and_exit_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise UserError("data/raw has no manifest.json:\n  run `dvc repro fetch`")

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 1
    assert capsys.readouterr().err == "error: data/raw has no manifest.json: run `dvc repro fetch`\n"


@pytest.mark.parametrize("module", ["stages.config", "stages.vlm.load", "schematic_reader.model.reader"])
def test_an_import_from_before_the_move_is_one_line(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(lambda: importlib.import_module(module) and None)
    assert caught.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    missing = "stages.vlm" if module == "stages.vlm.load" else module
    assert line.startswith(
        f"error: there is no module {missing}: since version 0.2 the library is schematic_reader/"
    )
    assert "git restore" in line


def test_a_missing_library_keeps_its_traceback() -> None:
    with pytest.raises(ModuleNotFoundError):
        run(lambda: importlib.import_module("no_such_library") and None)


def test_an_interruption_says_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 130
    assert capsys.readouterr().err == (
        "interrupted: finished work is kept; no partial file is left; run the same command again\n"
    )


GUARDED = """
import logging, os, sys
from schematic_reader.cli import UserError, run
logging.basicConfig()
def main():
    token = os.environ["HF_TOKEN"]
    logging.getLogger("deep.client").warning("Illegal header value %r", f"Bearer {token}")
    print("length", len(token))
    raise {error}(f"the header is Bearer {token}")
run(main)
"""


@pytest.mark.parametrize(
    "token", ["hf_TheSecret", "hf_TheSecret\n", " hf_TheSecret\r\n", "hf_Thé Secret", "hf_The\nSecret"]
)
@pytest.mark.parametrize("error", ["UserError", "RuntimeError"])
def test_no_output_shows_the_token(token: str, error: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GUARDED.replace("{error}", error)],
        env={**os.environ, "HF_TOKEN": token, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Secret" not in done.stdout + done.stderr
    if token.strip() == "hf_TheSecret":
        assert done.stdout == "length 12\n"
        assert done.stderr.count("Bearer [HF_TOKEN]") == 2
    else:
        assert done.stderr.startswith("error: HF_TOKEN holds a blank, a line break or a letter outside ASCII")
        assert done.stderr.count("\n") == 1


def test_a_full_disk_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "data/raw/shard")

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 1
    assert capsys.readouterr().err == (
        "error: no space is left at data/raw/shard: free some, then run the same command again\n"
    )


def test_another_error_of_the_system_keeps_its_traceback() -> None:
    def main() -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    with pytest.raises(OSError, match="Bad file descriptor"):
        run(main)

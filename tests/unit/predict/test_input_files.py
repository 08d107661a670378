"""What the arguments of a command line name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from schematic_reader.cli import UserError
from schematic_reader.config import ImageLimits
from schematic_reader.predict.batches import opened
from schematic_reader.predict.input_files import named_files, read_file, sub_sheets_in
from schematic_reader.predict.opened_sheet import SheetLimits
from schematic_reader.predict.rendering import RenderScale
from tests.support.locked_folders import LOCK_OUT, run_locked_out

LIMITS = SheetLimits(ImageLimits(1024, 1_048_576), 150_000_000, RenderScale(4.0, 1024, 1_048_576))


def test_an_empty_argument_is_not_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sheet.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert list(named_files(["."])) == ["sheet.png"]
    (found,) = named_files([""])
    assert isinstance(found, UserError) and str(found).startswith("an argument is empty")
    assert sub_sheets_in([""]) == set()


def test_what_cannot_be_a_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    for name in ("a\0b.png", "a\ud800b.png", f"{'a' * 300}.png", f"{tmp_path}/loop"):
        (tmp_path / "loop").unlink(missing_ok=True)
        (tmp_path / "loop").symlink_to("loop")
        assert list(named_files([name])) == [name]
        assert sub_sheets_in([name]) == set()
        with pytest.raises(UserError, match=r": (no file can have this name|file name too long|too many)"):
            read_file(name)


def test_a_link_in_a_folder_that_leads_nowhere_is_told_when_it_is_read(tmp_path: Path) -> None:
    """Passed over, its sheet would be missing from the list of parts without a word."""
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "2.png").symlink_to("gone.png")
    (tmp_path / "3.png").symlink_to("3.png")
    (tmp_path / "4.png").symlink_to("1.png")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    assert [Path(str(found)).name for found in named_files([str(tmp_path)])] == [
        "1.png", "2.png", "3.png", "4.png",
    ]  # fmt: skip


_IN_A_LOCKED_FOLDER = f"""
from schematic_reader.predict.batches import opened
from schematic_reader.predict.input_files import named_files
{LOCK_OUT}
for found in named_files(["."]):
    print(type(found).__name__, found)
"""


def test_a_folder_in_a_folder_that_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "b.png").write_bytes(b"")
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "c.png").write_bytes(b"")
    done = run_locked_out(_IN_A_LOCKED_FOLDER, tmp_path, {"locked": 0, "listed": 0o444})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "UserError locked: permission denied", "str a.png", "str listed/c.png",
    ]  # fmt: skip


def test_in_a_folder_that_was_removed_files_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    (found,) = opened(["a.png"], LIMITS, None)
    assert isinstance(found, UserError) and str(found) == "a.png: no such file or directory"


def test_a_closed_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # what Python puts there after `<&-`
    with pytest.raises(UserError, match="standard input: it is closed"):
        read_file("-")

"""What the arguments of a command line name."""

from __future__ import annotations

from pathlib import Path

import pytest

from schematic_reader.cli import UserError
from schematic_reader.predict.input_files import named_files, sub_sheets_in


def test_an_empty_argument_is_not_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sheet.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert list(named_files(["."])) == ["sheet.png"]
    (found,) = named_files([""])
    assert isinstance(found, UserError) and str(found).startswith("an argument is empty")
    assert sub_sheets_in([""]) == set()

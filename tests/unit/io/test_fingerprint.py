"""Fingerprints of files and of values."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from schematic_reader.io.fingerprint import file_digest, files_digest, value_digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/one.py", "a/inner/two.py", "b.txt"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(name)
    return tmp_path / "root"


def test_the_digest_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert file_digest(tmp_path / "file") == sha256(content).hexdigest()


def test_the_digest_of_a_value_follows_the_value_alone() -> None:
    assert value_digest({"a": 1, "b": ["µ"]}) == sha256(b'{"a": 1, "b": ["\\u00b5"]}').hexdigest()
    assert value_digest({"b": ["µ"], "a": 1}) == value_digest({"a": 1, "b": ["µ"]})
    assert value_digest({"a": 1}) != value_digest({"a": 2})


def test_the_digest_of_files_does_not_follow_their_order_place_or_compiled_files(folder: Path) -> None:
    paths = [folder / "a", folder / "b.txt"]
    digest = files_digest(paths, root=folder)
    (folder / "a" / "one.pyc").write_bytes(b"compiled")
    assert (
        files_digest([*reversed(paths), folder / "a" / "one.py", folder / "missing"], root=folder) == digest
    )
    moved = folder.rename(folder.with_name("moved"))
    assert files_digest([moved / "a", moved / "b.txt"], root=moved) == digest
    assert files_digest([moved / "a", moved / "b.txt"]) != digest


@pytest.mark.parametrize("change", ["content", "name", "more", "less"])
def test_the_digest_of_files_follows_each_name_and_content(folder: Path, change: str) -> None:
    before = files_digest([folder])
    file = folder / "a" / "inner" / "two.py"
    if change == "content":
        file.write_text("other")
    elif change == "name":
        file.rename(file.with_name("three.py"))
    elif change == "more":
        file.with_name("three.py").touch()
    else:
        file.unlink()
    assert files_digest([folder]) != before

"""Paths that cannot be files are told from those that are, without an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schematic_reader.io.outside_paths import files_below, is_file, real_path, shown_name


@pytest.mark.parametrize(
    "name",
    ["loop", "gone", "to-gone", "folder", "", "a\0b", "a\ud800b", "a" * 300],
    ids=["circle", "missing", "link to nothing", "folder", "itself", "NUL", "half a pair", "too long"],
)
def test_what_is_no_file_is_none_and_has_a_real_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "to-gone").symlink_to("gone")
    (tmp_path / "folder").mkdir()
    assert not is_file(tmp_path / name)
    assert real_path(tmp_path / name).is_relative_to(tmp_path)


def test_a_real_path_follows_links(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").touch()
    (tmp_path / "link").symlink_to("folder")
    assert real_path(tmp_path / "link" / ".." / "folder" / "a") == tmp_path / "folder" / "a"
    assert is_file(tmp_path / "link" / "a")


def test_a_name_that_is_no_utf_8_is_shown() -> None:
    assert shown_name(Path(os.fsdecode(b"Gr\xf6\xdfe.png"))) == "Gr\ufffd\ufffde.png"
    assert shown_name("Größe.png") == "Größe.png"
    with pytest.raises(ValueError, match="surrogates"):
        shown_name("\ud800")


def test_files_in_folders_in_a_folder(tmp_path: Path) -> None:
    for name in ("a", ".b", "in/c", ".in/d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "in" / "again").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    locked: list[OSError] = []
    found = sorted(path.relative_to(tmp_path).as_posix() for path in files_below(tmp_path, locked))
    assert (found, locked) == (["a", "gone", "in/c"], [])
    assert list(files_below(tmp_path / "nowhere", locked)) == [] and len(locked) == 1

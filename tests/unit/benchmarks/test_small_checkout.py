"""What benchmarks that disturb stages take for granted: their settings, files of DVC's that they mend."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from benchmarks.common.small_checkout import STAGES, digests, handful, mended, remove
from schematic_reader.config import load_params
from tests.support.paths import ROOT


def test_a_handful_of_sheets_is_a_valid_setting(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(handful(yaml.safe_load((ROOT / "params.yaml").read_text()))))
    profile = load_params(path).active
    assert profile.data.rows == 120
    assert profile.train.checkpoint_steps == 2


def test_every_stage_is_killed() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert set(STAGES) == set(stages)


LOCK = b"schema: '2.0'\nstages: {fetch: {cmd: a}}\n"


@pytest.mark.parametrize(
    ("rwlock", "recorded", "cut"),
    [
        (None, LOCK, False),
        (b"{}", LOCK, False),
        (b"", LOCK, True),
        (b'{"a": ', LOCK, True),
        (None, LOCK[:30], True),
        (None, b"", True),
    ],
)
def test_files_that_dvc_left_cut_are_mended(
    tmp_path: Path, rwlock: bytes | None, recorded: bytes, cut: bool
) -> None:
    lock = tmp_path / ".dvc" / "tmp" / "rwlock"
    lock.parent.mkdir(parents=True)
    if rwlock is not None:
        lock.write_bytes(rwlock)
    (tmp_path / "dvc.lock").write_bytes(recorded)
    assert mended(tmp_path, LOCK) is cut
    assert (tmp_path / "dvc.lock").read_bytes() == LOCK
    assert lock.is_file() is (rwlock == b"{}")


def test_files_below_paths_are_told_by_their_content_and_removed(tmp_path: Path) -> None:
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "a").write_bytes(b"")
    (tmp_path / "b").write_bytes(b"a")
    paths = ["data", "b", "missing"]
    assert digests(tmp_path, paths) == {
        "data/raw/a": "d41d8cd98f00b204e9800998ecf8427e",  # RFC 1321, A.5
        "b": "0cc175b9c0f1b6a831c399e269772661",
    }
    remove(tmp_path, paths)
    assert list(tmp_path.iterdir()) == []

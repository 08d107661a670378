"""Checksums beside what another run relies on: damage of every kind is noticed, and set aside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schematic_reader.io.checked import (
    damaged_file,
    digests,
    matches_sidecar,
    read_checked_json,
    remove_sidecars,
    set_aside,
    write_checked_json,
    write_sidecar,
)

VALUE: dict[str, Any] = {"losses": [[1, 0.1 + 0.2]], "name": "Ω", "steps": {"10": (1, 2)}}


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    write_checked_json(tmp_path / "a.json", VALUE)
    assert read_checked_json(tmp_path / "a.json") == VALUE | {"steps": {"10": [1, 2]}}
    assert read_checked_json(tmp_path / "b.json") is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"[" * 10**5, b"\xff\x00", b'{"value": 1}'])
def test_other_content_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert read_checked_json(tmp_path / "a.json") is None


def test_a_cut_at_any_byte_and_a_flip_of_any_bit_of_the_value_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_checked_json(path, VALUE)
    whole = path.read_bytes()
    for size in range(len(whole) - 2):  # the last byte ends the line, the one before closes the object
        path.write_bytes(whole[:size])
        assert read_checked_json(path) is None
    value = json.loads(whole)["value"]
    for index in range(len(whole)):
        path.write_bytes(whole[:index] + bytes([whole[index] ^ 1]) + whole[index + 1 :])
        assert read_checked_json(path) in (None, value)  # a blank between tokens may be another one


def test_a_file_that_is_not_as_it_was_is_named(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    expected = digests(tmp_path.iterdir())
    assert damaged_file(tmp_path, expected) is None
    (tmp_path / "b").write_text("B")
    assert damaged_file(tmp_path, expected) == "b"
    (tmp_path / "a").unlink()
    assert damaged_file(tmp_path, expected) == "a"


def test_a_sidecar_tells_whether_its_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "shard"
    assert not matches_sidecar(path)
    path.write_bytes(b"rows")
    assert not matches_sidecar(path)
    write_sidecar(path)
    assert matches_sidecar(path)
    path.write_bytes(b"row")
    assert not matches_sidecar(path)
    remove_sidecars(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["shard"]


def test_what_is_set_aside_makes_room_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for content in ("one", "two"):
        (tmp_path / "checkpoint").mkdir()
        (tmp_path / "checkpoint" / "file").write_text(content)
        set_aside(tmp_path / "checkpoint", "training restarts")
    assert [path.name for path in tmp_path.iterdir()] == ["damaged-checkpoint"]
    assert (tmp_path / "damaged-checkpoint" / "file").read_text() == "two"
    line = f"{tmp_path / 'checkpoint'} is damaged and set aside as damaged-checkpoint: training restarts"
    assert caplog.messages == [line, line]

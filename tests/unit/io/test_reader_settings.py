"""What an adapter was trained for stands in its folder, and damage to it is a line."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schematic_reader.cli import UserError
from schematic_reader.config import ImageLimits, load_params
from schematic_reader.io.reader_settings import READER_SETTINGS, ReaderSettings, weights_digest
from tests.support.paths import ROOT

SETTINGS = ReaderSettings("json", "compact", False, ImageLimits(768, 400000, 12), None, 812, "ab" * 32)


@pytest.mark.parametrize("settings", [SETTINGS, replace(SETTINGS, canvas=(640, 448), base_weights=None)])
def test_they_are_read_as_they_were_written(tmp_path: Path, settings: ReaderSettings) -> None:
    settings.write(tmp_path)
    first = (tmp_path / READER_SETTINGS).read_bytes()
    assert ReaderSettings.read(tmp_path) == settings
    settings.write(tmp_path)
    assert (tmp_path / READER_SETTINGS).read_bytes() == first


def test_a_folder_of_another_trainer_has_none(tmp_path: Path) -> None:
    assert ReaderSettings.read(tmp_path) is None


@pytest.mark.parametrize(
    "edit",
    [
        {"task": "poem"}, {"task": ["json"]}, {"form": "long"}, {"with_name": 1}, {"base_weights": 5},
        {"answer_tokens": 0}, {"answer_tokens": "9"}, {"image": {"max_side": True, "max_pixels": 1}},
        {"image": {"max_side": 5}}, {"image": None}, {"canvas": [640]}, {"canvas": [640, -1]}, {"canvas": 7},
    ],
)  # fmt: skip
def test_a_value_that_is_not_allowed(tmp_path: Path, edit: dict[str, Any]) -> None:
    SETTINGS.write(tmp_path)
    path = tmp_path / READER_SETTINGS
    path.write_text(json.dumps(json.loads(path.read_text()) | edit))
    with pytest.raises(UserError, match=r"reader\.json is damaged: get the adapter anew \(.+\)$"):
        ReaderSettings.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"task": "json"}', "[" * 100000, "\xff"])
def test_a_file_that_holds_something_else(tmp_path: Path, text: str) -> None:
    (tmp_path / READER_SETTINGS).write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="is damaged") as raised:
        ReaderSettings.read(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_run_s_settings_are_those_of_its_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = load_params(ROOT / "params.yaml")
    own = ReaderSettings.of(params, answer_tokens=9)
    assert (own.task, own.form, own.with_name) == (params.task, params.messages.form, True)
    assert (own.image, own.canvas, own.answer_tokens) == (params.active.image, (640, 448), 9)
    assert own.base_weights is None  # no such folder here: an id on the Hub
    real = ReaderSettings.of(replace(params, profile="open-schematics"), answer_tokens=9)
    assert (real.image.max_side, real.canvas) == (1024, None)


def test_the_digest_is_of_the_weights_alone_wherever_they_lie(tmp_path: Path) -> None:
    folders = (tmp_path / "a", tmp_path / "b")
    for folder in folders:
        folder.mkdir()
        (folder / "1.safetensors").write_bytes(b"one")
        (folder / "2.safetensors").write_bytes(b"two")
    (folders[0] / "README.md").write_text("a word")
    (folders[1] / "config.json").write_text("{}")
    listed = [
        [f"{n}.safetensors", hashlib.sha256(word).hexdigest()] for n, word in ((1, b"one"), (2, b"two"))
    ]
    expected = hashlib.sha256(json.dumps(listed).encode()).hexdigest()
    assert weights_digest(folders[0]) == weights_digest(folders[1]) == expected
    (folders[1] / "2.safetensors").write_bytes(b"twO")
    assert weights_digest(folders[1]) != expected


def test_the_form_is_told_where_it_changes_messages_alone() -> None:
    """What does not change them runs no training anew, which would leave another file than a first run."""
    params = load_params(ROOT / "params.yaml")
    params = replace(params, messages=replace(params.messages, form="verbatim"))
    for task, form in (("components", "compact"), ("json", "verbatim")):
        chosen = replace(params, task=task)
        assert ReaderSettings.of(chosen, answer_tokens=9).form == form

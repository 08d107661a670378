"""The Hub as a source, against a server on loopback: only what is needed is read, refusals name the fix."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_server import Hub, running_hub
from raw_rows import raw_row

from stages.config import Data
from stages.fetch import fetch
from stages.store.errors import UserError
from stages.store.raw import raw_shards
from stages.store.tables import RAW, iterate_rows

REPOSITORY = "someone/schematics"
REVISION = "5c74c3648d22e73426bbeb4691397d9cc8053e34"
DATA = Data("hub", None, REPOSITORY, REVISION, None, None, None, None)
ROWS = [raw_row(number) for number in range(9)]
BOARDS = 200_000
"""Bytes of circuit boards in each row, which nobody needs."""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files of three rows under today's names, most of whose bytes are circuit boards."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "data").mkdir()
    (folder / "README.md").write_text("no parquet")
    rng = random.Random(0)
    today = {"image": "schematic_image", "json": "schematic_json", "yaml": "schematic_yaml"}
    for number in range(3):
        table = pa.Table.from_pylist(ROWS[3 * number : 3 * number + 3], schema=RAW)
        table = table.rename_columns([today.get(name, name) for name in table.column_names])
        boards = pa.array([rng.randbytes(BOARDS) for _ in range(3)])
        table = table.add_column(2, "pcb_files", boards).append_column("pcb_images", boards)
        pq.write_table(table, folder / "data" / f"train-{number}.parquet", row_group_size=2)
    return folder


@pytest.fixture
def hub(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with running_hub(repository, REPOSITORY, REVISION) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return list(iterate_rows(raw_shards(folder)))


def test_the_needed_columns_are_read_and_little_else(hub: Hub, tmp_path: Path) -> None:
    manifest = fetch(DATA, 42, tmp_path / "raw")
    assert rows_of(tmp_path / "raw") == ROWS
    assert [shard["origin"] for shard in manifest["shards"]] == [f"data/train-{n}.parquet" for n in range(3)]
    assert manifest["columns"]["image"] == "schematic_image"
    assert (manifest["source"], manifest["id"], manifest["revision"]) == ("hub", REPOSITORY, REVISION)
    size = sum(path.stat().st_size for path in (hub.folder / "data").iterdir())
    assert size > 18 * BOARDS
    assert 0 < sum(hub.sent.values()) < size / 10


def test_the_most_rows_are_read_from_no_more_files_than_it_takes(hub: Hub, tmp_path: Path) -> None:
    manifest = fetch(replace(DATA, rows=4), 42, tmp_path / "raw")
    assert rows_of(tmp_path / "raw") == ROWS[:4]
    assert manifest["rows"] == 4
    assert set(hub.sent) == {"data/train-0.parquet", "data/train-1.parquet"}


def test_an_interrupted_download_goes_on_with_the_missing_shards(hub: Hub, tmp_path: Path) -> None:
    hub.refuse["data/train-2.parquet"] = (403, "", 1)
    with pytest.raises(UserError, match="403"):
        fetch(DATA, 42, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()
    sent = dict(hub.sent)
    fetch(DATA, 42, tmp_path / "raw")
    assert rows_of(tmp_path / "raw") == ROWS
    assert hub.sent["data/train-1.parquet"] == sent["data/train-1.parquet"]
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    fetch(DATA, 42, tmp_path / "whole")
    for path in raw_shards(tmp_path / "whole"):
        assert path.read_bytes() == (tmp_path / "raw" / path.name).read_bytes()


def test_shards_of_another_request_are_not_taken_over(hub: Hub, tmp_path: Path) -> None:
    hub.refuse["data/train-1.parquet"] = (403, "", 1)
    with pytest.raises(UserError, match="403"):
        fetch(replace(DATA, rows=8), 42, tmp_path / "raw")
    before = hub.requests["data/train-0.parquet"]
    fetch(replace(DATA, rows=7), 42, tmp_path / "raw")
    assert hub.requests["data/train-0.parquet"] >= before + 2
    assert rows_of(tmp_path / "raw") == ROWS[:7]


@pytest.mark.parametrize("status", [503, 0])
def test_a_passing_fault_is_tried_again(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.refuse["data/train-1.parquet"] = (status, "", 1)
    fetch(DATA, 42, tmp_path / "raw")
    assert rows_of(tmp_path / "raw") == ROWS


@pytest.mark.parametrize(
    ("where", "status", "code", "message"),
    [
        (
            "info",
            401,
            "RepoNotFound",
            r"does not exist or is private \(HF_TOKEN is not set\): check .*data\.id",
        ),
        ("info", 404, "RepoNotFound", r"does not exist or is private .*set HF_TOKEN"),
        ("info", 404, "RevisionNotFound", rf"has no commit {REVISION}: check profiles\.\*\.data\.revision"),
        ("info", 403, "GatedRepo", "is gated .*accept its terms on its page and set HF_TOKEN"),
        ("info", 403, "", r"refuses someone/schematics \(403, HF_TOKEN is not set\): set HF_TOKEN"),
        ("info", 429, "", r"limits the rate of requests \(429"),
        ("info", 500, "", "answers 500 .*later"),
        ("data/train-1.parquet", 401, "", r"refuses someone/schematics \(401"),
        ("data/train-1.parquet", 404, "EntryNotFound", "answers 404"),
    ],
)
def test_a_refusal_is_one_line_that_names_the_fix(
    hub: Hub, tmp_path: Path, where: str, status: int, code: str, message: str
) -> None:
    hub.refuse[where] = (status, code, 99)
    with pytest.raises(UserError, match=message):
        fetch(DATA, 42, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_a_private_data_set_is_read_with_the_token_of_the_environment(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"
    with pytest.raises(UserError, match="HF_TOKEN is not set"):
        fetch(DATA, 42, tmp_path / "raw")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(UserError, match="HF_TOKEN is set"):
        fetch(DATA, 42, tmp_path / "raw")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch(DATA, 42, tmp_path / "raw")
    assert rows_of(tmp_path / "raw") == ROWS
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"hf_secret" not in written


def test_a_token_that_a_login_left_behind_is_not_used(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"
    (tmp_path / "token").write_text("hf_secret")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(UserError, match="HF_TOKEN is not set"):
        fetch(DATA, 42, tmp_path / "raw")


def test_another_commit_or_data_set_is_not_found(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no commit .*data\.revision"):
        fetch(replace(DATA, revision="0" * 40), 42, tmp_path / "raw")
    with pytest.raises(UserError, match=r"someone/else does not exist .*data\.id"):
        fetch(replace(DATA, id="someone/else"), 42, tmp_path / "raw")
    with pytest.raises(UserError, match=r"data\.id is 'a/b/c': it must be a data set such as owner/name"):
        fetch(replace(DATA, id="a/b/c"), 42, tmp_path / "raw")


def test_a_hub_that_cannot_be_reached_names_the_network(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:  # bound and not listening
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(UserError, match="cannot be reached .*check the network and HF_ENDPOINT"):
            fetch(DATA, 42, tmp_path / "raw")


def test_offline_mode_is_named(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        fetch(DATA, 42, tmp_path / "raw")


@pytest.mark.parametrize("kind", ["no parquet", "other columns", "damaged"])
def test_a_data_set_of_another_kind_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "README.md").write_text("text")
    if kind == "other columns":
        pq.write_table(pa.table({"text": ["a"]}), folder / "a.parquet")
    if kind == "damaged":
        (folder / "a.parquet").write_bytes(b"PAR1 and no footer" * 10)
    message = {
        "no parquet": "holds no parquet at 5c74",
        "other columns": r"someone/schematics/a\.parquet has no column schematic, only text",
        "damaged": r"a parquet file of someone/schematics at 5c74\w+ cannot be read",
    }[kind]
    with running_hub(folder, REPOSITORY, REVISION) as hub, pytest.raises(UserError, match=message):
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        fetch(DATA, 42, tmp_path / "raw")

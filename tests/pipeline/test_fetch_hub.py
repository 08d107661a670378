"""The Hub as a source, against a server on loopback: only what is needed is read, refusals name the fix."""

from __future__ import annotations

import random
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from schematic_reader.cli import UserError
from schematic_reader.config import Data
from schematic_reader.io.checked import digests
from schematic_reader.io.manifest import raw_shards
from schematic_reader.io.tables import RAW, iterate_rows
from schematic_reader.sources.fetch import fetch
from schematic_reader.sources.plan import describe_plan, open_source
from tests.support.hub_server import Hub, running_hub
from tests.support.paths import ROOT
from tests.support.raw_rows import raw_row

REPOSITORY = "someone/schematics"
REVISION = "5c74c3648d22e73426bbeb4691397d9cc8053e34"
DATA = Data("hub", None, REPOSITORY, REVISION, None, None, None, None)
ROWS = [raw_row(number) for number in range(9)]
WAITED: list[float] = []
"""Seconds that the client would have waited between its tries."""
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
    monkeypatch.setattr("time.sleep", WAITED.append)
    WAITED.clear()
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
    assert (manifest["commit"], manifest["licence"]) == (REVISION, "cc-by-4.0")


def test_the_most_rows_are_read_from_no_more_files_than_it_takes(hub: Hub, tmp_path: Path) -> None:
    manifest = fetch(replace(DATA, rows=4), 42, tmp_path / "raw")
    assert rows_of(tmp_path / "raw") == ROWS[:4]
    assert manifest["rows"] == 4
    assert set(hub.sent) == {"data/train-0.parquet", "data/train-1.parquet"}


def test_an_interrupted_download_resumes_with_the_missing_shards(hub: Hub, tmp_path: Path) -> None:
    hub.refuse["data/train-2.parquet"] = (403, "", 1)
    hub.spare["data/train-2.parquet"] = 1  # the plan's look at the footer
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


@pytest.mark.parametrize("name", ["shard-00000.parquet", ".shard-00000.parquet.sha256", ".plan.json"])
@pytest.mark.parametrize("damage", ["empty", "cut", "flipped"])
def test_a_damaged_part_of_a_download_is_read_again(
    hub: Hub, tmp_path: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub.refuse["data/train-2.parquet"] = (403, "", 1)
    hub.spare["data/train-2.parquet"] = 1
    with pytest.raises(UserError, match="403"):
        fetch(DATA, 42, tmp_path / "raw")
    path = tmp_path / ".raw.part" / name
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    path.write_bytes({"empty": b"", "cut": whole[:middle], "flipped": flipped}[damage])
    fetch(DATA, 42, tmp_path / "raw")
    assert rows_of(tmp_path / "raw") == ROWS
    assert ["shard-00000.parquet: damaged" in text for text in caplog.messages].count(True) == (
        name != ".plan.json"
    )
    fetch(DATA, 42, tmp_path / "whole")
    assert {path.name for path in (tmp_path / "raw").iterdir()} == {
        path.name for path in (tmp_path / "whole").iterdir()
    }
    assert digests((tmp_path / "raw").iterdir()) == digests((tmp_path / "whole").iterdir())


def test_synthetic_sheets_of_an_interrupted_run_are_drawn_anew(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is downloaded is kept; what is drawn may be another seed's."""
    data = replace(DATA, synthetic=2)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("schematic_reader.sources.fetch.write_manifest", Mock(side_effect=KeyboardInterrupt))
        fetch(data, 42, tmp_path / "raw")
    sent = dict(hub.sent)
    fetch(data, 43, tmp_path / "raw")
    assert all(count - sent[name] <= 16 * 1024 for name, count in hub.sent.items())  # footers alone
    fetch(replace(data, rows=9), 43, tmp_path / "other")
    assert rows_of(tmp_path / "raw") == rows_of(tmp_path / "other")
    assert len(rows_of(tmp_path / "raw")) == 11


def test_shards_of_another_request_are_not_taken_over(hub: Hub, tmp_path: Path) -> None:
    hub.refuse["data/train-1.parquet"] = (403, "", 1)
    hub.spare["data/train-1.parquet"] = 1
    with pytest.raises(UserError, match="403"):
        fetch(replace(DATA, rows=8), 42, tmp_path / "raw")
    before = hub.requests["data/train-0.parquet"]
    fetch(replace(DATA, rows=7), 42, tmp_path / "raw")
    assert hub.requests["data/train-0.parquet"] >= before + 2
    assert rows_of(tmp_path / "raw") == ROWS[:7]


@pytest.mark.parametrize("fault", [503, 429, 0, "cut"])
@pytest.mark.parametrize("where", ["info", "data/train-1.parquet"])
def test_a_passing_fault_is_tried_again(hub: Hub, tmp_path: Path, fault: int | str, where: str) -> None:
    if isinstance(fault, int):
        hub.refuse[where] = (fault, "", 3)
    else:
        hub.spoil["data/train-1.parquet"] = (fault, 3)
    fetch(DATA, 42, tmp_path / "raw")
    assert rows_of(tmp_path / "raw") == ROWS
    # The hub says Retry-After: 7, which is kept with a second to spare.
    assert ([8, 8, 8] if fault == 429 else [1, 2, 4]) == WAITED


@pytest.mark.parametrize(("kind", "sent"), [("cut", 100_000), ("short", 100_000), ("whole", 10**7)])
def test_a_file_that_stays_spoiled_stops_the_download(hub: Hub, tmp_path: Path, kind: str, sent: int) -> None:
    hub.spoil["data/train-1.parquet"] = (kind, 99)
    message = "cannot be reached" if kind == "cut" else r"serves someone/schematics .* wrongly \(data/train-1"
    with pytest.raises(UserError, match=message):
        fetch(DATA, 42, tmp_path / "raw")
    # A connection that breaks may recover; a server that sends other bytes than asked for will not.
    assert ([1, 2, 4, 8, 16, 32] if kind == "cut" else []) == WAITED
    assert not (tmp_path / "raw").exists()
    assert hub.sent["data/train-1.parquet"] < sent


def test_a_shard_under_its_name_is_whole(hub: Hub, tmp_path: Path) -> None:
    """Killed in its last shard, a run leaves the others complete and nothing of that one."""
    fetched = tmp_path / ".raw.part"
    write, calls = pq.ParquetWriter.write_batch, []

    def fails(writer: pq.ParquetWriter, batch: pa.RecordBatch) -> None:
        calls.append(1)
        if len(calls) > 4:
            raise KeyboardInterrupt
        write(writer, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("schematic_reader.sources.hub.PARALLEL", 1)
        patch.setattr(pq.ParquetWriter, "write_batch", fails)
        with pytest.raises(KeyboardInterrupt):
            fetch(DATA, 42, tmp_path / "raw")
    assert [pq.read_metadata(path).num_rows for path in sorted(fetched.glob("*.parquet"))] == [3, 3]
    before = dict(hub.sent)
    fetch(DATA, 42, tmp_path / "raw")
    assert rows_of(tmp_path / "raw") == ROWS
    again = {name: count - before[name] for name, count in hub.sent.items() if count != before[name]}
    assert set(again) == {"data/train-2.parquet"}
    assert sorted(path.name for path in (tmp_path / "raw").iterdir())[0] == "manifest.json"


def run_stage(folder: Path, hub: Hub, code: str) -> subprocess.CompletedProcess[str]:
    """Run ``code``, which imports the fetch stage as ``stage``, in ``folder`` against the hub."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["profile"] = "open-schematics"
    params["profiles"]["open-schematics"]["data"] |= {"id": REPOSITORY, "revision": REVISION}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return subprocess.run(
        [sys.executable, "-c", f"import stages.fetch as stage\n{code}"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )


STOPPED_IN_THE_SECOND_SHARD = """
import os, signal, schematic_reader.sources.hub as hub
from pyarrow.parquet import ParquetWriter
hub.PARALLEL, calls = 1, []
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if the tests run in a shell's background
def write_batch(writer, batch, write=ParquetWriter.write_batch):
    calls.append(write(writer, batch))
    if len(calls) == 3:
        os.kill(os.getpid(), signal.{})
ParquetWriter.write_batch = write_batch
stage.run(stage.main)
"""


@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_after_a_kill_in_mid_shard_only_that_one_is_read_again(hub: Hub, tmp_path: Path, how: str) -> None:
    done = run_stage(tmp_path, hub, STOPPED_IN_THE_SECOND_SHARD.format(how))
    if how == "SIGKILL":
        assert done.returncode == -signal.SIGKILL
    else:
        assert done.returncode == 130
        assert "interrupted: finished work is kept" in done.stderr and "Traceback" not in done.stderr
    left = tmp_path / "data" / ".raw.part"
    assert [path.name for path in left.glob("*.parquet")] == ["shard-00000.parquet"]
    assert [path.name for path in (tmp_path / "data").iterdir()] == [".raw.part"]
    before, asked = dict(hub.sent), dict(hub.requests)
    done = run_stage(tmp_path, hub, "stage.run(stage.main)")
    assert done.returncode == 0, done.stderr
    again = {name: count - before.get(name, 0) for name, count in hub.sent.items()}
    assert (again["data/train-0.parquet"], hub.requests["data/train-0.parquet"]) == (
        0,
        asked["data/train-0.parquet"],
    )
    # Its footer and its columns: what the others take but for the plan, which is kept.
    assert 0 < again["data/train-1.parquet"] < BOARDS
    assert 0 < again["data/train-2.parquet"] < BOARDS
    assert rows_of(tmp_path / "data" / "raw") == ROWS
    assert sorted(path.relative_to(tmp_path / "data").as_posix() for path in tmp_path.glob("data/**/*")) == [
        "raw",
        "raw/manifest.json",
        *(f"raw/shard-0000{number}.parquet" for number in range(3)),
    ]


@pytest.mark.parametrize("kind", ["truncated", "foreign", "no footer"])
def test_a_bad_file_among_the_shards_is_named(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = tmp_path / "repository"
    shutil.copytree(repository, folder)
    path = folder / "data" / "train-1.parquet"
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    elif kind == "foreign":
        pq.write_table(pa.table({"text": ["a"]}), path)
    else:
        path.write_bytes(b"")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with running_hub(folder, REPOSITORY, REVISION) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        with pytest.raises(UserError, match=r"data/train-1\.parquet (of|has no column schematic)"):
            fetch(DATA, 42, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_a_revision_that_moves_is_refused_with_the_commit_to_write(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"revision is 'main', which may move: .* {REVISION}"):
        fetch(replace(DATA, revision="main"), 42, tmp_path / "raw")
    assert not hub.sent


def test_some_shards_alone_are_read(hub: Hub, tmp_path: Path) -> None:
    fetch(replace(DATA, shards=2), 42, tmp_path / "raw")
    assert rows_of(tmp_path / "raw") == ROWS[:6]
    assert set(hub.sent) == {"data/train-0.parquet", "data/train-1.parquet"}


def test_the_plan_reads_nothing_but_footers(hub: Hub) -> None:
    needed, whole = 0, 0
    for path in sorted((hub.folder / "data").iterdir()):
        metadata = pq.read_metadata(path)
        whole += path.stat().st_size
        for group in range(metadata.num_row_groups):
            for column in range(metadata.num_columns):
                chunk = metadata.row_group(group).column(column)
                needed += 0 if chunk.path_in_schema.startswith("pcb") else chunk.total_compressed_size
    plan = describe_plan(open_source(DATA, 42, None), None)
    assert plan == (
        f"plan: 3 of 3 files, 9 rows, {needed} bytes of the needed columns of {whole} bytes in all "
        f"({needed / whole:.1%})"
    )
    assert sum(hub.sent.values()) <= 3 * 16 * 1024
    part = describe_plan(open_source(replace(DATA, rows=4), 42, None), 4)
    assert part.startswith("plan: 2 of 3 files, 4 rows, ")


def test_at_most_a_little_more_than_the_needed_columns_crosses_the_wire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    folder = tmp_path / "repository"
    folder.mkdir()
    rng = random.Random(1)
    rows = [raw_row(number, image=rng.randbytes(60_000)) for number in range(40)]
    table = pa.Table.from_pylist(rows, schema=RAW).append_column("pcb", pa.array([rng.randbytes(10**5)] * 40))
    pq.write_table(table, folder / "a.parquet", row_group_size=20)
    with running_hub(folder, REPOSITORY, REVISION) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        needed = open_source(DATA, 42, None).shards[0].needed
        hub.sent.clear()
        fetch(DATA, 42, tmp_path / "raw")
        assert needed <= hub.sent["a.parquet"] <= 1.15 * needed


def test_a_disk_that_is_too_small_is_seen_before_the_download(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(
        "schematic_reader.sources.fetch.shutil.disk_usage", lambda folder: usage._replace(free=2000)
    )
    with pytest.raises(UserError, match=r"has 2000 bytes free and some \d+ are needed: free disk space"):
        fetch(DATA, 42, tmp_path / "raw")
    assert sum(hub.sent.values()) <= 3 * 16 * 1024


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
        ("data/train-1.parquet", 401, "", r"refuses .*train-1\.parquet \(401, .*http\S+/datasets/"),
        ("data/train-1.parquet", 404, "EntryNotFound", rf"answers 404 for {REPOSITORY}/\S+ at {REVISION}"),
    ],
)
def test_a_refusal_is_one_line_that_names_the_fix(
    hub: Hub, tmp_path: Path, where: str, status: int, code: str, message: str
) -> None:
    hub.refuse[where] = (status, code, 99)
    with pytest.raises(UserError, match=message):
        fetch(DATA, 42, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()
    assert len(WAITED) == (6 if status in (429, 500) else 0)  # other refusals are not retried


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
        "damaged": r"a\.parquet of someone/schematics at 5c74\w+ is no readable parquet file",
    }[kind]
    with running_hub(folder, REPOSITORY, REVISION) as hub, pytest.raises(UserError, match=message):
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        fetch(DATA, 42, tmp_path / "raw")

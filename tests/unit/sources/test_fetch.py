"""The fetch stage: one raw layout from every source, the manifest last."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from tqdm import tqdm

from schematic_reader.cli import UserError
from schematic_reader.config import Data, load_params
from schematic_reader.io.data_paths import paths_state
from schematic_reader.io.manifest import changed_source, raw_shards
from schematic_reader.io.tables import RAW, iterate_rows, write_rows
from schematic_reader.sources.fetch import fetch, first_rows, preview
from schematic_reader.sources.plan import SHEET_SIZE, describe_plan, open_source
from schematic_reader.sources.shards import Shard, Source
from tests.support.paths import ROOT
from tests.support.raw_rows import raw_row

ROWS = [raw_row(number) for number in range(90)]


@pytest.fixture
def local(tmp_path: Path) -> Data:
    """A local source of 90 rows in two files."""
    folder = tmp_path / "source"
    folder.mkdir()
    table = pa.Table.from_pylist(ROWS, schema=RAW)
    pq.write_table(table.slice(0, 50), folder / "a.parquet")
    pq.write_table(table.slice(50), folder / "b.parquet")
    return Data("local", str(folder), None, None, None, None, None, None)


def test_the_manifest_describes_the_shards(local: Data, tmp_path: Path) -> None:
    manifest = fetch(local, 42, tmp_path / "raw")
    assert json.loads((tmp_path / "raw" / "manifest.json").read_text()) == manifest
    paths = [tmp_path / "raw" / shard["file"] for shard in manifest["shards"]]
    assert manifest == {
        "source": "local",
        "id": None,
        "revision": None,
        "commit": None,
        "licence": None,
        "columns": {name: name for name in RAW.names},
        "path": local.path,
        "state": paths_state(local.paths),
        "rows": 90,
        "synthetic": 0,
        "shards": [
            {
                "file": path.name,
                "origin": origin,
                "rows": rows,
                "bytes": len(path.read_bytes()),
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path, origin, rows in zip(paths, ["a.parquet", "b.parquet"], [50, 40], strict=True)
        ],
    }
    assert raw_shards(tmp_path / "raw") == paths
    assert list(iterate_rows(paths)) == ROWS
    assert all(pq.read_schema(path).equals(RAW) for path in paths)
    assert pq.read_metadata(paths[0]).row_group(0).num_rows == 32


def test_a_changed_folder_is_noticed(local: Data, tmp_path: Path) -> None:
    fetch(local, 42, tmp_path / "raw")
    assert changed_source(tmp_path / "raw") is None
    (Path(str(local.path)) / "new.png").write_bytes(b"x")
    line = changed_source(tmp_path / "raw")
    assert line == (
        f"{local.path} has changed since its rows were fetched: run `dvc repro --force fetch` to read it anew"
    )
    shutil.rmtree(str(local.path))  # as on the machine of somebody who pulled the rows
    assert changed_source(tmp_path / "raw") is None


TEST_ROWS = [raw_row(number) for number in range(100, 140)]


@pytest.fixture
def fixed(local: Data, tmp_path: Path) -> Data:
    """The local source with a fixed test set of 40 rows in two files."""
    table = pa.Table.from_pylist(TEST_ROWS, schema=RAW)
    pq.write_table(table.slice(0, 10), tmp_path / "evaluation-0.parquet")
    pq.write_table(table.slice(10), tmp_path / "evaluation-1.parquet")
    return replace(local, test_path=str(tmp_path / "evaluation-*.parquet"))


def test_a_fixed_test_set_is_shards_of_its_own_behind_those_of_the_source(
    fixed: Data, tmp_path: Path
) -> None:
    without = fetch(replace(fixed, rows=60, test_path=None), 42, tmp_path / "without")
    manifest = fetch(replace(fixed, rows=60), 42, tmp_path / "raw")
    assert [shard["file"] for shard in manifest["shards"]] == [
        "shard-00000.parquet",
        "shard-00001.parquet",
        "test-00000.parquet",
        "test-00001.parquet",
    ]
    assert manifest["shards"][:2] == without["shards"]
    assert [shard["origin"] for shard in manifest["shards"][2:]] == [
        "evaluation-0.parquet",
        "evaluation-1.parquet",
    ]
    assert manifest["test_state"] == paths_state(fixed.test_paths)
    told = {"test_path": fixed.test_path, "fixed_test": 40, "rows": 100}
    assert {name: manifest[name] for name in told} == told
    assert set(manifest) - set(without) == {"test_path", "test_state", "fixed_test"}
    assert list(iterate_rows(raw_shards(tmp_path / "raw")[2:])) == TEST_ROWS


def test_a_generated_source_may_have_a_fixed_test_set(fixed: Data, tmp_path: Path) -> None:
    sample = replace(load_params(ROOT / "params.yaml").profiles["sample"].data, rows=6, synthetic=2)
    without = fetch(sample, 42, tmp_path / "without")
    manifest = fetch(replace(sample, test_path=fixed.test_path), 42, tmp_path / "raw")
    assert (manifest["rows"], manifest["fixed_test"], manifest["synthetic"]) == (48, 40, 2)
    names = [path.name[:5] for path in raw_shards(tmp_path / "raw")]
    assert names == ["shard", "test-", "test-", "synth"]
    assert [manifest["shards"][0], manifest["shards"][-1]] == without["shards"]


def test_a_changed_test_set_is_noticed(fixed: Data, tmp_path: Path) -> None:
    fetch(fixed, 42, tmp_path / "raw")
    assert changed_source(tmp_path / "raw") is None
    (tmp_path / "evaluation-2.parquet").write_bytes(b"x")
    assert str(changed_source(tmp_path / "raw")).startswith(f"{fixed.test_path} has changed since its rows")


def test_a_test_set_that_cannot_be_read_is_one_line_before_anything_is_written(
    fixed: Data, tmp_path: Path
) -> None:
    table = pa.Table.from_pylist(TEST_ROWS, schema=RAW)
    for name, bad in (("empty", table.slice(0, 0)), ("columns", table.drop_columns(["json"]))):
        (tmp_path / name).mkdir()
        pq.write_table(bad, tmp_path / name / "a.parquet")
    (tmp_path / "nothing").mkdir()
    for name, line in {
        "gone": r"^profiles\.\*\.data\.test_path is .*gone, which is no folder, no file and no pattern",
        "nothing": r"nothing holds no \*\.parquet: .*profiles\.\*\.data\.test_path$",
        "empty": r"^profiles\.\*\.data\.test_path is .*empty, which has no row: name",
        "columns": r"a\.parquet has no column json or schematic_json, only ",
    }.items():
        with pytest.raises(UserError, match=line) as caught:
            fetch(replace(fixed, test_path=str(tmp_path / name)), 42, tmp_path / "raw")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "raw").exists()


def test_the_same_rows_give_the_same_bytes_whatever_the_row_groups(local: Data, tmp_path: Path) -> None:
    fetch(local, 42, tmp_path / "one")
    fetch(local, 43, tmp_path / "two")
    for path in raw_shards(tmp_path / "one"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize(("rows", "shards"), [(1, 1), (50, 1), (51, 2), (500, 2)])
def test_at_most_the_rows_asked_for_are_read(local: Data, tmp_path: Path, rows: int, shards: int) -> None:
    manifest = fetch(replace(local, rows=rows), 42, tmp_path / "raw")
    assert (manifest["rows"], len(manifest["shards"])) == (min(rows, 90), shards)
    assert list(iterate_rows(raw_shards(tmp_path / "raw"))) == ROWS[:rows]


def test_a_file_without_rows_between_others_is_passed_over(local: Data, tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([], schema=RAW), tmp_path / "source" / "a-empty.parquet")
    manifest = fetch(local, 42, tmp_path / "raw")
    assert [shard["origin"] for shard in manifest["shards"]] == ["a.parquet", "b.parquet"]
    assert list(iterate_rows(raw_shards(tmp_path / "raw"))) == ROWS
    empty, *others = open_source(local, 42, None).shards
    source = Source([others[0], empty, others[1]], {}, files=3)
    needed = sum(shard.needed for shard in others)
    assert describe_plan(source, None).startswith(f"plan: 2 of 3 files, 90 rows, {needed} bytes")


def test_a_bad_file_leaves_what_was_there(local: Data, tmp_path: Path) -> None:
    fetch(local, 42, tmp_path / "raw")
    before = (tmp_path / "raw" / "manifest.json").read_bytes()
    damaged = bytearray((tmp_path / "source" / "b.parquet").read_bytes())
    damaged[4:3000] = b"\xa5" * 2996
    (tmp_path / "source" / "b.parquet").write_bytes(damaged)
    with pytest.raises(UserError, match=r"(?s)b\.parquet is damaged"):
        fetch(local, 42, tmp_path / "raw")
    assert (tmp_path / "raw" / "manifest.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw", "source"]


def test_the_sample_is_cut_into_shards_and_drawn_by_its_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schematic_reader.sources.plan.DRAWN_SHARD_ROWS", 4)
    data = replace(load_params(ROOT / "params.yaml").profiles["sample"].data, rows=6)
    manifest = fetch(data, 42, tmp_path / "raw")
    assert [shard["rows"] for shard in manifest["shards"]] == [4, 2]
    assert manifest["source"] == "sample"
    digests = [shard["sha256"] for shard in manifest["shards"]]
    assert digests == [shard["sha256"] for shard in fetch(data, 42, tmp_path / "again")["shards"]]
    assert digests != [shard["sha256"] for shard in fetch(data, 43, tmp_path / "other")["shards"]]


@pytest.mark.slow
def test_synthetic_sheets_are_shards_of_their_own(
    local: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schematic_reader.sources.plan.DRAWN_SHARD_ROWS", 2)
    manifest = fetch(replace(local, rows=60, synthetic=5), 42, tmp_path / "raw")
    assert (manifest["rows"], manifest["synthetic"]) == (65, 5)
    paths = raw_shards(tmp_path / "raw")
    names = [f"shard-0000{n}.parquet" for n in range(2)] + [f"synthetic-0000{n}.parquet" for n in range(3)]
    assert [path.name for path in paths] == names
    assert [(shard["origin"], shard["rows"]) for shard in manifest["shards"]] == [
        ("a.parquet", 50),
        ("b.parquet", 10),
        *(("synthetic", rows) for rows in (2, 2, 1)),
    ]
    assert list(iterate_rows(paths[:2])) == ROWS[:60]
    drawn = list(iterate_rows(paths[2:]))
    assert {Image.open(io.BytesIO(row["image"]["bytes"])).size for row in drawn} == {SHEET_SIZE}
    again = replace(local, rows=None, synthetic=3, width=320, height=240)
    for seed, same in ((42, True), (43, False)):
        fetch(again, seed, tmp_path / "again")
        smaller = list(iterate_rows(raw_shards(tmp_path / "again")[2:]))
        assert len(smaller) == 3
        assert {Image.open(io.BytesIO(row["image"]["bytes"])).size for row in smaller} == {(320, 240)}
        assert (smaller[0]["name"] == drawn[0]["name"]) == same


def test_synthetic_sheets_are_not_those_of_the_sample(tmp_path: Path) -> None:
    sample = replace(load_params(ROOT / "params.yaml").profiles["sample"].data, rows=6, synthetic=6)
    assert (sample.width, sample.height) == SHEET_SIZE
    fetch(sample, 42, tmp_path / "raw")
    texts = [row["schematic"] for row in iterate_rows(raw_shards(tmp_path / "raw"))]
    assert len(set(texts)) == 12


def run_stage(folder: Path, data: Data, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run the stage in ``folder`` as a user does, or ``code`` in its place, on the source ``data``."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["profiles"]["sample"]["data"].update(source=data.source, path=data.path, test_path=data.test_path)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    command = ["-c", code] if code else ["-m", "stages.fetch"]
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_what_there_is_and_a_look_at_the_first_row(local: Data, tmp_path: Path) -> None:
    done = run_stage(tmp_path, replace(local, path="source"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "data/raw: 90 rows in 2 shards",
        "first row: 'owner/board-0', type '.kicad_sch'",
        "  picture: 40 x 30 pixels, RGBA",
        "  components: 3, ['R', 'U0', 'GND']",
        f"  characters: schematic {len(ROWS[0]['schematic'])}, json 8, yaml 4, description 0",
    ]


@pytest.mark.parametrize("image", [None, b"", b"no picture"])
def test_a_first_row_of_anything_can_be_looked_at(tmp_path: Path, image: bytes | None) -> None:
    row = raw_row(1, image=image, components_used=[f"R{n}" for n in range(11)], name=None, json=None)
    write_rows(tmp_path / "a.parquet", RAW, [row])
    assert preview(tmp_path / "a.parquet").splitlines()[:3] == [
        "first row: '', type '.kicad_sch'",
        "  picture: none that can be read",
        f"  components: 11, {[f'R{n}' for n in range(10)]} ...",
    ]
    bad = pa.array([b"\xff\x1b[2J"], pa.binary()).view(pa.string())
    table = pa.Table.from_pylist([raw_row(1, components_used=None)], schema=RAW).set_column(5, "name", bad)
    pq.write_table(table, tmp_path / "b.parquet")
    lines = preview(tmp_path / "b.parquet").splitlines()
    assert lines[0] == "first row: '\ufffd\\x1b[2J', type '.kicad_sch'"
    assert lines[2] == "  components: 0, []"


def test_the_plan_is_printed_and_nothing_is_written(local: Data, tmp_path: Path) -> None:
    code = "import sys, stages.fetch as stage\nsys.argv.append('--plan')\nstage.main()\n"
    done = run_stage(tmp_path, replace(local, path="source"), code)
    needed = sum(path.stat().st_size for path in (tmp_path / "source").iterdir())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("plan: 2 of 2 files, 90 rows, ")
    assert f"columns of {needed} bytes in all" in done.stdout
    assert not (tmp_path / "data").exists()


def test_the_command_and_its_plan_tell_of_a_fixed_test_set(fixed: Data, tmp_path: Path) -> None:
    code = "import sys, stages.fetch as stage\nsys.argv.append('--plan')\nstage.main()\n"
    _, line = run_stage(tmp_path, fixed, code).stdout.splitlines()
    assert line.startswith("test set: 2 of 2 files, 40 rows, ")
    first = run_stage(tmp_path, fixed).stdout.splitlines()[0]
    assert first == "data/raw: 130 rows in 4 shards, 40 of them the fixed test set"


@pytest.mark.slow
def test_the_plan_tells_of_a_folder_that_changed(local: Data, tmp_path: Path) -> None:
    code = "import sys, stages.fetch as stage\nsys.argv.append('--plan')\nstage.main()\n"
    fetch(local, 42, tmp_path / "data" / "raw")
    assert "has changed" not in run_stage(tmp_path, local, code).stdout
    (Path(str(local.path)) / "new.png").write_bytes(b"x")
    _, line = run_stage(tmp_path, local, code).stdout.splitlines()
    assert line.endswith(
        "has changed since its rows were fetched: run `dvc repro --force fetch` to read it anew"
    )


def test_the_command_without_its_folder_is_one_line(local: Data, tmp_path: Path) -> None:
    done = run_stage(tmp_path, replace(local, path="none"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: profiles.*.data.path is none, which is no folder")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "data" / "raw").exists()


def test_a_stage_that_is_killed_leaves_no_manifest_and_can_be_run_again(local: Data, tmp_path: Path) -> None:
    code = (
        "import os, signal, schematic_reader.sources.fetch as room, stages.fetch as stage\n"
        "write, calls = room.write_batches, []\n"
        "def killed(*arguments):\n"
        "    calls.append(1)\n"
        "    return write(*arguments) if len(calls) < 2 else os.kill(os.getpid(), signal.SIGKILL)\n"
        "room.write_batches = killed\n"
        "stage.main()\n"
    )
    assert run_stage(tmp_path, local, code).returncode == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "data").rglob("*.parquet")] == ["shard-00000.parquet"]
    assert not list((tmp_path / "data").rglob("manifest.json"))
    assert not (tmp_path / "data" / "raw").exists()
    assert run_stage(tmp_path, local).returncode == 0
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["raw"]
    assert list(iterate_rows(raw_shards(tmp_path / "data" / "raw"))) == ROWS


@pytest.mark.parametrize("stage", ["fetch", "clean_to_parquet", "build_messages"])
def test_a_data_stage_starts_without_the_model_libraries(stage: str, tmp_path: Path) -> None:
    code = (
        f"import sys, stages.{stage}\n"
        "import schematic_reader.sources.hub, schematic_reader.sources.local\n"
        "heavy = {'torch', 'transformers', 'datasets', 'peft', 'trl', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("stage", ["fetch", "clean_to_parquet", "build_messages"])
def test_help_is_the_docstring_and_other_arguments_are_refused(stage: str, tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", f"stages.{stage}", *words],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    helped = run("--help")
    assert helped.returncode == 0
    assert f"python -m stages.{stage}" in helped.stdout
    assert "params.yaml" in helped.stdout
    refused = run("--rows", "5")
    assert refused.returncode == 2
    assert "unrecognized arguments: --rows 5" in refused.stderr


def test_a_shard_with_fewer_rows_than_its_footer_declares_is_refused() -> None:
    batch = pa.RecordBatch.from_pylist(ROWS[:2], schema=RAW)
    shard = Shard("a.parquet", lambda: iter([batch, batch]), rows=5)
    with tqdm(disable=True) as bar:
        assert sum(part.num_rows for part in first_rows(shard, 3, bar)) == 3
        rows = first_rows(shard, 5, bar)
        assert [next(rows).num_rows, next(rows).num_rows] == [2, 2]
        with pytest.raises(
            UserError, match=r"a\.parquet has 4 rows but its footer declares 5: copy or download"
        ):
            next(rows)

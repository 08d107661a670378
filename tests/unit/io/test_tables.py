"""The parquet contracts: rows come back as written, and single pictures without their whole file."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schematic_reader.cli import UserError
from schematic_reader.io import tables
from schematic_reader.io.tables import (
    CLEAN,
    MESSAGES,
    PREDICTIONS,
    RAW,
    PartWriter,
    Pictures,
    clean_parts,
    iterate_rows,
    open_writer,
    read_messages,
    write_rows,
)


def clean_row(number: int) -> dict[str, object]:
    return {"id": f"{number:016x}", "name": "a/b", "image": b"picture %d" % number, "components": ["R"]}


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """A clean folder whose test split has 40 rows in part-00 and 3 in part-01."""
    write_rows(tmp_path / "test/part-00.parquet", CLEAN, (clean_row(i) for i in range(40)))
    write_rows(tmp_path / "test/part-01.parquet", CLEAN, (clean_row(i) for i in range(40, 43)))
    return tmp_path


def test_written_rows_are_read_back_in_small_groups(clean: Path) -> None:
    assert pq.ParquetFile(clean / "test/part-00.parquet").num_row_groups == 3
    rows = list(iterate_rows(clean_parts(clean, "test"), columns=["id", "image"]))
    assert [row["image"] for row in rows] == [b"picture %d" % i for i in range(43)]


def group_sizes(path: Path) -> list[int]:
    metadata = pq.read_metadata(path)
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def test_large_pictures_make_small_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """32 pictures of 67 MB are more than Arrow has in an array."""
    monkeypatch.setattr(tables, "GROUP_BYTES", 1000)
    lengths = [10] * 20 + [400] * 7 + [5000, 10]
    rows = [clean_row(number) | {"image": b"x" * length} for number, length in enumerate(lengths)]
    write_rows(tmp_path / "rows.parquet", CLEAN, rows, row_group=16)
    assert group_sizes(tmp_path / "rows.parquet") == [16, 7, 3, 2, 1]
    nested = [{"name": "a/b", "image": {"bytes": row["image"], "path": "a.png"}} for row in rows]
    write_rows(tmp_path / "raw.parquet", RAW, nested, row_group=16)
    assert group_sizes(tmp_path / "raw.parquet") == [16, 7, 3, 2, 1]
    with PartWriter(tmp_path / "parts", CLEAN, rows_per_part=25) as writer:
        writer.write(pa.Table.from_pylist(rows, schema=CLEAN))
    parts = sorted((tmp_path / "parts").iterdir())
    assert [sum(group_sizes(part)) for part in parts] == [25, 4]
    assert [row["image"] for row in iterate_rows(parts)] == [row["image"] for row in rows]
    assert group_sizes(parts[1]) == [2, 1, 1]


@pytest.mark.parametrize("row", [0, 15, 16, 31, 32, 39])
def test_pictures_reads_the_row_asked_for(clean: Path, row: int) -> None:
    assert Pictures(clean, "test").read("part-00.parquet", row) == b"picture %d" % row


def test_pictures_reads_other_parts_and_closes_the_oldest(clean: Path) -> None:
    for number in range(2, 12):
        write_rows(clean / f"test/part-{number:02d}.parquet", CLEAN, [clean_row(number)])
    pictures = Pictures(clean, "test")
    for _ in range(2):
        for number in range(2, 12):
            assert pictures.read(f"part-{number:02d}.parquet", 0) == b"picture %d" % number
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files are counted through /proc")
    opened = [path for path in Path("/proc/self/fd").iterdir() if str(path.resolve()).startswith(str(clean))]
    assert len(opened) <= 8


@pytest.mark.parametrize(
    ("part", "row"), [("part-00.parquet", 40), ("part-00.parquet", -1), ("part-09.parquet", 0)]
)
def test_pictures_of_a_row_that_is_not_there_names_the_fix(clean: Path, part: str, row: int) -> None:
    with pytest.raises(UserError, match=rf"{part}.*dvc repro"):
        Pictures(clean, "test").read(part, row)


def test_pictures_may_be_read_by_threads(clean: Path) -> None:
    """Without taking turns this crashes the interpreter within some thousand reads."""
    pictures, wanted = Pictures(clean, "test"), [0, 17, 33, 39] * 1000
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda row: pictures.read("part-00.parquet", row), wanted))
    assert found == [b"picture %d" % row for row in wanted]


def test_pictures_travels_to_other_processes(clean: Path) -> None:
    pictures = Pictures(clean, "test")
    pictures.read("part-00.parquet", 0)
    assert pickle.loads(pickle.dumps(pictures)).read("part-01.parquet", 2) == b"picture 42"
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(pictures.read, ("part-00.parquet", 17)) == b"picture 17"
        assert pool.apply(os.getpid) != os.getpid()
        # Not terminated: with a handler of SIGTERM that another test has left, the child may wait in the
        # kernel before it runs that, and the pool for the child.
        pool.close()
        pool.join()


def test_missing_files_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="dvc repro clean-to-parquet"):
        clean_parts(tmp_path, "train")
    with pytest.raises(UserError, match="dvc repro build-messages"):
        read_messages(tmp_path, "train")


@pytest.mark.parametrize("schema", [RAW, CLEAN, MESSAGES, PREDICTIONS])
def test_texts_are_compressed_and_pictures_are_not(tmp_path: Path, schema: pa.Schema) -> None:
    with open_writer(tmp_path / "a.parquet", schema) as writer:
        writer.write_table(pa.Table.from_pylist([{}, {}], schema=schema))
    group = pq.read_metadata(tmp_path / "a.parquet").row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    kinds = {column.path_in_schema: column.compression for column in columns}
    assert {name for name, kind in kinds.items() if kind != "ZSTD"} == {
        name for name in kinds if name.startswith("image")
    }

"""Local folders of parquet: both layouts are read, and anything else is one line that names the fix."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schematic_reader.cli import UserError
from schematic_reader.io.data_paths import paths_state
from schematic_reader.io.tables import RAW
from schematic_reader.sources.local import open_local
from tests.support.locked_folders import LOCK_OUT, run_locked_out
from tests.support.raw_rows import raw_row

ROWS = [raw_row(number) for number in range(5)]
TABLE = pa.Table.from_pylist(ROWS, schema=RAW)
TODAY = {"image": "schematic_image", "json": "schematic_json", "yaml": "schematic_yaml"}


def read(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for shard in open_local([str(folder)]).shards:
        for batch in shard.batches():
            assert batch.schema.equals(RAW)
            rows += batch.to_pylist()
    return rows


def with_column(name: str, values: pa.Array, table: pa.Table = TABLE) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def test_rows_come_as_they_are_file_by_file_by_name(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    pq.write_table(TABLE.slice(2), tmp_path / "data" / "b.parquet", row_group_size=2)
    pq.write_table(TABLE.slice(0, 2), tmp_path / "data" / "a.parquet")
    (tmp_path / "README.md").write_text("no parquet")
    assert read(tmp_path) == ROWS
    source = open_local([str(tmp_path)])
    assert [shard.origin for shard in source.shards] == ["data/a.parquet", "data/b.parquet"]
    assert ([shard.rows for shard in source.shards], source.files) == ([2, 3], 2)
    assert [shard.rows for shard in open_local([str(tmp_path)], 1).shards] == [2]


def numbers(*paths: str) -> list[int]:
    """The numbers of the rows that several paths give, in order."""
    batches = [batch for shard in open_local(paths).shards for batch in shard.batches()]
    return [ROWS.index(row) for batch in batches for row in batch.to_pylist()]


def test_files_patterns_and_several_paths_are_read_in_their_order_each_file_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(["x/train-00", "x/train-01", "x/test-00", "x/in/own", "[odd]"]):
        path = tmp_path / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True, parents=True)
        pq.write_table(TABLE.slice(number, 1), path)
    (tmp_path / "x" / "train-README.md").write_text("no parquet")
    assert numbers("x/train-*") == [0, 1]
    assert numbers(str(tmp_path / "x" / "t*.parquet")) == [2, 0, 1]
    assert numbers("x/test-00.parquet", "x") == [2, 3, 0, 1]
    assert numbers("x/**/*n.parquet", "x/in", "x/train-01.parquet") == [3, 1]
    assert numbers("x/in/own.parquet", str(tmp_path / "x" / "in"), "x/../x/in/*") == [3]
    assert numbers("[odd].parquet") == [4]
    assert [shard.origin for shard in open_local(["x/t*.parquet"], 2).shards] == [
        "test-00.parquet",
        "train-00.parquet",
    ]
    assert [shard.origin for shard in open_local(["x/in", "x/test-00.parquet"]).shards] == [
        "x/in/own.parquet",
        "x/test-00.parquet",
    ]


def test_todays_names_are_mapped_and_other_columns_left_unread(tmp_path: Path) -> None:
    table = TABLE.rename_columns([TODAY.get(name, name) for name in TABLE.column_names])
    table = table.append_column("pcb_files", pa.array([["x"]] * 5))
    pq.write_table(table.select(sorted(table.column_names)), tmp_path / "a.parquet")
    assert read(tmp_path) == ROWS
    assert open_local([str(tmp_path)]).columns == {name: TODAY.get(name, name) for name in RAW.names}


PICTURES = [row["image"]["bytes"] for row in ROWS]


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("image", pa.array([*PICTURES[:4], None], pa.binary()), [*PICTURES[:4], None]),
        ("image", pa.array(PICTURES, pa.large_binary()), PICTURES),
        ("image", pa.array([{"path": "p", "bytes": data} for data in PICTURES]), PICTURES),
        ("image", pa.array([{"bytes": data} for data in PICTURES[:4]] + [None]), [*PICTURES[:4], None]),
        ("image", pa.nulls(5), [None] * 5),
        ("image", pa.array(PICTURES, pa.binary_view()), PICTURES),
        ("image", pa.array(PICTURES).dictionary_encode(), PICTURES),
        ("image", pa.array([{"path": "p", "bytes": data} for data in PICTURES],
                           pa.struct([("path", pa.string_view()), ("bytes", pa.binary_view())])), PICTURES),
        ("yaml", pa.array(["a", "b", None, "é", ""], pa.large_string()), ["a", "b", None, "é", ""]),
        ("yaml", pa.array(["a", "b", None, "a", "a"]).dictionary_encode(), ["a", "b", None, "a", "a"]),
        ("yaml", pa.nulls(5), [None] * 5),
        ("components_used", pa.array([["R", None], [], None, ["C"], ["D"]], pa.large_list(pa.large_string())),
         [["R", None], [], None, ["C"], ["D"]]),
        ("components_used", pa.array([[], None, [None], [], []]), [[], None, [None], [], []]),
        ("components_used", pa.nulls(5), [None] * 5),
    ],
)  # fmt: skip
def test_kin_of_the_types_are_converted(
    tmp_path: Path, column: str, values: pa.Array, expected: list[Any]
) -> None:
    pq.write_table(with_column(column, values), tmp_path / "a.parquet", store_schema=True)
    found = [row[column] for row in read(tmp_path)]
    if column == "image":
        found = [picture and picture["bytes"] for picture in found]
        assert [row[column] is None for row in read(tmp_path)] == [data is None for data in expected]
    assert found == expected


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("components_used", pa.array([[1], [2], [3], [4], [5]]), r"a\.parquet: column components_used is"),
        ("components_used", pa.array(["R, C"] * 5), "components_used is string: convert it to list<string>"),
        ("name", pa.array(range(5)), "column name is int64: convert it to string"),
        ("json", pa.array([{"a": 1}] * 5), "column json is struct<a: int64>: convert it to string"),
        ("image", pa.array([1] * 5), "column image is int64: convert it to binary or struct<bytes"),
        ("image", pa.array([{"path": 1}] * 5), "column image is struct<path: int64>: convert it"),
        ("image", pa.array([["a"]] * 5), "column image is list<.*: string>: convert it"),
        ("json", pa.array([["a"]] * 5, pa.list_view(pa.string())), "column json is list_view"),
        ("schematic", pa.array([b"x"] * 5), "column schematic is binary: convert it to string"),
    ],
)  # fmt: skip
def test_a_type_that_does_not_fit_names_file_column_and_fix(
    tmp_path: Path, column: str, values: pa.Array, message: str
) -> None:
    pq.write_table(with_column(column, values), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=message):
        open_local([str(tmp_path)])


@pytest.mark.parametrize("name", ["image", "name"])
def test_a_column_that_is_there_twice_is_one_line(tmp_path: Path, name: str) -> None:
    pq.write_table(TABLE.append_column(name, TABLE.column("yaml")), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=rf"a\.parquet has several columns {name}: keep one"):
        open_local([str(tmp_path)])
    other = TABLE.append_column("x", TABLE.column("yaml")).append_column("x", TABLE.column("yaml"))
    pq.write_table(other, tmp_path / "a.parquet")
    assert read(tmp_path) == ROWS


NAMES = ["a.png", "in/b.png", "none.png", "../secret.png", "link.png"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(NAMES),
        pa.array(NAMES, pa.string_view()),
        pa.array([{"path": name} for name in NAMES]),
        pa.array([{"bytes": None, "path": name} for name in NAMES]),
        pa.array([{"bytes": None, "path": name} for name in NAMES],
                 pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    ],
    ids=["text", "text view", "path alone", "null bytes", "binary bytes"],
)  # fmt: skip
def test_pictures_named_by_path_are_read_in_the_folder_alone(
    tmp_path: Path, column: pa.Array, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "own"
    (folder / "data" / "in").mkdir(parents=True)
    (folder / "data" / "a.png").write_bytes(PICTURES[0])
    (folder / "in").mkdir()
    (folder / "in" / "b.png").write_bytes(PICTURES[1])
    (tmp_path / "secret.png").write_bytes(PICTURES[2])
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    pq.write_table(with_column("image", column), folder / "data" / "a.parquet")
    found = [row["image"] for row in read(folder)]
    assert [picture["bytes"] for picture in found] == [*PICTURES[:2], None, None, None]
    assert [picture["path"] for picture in found] == NAMES
    (line,) = caplog.messages
    assert "a.parquet: 1 pictures named by path are missing" in line
    assert "2 lie outside" in line and "\n" not in line


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "/etc/passwd", "", ".", "loop.png"])
def test_a_path_that_is_none_reads_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop.png").symlink_to("loop.png")
    pq.write_table(with_column("image", pa.array([name] * 5)), tmp_path / "a.parquet")
    assert [row["image"]["bytes"] for row in read(tmp_path)] == [None] * 5


@pytest.mark.parametrize("named", ["", "*.parquet", "loop.parquet"])
@pytest.mark.parametrize("target", ["loop.parquet", "gone.parquet"])
def test_a_link_that_leads_to_no_file_is_told(tmp_path: Path, named: str, target: str) -> None:
    """Passed over, its rows would be missing without a word."""
    pq.write_table(TABLE, tmp_path / "a.parquet")
    (tmp_path / "loop.parquet").symlink_to(target)
    with pytest.raises(UserError, match=r"loop\.parquet cannot be read: it is locked, or a link"):
        open_local([str(tmp_path / named)], 1)
    assert paths_state([str(tmp_path / named)])


_FROM_A_LOCKED_FOLDER = f"""
from schematic_reader.cli import run
from schematic_reader.io.data_paths import paths_state
from schematic_reader.sources.local import open_local
{LOCK_OUT}print(len(paths_state(["."])), flush=True)
run(lambda: print(open_local(["."])))
"""


@pytest.mark.parametrize(("mode", "said"), [(0, "locked: Permission denied"), (0o444, "cannot be read")])
def test_a_folder_in_the_folder_that_may_not_be_read_is_told(tmp_path: Path, mode: int, said: str) -> None:
    locked = tmp_path / "own" / "locked"
    locked.mkdir(parents=True)
    for folder in (tmp_path / "own", locked):
        pq.write_table(TABLE, folder / "a.parquet")
    tmp_path.chmod(0o755)
    done = run_locked_out(_FROM_A_LOCKED_FOLDER, tmp_path / "own", {"locked": mode})
    assert (done.returncode, done.stdout) == (1, "64\n")
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_a_file_name_that_is_no_utf_8_is_told(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    (tmp_path / "a.parquet").rename(tmp_path / os.fsdecode(b"Gr\xf6\xdfe.parquet"))
    with pytest.raises(UserError, match="name that is no UTF-8, which Arrow does not open: rename it"):
        open_local([str(tmp_path)])


def test_a_folder_that_changed_has_another_state(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "a.png"
    file.write_bytes(b"x")
    states = [paths_state([str(tmp_path)])]
    assert paths_state([str(tmp_path)]) == states[0]
    file.write_bytes(b"xy")
    states.append(paths_state([str(tmp_path)]))
    os.utime(file, (1, 1))
    states.append(paths_state([str(tmp_path)]))
    file.rename(tmp_path / "in" / "b.png")
    states.append(paths_state([str(tmp_path)]))
    assert len(set(states)) == 4


def test_a_file_or_pattern_that_changed_has_another_state_and_its_neighbours_do_not_count(
    tmp_path: Path,
) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(b"x")
    named = [[str(file)], [str(tmp_path / "*.parquet")], [str(tmp_path / "b"), str(file)]]
    before = [paths_state(one) for one in named]
    (tmp_path / "a.txt").write_bytes(b"x")
    assert [paths_state(one) for one in named] == before
    file.write_bytes(b"xy")
    assert not set(before) & {paths_state(one) for one in named}


@pytest.mark.parametrize("column", ["components_used", "image", "description"])
def test_a_missing_column_names_file_and_column(tmp_path: Path, column: str) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    pq.write_table(TABLE.drop_columns([column]), tmp_path / "b.parquet")
    names = "image or schematic_image" if column == "image" else column
    with pytest.raises(UserError, match=rf"b\.parquet has no column {names}, only schematic.*must have"):
        open_local([str(tmp_path)])


def test_a_missing_or_empty_folder_names_the_key(tmp_path: Path) -> None:
    for name in ("none", "none-*.parquet"):
        with pytest.raises(UserError, match=r"profiles\.\*\.data\.path is .*none.*, which is no folder"):
            open_local([str(tmp_path / name)])
    with pytest.raises(UserError, match=r"holds no \*\.parquet: .*profiles\.\*\.data\.path"):
        open_local([str(tmp_path)])


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"]
)
def test_a_file_that_is_no_parquet_names_the_file(tmp_path: Path, content: bytes) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(content)
    with pytest.raises(
        UserError, match=r"b\.parquet is no readable parquet file .*copy or download it again"
    ):
        open_local([str(tmp_path)])


def test_damage_behind_a_sound_footer_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path, compression="zstd")
    data = bytearray(path.read_bytes())
    data[4:2000] = b"\xa5" * 1996
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"(?s)a\.parquet is damaged .*copy or download it again"):
        read(tmp_path)

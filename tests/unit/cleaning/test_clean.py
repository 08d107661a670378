"""The clean stage: every dropped row has its reason, and what is kept depends on input and params alone."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageColor

from schematic_reader.cleaning.clean_to_parquet import clean_to_parquet
from schematic_reader.cleaning.row_facts import REASONS, content_id
from schematic_reader.cleaning.split_groups import choose_split
from schematic_reader.cli import UserError
from schematic_reader.config import Data
from schematic_reader.io.manifest import shard_name, write_manifest
from schematic_reader.io.tables import CLEAN, RAW, SPLITS, clean_parts, iterate_rows, write_rows
from schematic_reader.sources.fetch import fetch
from tests.support.cleaning import PARAMS, clean, re_encoded
from tests.support.paths import ROOT
from tests.support.raw_rows import bomb, png, raw_row, write_raw


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.parquet"))
    }


GOOD = [raw_row(number) for number in range(30)]


def page(colour: str, dot: str | None = None) -> bytes:
    """A page of one colour, perhaps with a dot of another."""
    image, file = Image.new("RGB", (60, 40), colour), io.BytesIO()
    if dot:
        image.putpixel((30, 20), ImageColor.getrgb(dot))
    image.save(file, "PNG")
    return file.getvalue()


def resaved(text: str) -> str:
    """The text as another program lays it out, with other identities and a later date."""
    body = text.removesuffix(")").replace(" (", "\r\n\t(")
    return (
        f'{body}\n  (uuid "0a1b2c3d-0000-4000-8000-00000000beef")\n  (tstamp 5f3a2b1c)(date "2024-01-02"))\n'
    )


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"components_used": None}, "no_components"),
        ({"components_used": []}, "no_components"),
        ({"components_used": [None, "", " \t\n"]}, "no_components"),
        ({"components_used": None, "image": None}, "no_components"),
        ({"name": None}, "no_name"),
        ({"name": "  "}, "no_name"),
        ({"image": None}, "image_missing"),
        ({"image": b""}, "image_missing"),
        ({"image": {"bytes": None, "path": "sheet.png"}}, "image_missing"),
        ({"image": png(99, (101, 100))}, "too_large"),
        ({"image": bomb(60_000, 60_000)}, "too_large"),
        ({"schematic": "x" * 1001}, "too_long"),
        ({"json": "x" * 1001}, "too_long"),
        ({"yaml": "x" * 1001, "image": b"no picture"}, "too_long"),
        ({"schematic": "\ufeff" + GOOD[3]["schematic"]}, "duplicate"),
        ({"name": "\ufeff "}, "no_name"),
        ({"image": b"<html>404</html>"}, "image_corrupt"),
        ({"image": png(99)[:-40]}, "image_corrupt"),
        ({"image": png(99, (27, 90))}, "too_small"),
        ({"image": png(99, (90, 27))}, "too_small"),
        ({"image": page("white")}, "blank"),
        ({"image": page("#f8f8ff")}, "blank"),
        ({"schematic": GOOD[3]["schematic"]}, "duplicate"),
        ({"schematic": resaved(GOOD[3]["schematic"])}, "duplicate"),
        ({"image": GOOD[3]["image"]}, "duplicate"),
        ({"image": re_encoded(GOOD[3]["image"]["bytes"])}, "duplicate"),
    ],
)
def test_a_dropped_row_has_its_reason(tmp_path: Path, changed: dict[str, Any], reason: str) -> None:
    metrics, rows = clean(write_raw(tmp_path / "raw", [[*GOOD, raw_row(77, **changed)]]))
    assert metrics["dropped"] == {name: int(name == reason) for name in REASONS}
    assert (metrics["rows_read"], metrics["rows_kept"], len(rows)) == (31, 30, 30)


def test_what_the_document_always_needs_is_what_no_row_may_lack(tmp_path: Path) -> None:
    lines = (ROOT / "docs/own-data.md").read_text().splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| `")]
    needed = {name: use.startswith("always") for names, _, use in cells for name in names.split(", ")}
    assert {name.strip("`") for name in needed} == set(RAW.names)
    rows = [raw_row(100 + number, **{name.strip("`"): None}) for number, name in enumerate(needed)]
    metrics, _ = clean(write_raw(tmp_path / "raw", [[*GOOD, *rows]]))
    assert sum(metrics["dropped"].values()) == sum(needed.values())
    assert all(metrics["dropped"][reason] for reason in ("no_components", "no_name", "image_missing"))


@pytest.mark.parametrize(
    "changed",
    [
        {"schematic": None},
        {"json": None, "yaml": None, "description": None, "type": None},
        {"name": "without-an-owner"},
        {"image": png(99, (100, 100))},
        {"image": png(99, (28, 28))},
        {"image": page("white", dot="#ddd")},
        {"schematic": "é" * 1000},
        {"components_used": GOOD[3]["components_used"]},
        {"image": png(3, mode="LA")},
        {"schematic": GOOD[3]["schematic"].replace("number-3", "number-33")},
    ],
)
def test_a_row_on_the_good_side_of_each_limit_is_kept(tmp_path: Path, changed: dict[str, Any]) -> None:
    metrics, rows = clean(write_raw(tmp_path / "raw", [[*GOOD, raw_row(77, **changed)]]))
    assert set(metrics["dropped"].values()) == {0}
    assert len(rows) == 31


@pytest.mark.parametrize("size", [(2829, 28), (28, 2829)])
def test_a_strip_is_too_narrow(tmp_path: Path, size: tuple[int, int]) -> None:
    raw = write_raw(tmp_path / "raw", [[*GOOD, raw_row(77, image=png(99, size))]])
    metrics, _ = clean(raw, replace(PARAMS, max_pixels=10**6))
    assert metrics["dropped"] == {name: int(name == "too_narrow") for name in REASONS}


def test_a_file_of_several_frames_is_told_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = [Image.open(io.BytesIO(png(number, mode="L"))) for number in (98, 99)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    _, rows = clean(write_raw(tmp_path / "raw", [[*GOOD, raw_row(77, image=file.getvalue())]]))
    assert len(rows) == 31
    assert caplog.messages == ["1 pictures have several frames or pages: the first of each is used"]


def test_embedded_files_and_byte_order_marks_are_left_out(tmp_path: Path) -> None:
    blob = "iVBORw0KGgo" + "A" * 2000
    texts = {
        "schematic": f'(kicad_sch (version 20231120) (image (at 1 2) (data "{blob}" "{blob}")))',
        "json": json.dumps({"images": [{"data": [blob, blob]}], "labels": []}),
        "yaml": f"images:\n- data:\n  - {blob}\n  - {blob}\n  scale: 1\nlabels: []\n",
        "name": "owner/other",
        "description": "two",
        "type": ".kicad_sch",
    }
    marked = {name: f"\ufeff{text}" for name, text in texts.items()}
    metrics, rows = clean(write_raw(tmp_path / "raw", [[*GOOD, raw_row(77, **marked)]]))
    assert metrics["rows_kept"] == 31
    (row,) = [row for row in rows if row["name"] == "owner/other"]
    assert row["schematic"] == "(kicad_sch (version 20231120) (image (at 1 2) (data)))"
    assert json.loads(row["json"]) == {"images": [{"data": []}], "labels": []}
    assert row["yaml"] == "images:\n- data: []\n  scale: 1\nlabels: []\n"
    assert (row["description"], row["type"]) == ("two", ".kicad_sch")
    others = [row for row in rows if row["name"] != "owner/other"]
    assert all(row["schematic"] == GOOD[int(row["name"].split("-")[1])]["schematic"] for row in others)


def test_two_rows_without_a_text_are_not_the_same_text(tmp_path: Path) -> None:
    blank = [
        raw_row(80 + number, schematic=text) for number, text in enumerate([None, None, "", "", " ", " "])
    ]
    metrics, _ = clean(write_raw(tmp_path / "raw", [[*GOOD, *blank]]))
    assert metrics["rows_kept"] == 36


@pytest.mark.parametrize(
    "column", ["schematic", "json", "yaml", "name", "description", "type", "components_used"]
)
def test_text_that_is_not_utf8_is_dropped_and_not_a_traceback(tmp_path: Path, column: str) -> None:
    table = pa.Table.from_pylist([*GOOD, raw_row(77)], schema=RAW)
    values = [row[column] if column != "components_used" else "R" for row in GOOD]
    damaged = pa.array([*(value.encode() for value in values), b"\xff\xfe"], pa.binary()).view(pa.string())
    if column == "components_used":
        damaged = pa.ListArray.from_arrays(pa.array(range(32), pa.int32()), damaged)
    field = RAW.field(column)
    table = table.set_column(RAW.get_field_index(column), field, damaged.cast(field.type))
    raw = tmp_path / "raw"
    raw.mkdir()
    pq.write_table(table, raw / shard_name(0))
    write_manifest(raw, ["0.parquet"], {})
    metrics, rows = clean(raw)
    assert metrics["dropped"] == {name: int(name == "bad_text") for name in REASONS}
    assert len(rows) == 30


def test_components_are_stripped_and_kept_in_order_once(tmp_path: Path) -> None:
    listed = [" R ", None, "GND", "R", "", "C\n", "gnd", "GND"]
    metrics, rows = clean(write_raw(tmp_path / "raw", [[raw_row(50, components_used=listed), *GOOD]]))
    assert [row["components"] for row in rows if row["name"] == "owner/board-50"] == [
        ["R", "GND", "C", "gnd"]
    ]
    assert metrics["repaired"] == {"components": 1}


def test_the_report_on_missing_components(tmp_path: Path) -> None:
    bad = [
        raw_row(60, components_used=None),
        raw_row(61, components_used=None, schematic=None),
        raw_row(62, components_used=[]),
        raw_row(63, components_used=[""]),
    ]
    metrics, _ = clean(write_raw(tmp_path / "raw", [[*bad, *GOOD]], row_group=3))
    assert metrics["missing"] == {"null": 2, "empty": 1, "any": 3, "with_schematic": 2}
    assert metrics["dropped"]["no_components"] == 4


def test_a_clean_row_holds_what_the_raw_row_held(tmp_path: Path) -> None:
    metrics, rows = clean(write_raw(tmp_path / "raw", [GOOD]))
    assert len(rows) == metrics["rows_kept"] == 30
    for row in rows:
        raw = GOOD[int(row["name"].removeprefix("owner/board-"))]
        assert row["image"] == raw["image"]["bytes"]
        assert (row["width"], row["height"]) == (40, 30)
        assert row["components"] == raw["components_used"]
        for name in ("schematic", "json", "yaml", "name", "description", "type"):
            assert row[name] == raw[name]


def test_ids_are_the_documented_hash_of_the_content() -> None:
    def reference(*fields: bytes) -> str:
        return hashlib.sha256(
            b"".join(len(field).to_bytes(8, "big") + field for field in fields)
        ).hexdigest()[:16]

    assert content_id(b"sch", b"png", ["R", "Ω"]) == reference(b"sch", b"png", b"R", "Ω".encode())
    assert content_id(b"", b"png", []) == reference(b"", b"png")
    assert (
        len({content_id(sch, b"p", names) for sch in (None, b"", b"R") for names in ([], ["R"], ["", "R"])})
        == 9
    )


def test_ids_do_not_depend_on_name_or_place(tmp_path: Path) -> None:
    _, first = clean(write_raw(tmp_path / "a" / "raw", [GOOD]))
    renamed = [{**row, "name": f"fork/{number}"} for number, row in enumerate(reversed(GOOD))]
    _, second = clean(write_raw(tmp_path / "b" / "raw", [renamed[:7], renamed[7:]], row_group=5))
    assert {row["id"] for row in first} == {row["id"] for row in second}
    assert len({row["id"] for row in first}) == 30


def test_the_first_of_several_equal_rows_is_kept_over_shards(tmp_path: Path) -> None:
    forks = [{**row, "name": f"fork/{number}"} for number, row in enumerate(GOOD)]
    metrics, rows = clean(write_raw(tmp_path / "raw", [GOOD, forks, forks]), workers=2)
    assert metrics["dropped"]["duplicate"] == 60
    assert {row["name"] for row in rows} == {row["name"] for row in GOOD}


def test_a_dropped_copy_still_ties_its_repository_to_the_original(tmp_path: Path) -> None:
    """A fork's own sheets must not be tested on where the sheets that it shares were trained on."""
    copies = [raw_row(number, name=f"fork/{number}") for number in range(30)]
    own = [raw_row(100 + number, name=f"FORK/{number} ") for number in range(30)]
    metrics, rows = clean(write_raw(tmp_path / "raw", [[*GOOD, *copies, *own]]))
    split = {row["name"].strip().lower(): row["split"] for row in rows}
    assert metrics["rows_kept"] == 60
    assert all(split[f"fork/{number}"] == split[f"owner/board-{number}"] for number in range(30))


def test_rows_that_come_later_move_no_earlier_row(tmp_path: Path) -> None:
    _, before = clean(write_raw(tmp_path / "a" / "raw", [GOOD]))
    more = [raw_row(number) for number in range(200, 260)]
    _, after = clean(write_raw(tmp_path / "b" / "raw", [more[:20], GOOD, more[20:]]))
    split = {row["id"]: row["split"] for row in after}
    assert [split[row["id"]] for row in before] == [row["split"] for row in before]
    assert len(after) == 90


def test_the_same_input_gives_the_same_bytes_whatever_the_workers(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw", [GOOD[:11], GOOD[11:]], row_group=4)
    for name, workers in (("a", 1), ("b", 1), ("c", 2)):
        clean_to_parquet(raw, tmp_path / name, PARAMS, workers=workers)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b") == hashes(tmp_path / "c")


def test_parts_hold_the_rows_asked_for_in_the_order_of_the_input(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw", [[raw_row(number) for number in range(120)]])
    _, whole = clean(raw)
    clean_to_parquet(raw, tmp_path / "clean", replace(PARAMS, rows_per_part=7), workers=1)
    for split in SPLITS:
        parts = clean_parts(tmp_path / "clean", split)
        sizes = [pq.read_metadata(path).num_rows for path in parts]
        assert set(sizes[:-1]) <= {7}
        assert 1 <= sizes[-1] <= 7
        expected = [row["id"] for row in whole if row["split"] == split]
        assert [row["id"] for row in iterate_rows(parts, ["id"])] == expected
        assert all(pq.read_schema(path).equals(CLEAN) for path in parts)
    numbers = [int(row["name"].removeprefix("owner/board-")) for row in whole if row["split"] == "train"]
    assert numbers == sorted(numbers)


def test_a_hundred_and_one_parts_are_read_in_order(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw", [[raw_row(number) for number in range(400)]])
    clean_to_parquet(raw, tmp_path / "clean", replace(PARAMS, rows_per_part=1), workers=1)
    names = [row["name"] for row in iterate_rows(clean_parts(tmp_path / "clean", "train"), ["name"])]
    assert len(names) > 101
    assert names == sorted(names, key=lambda name: int(name.removeprefix("owner/board-")))


def test_a_split_whose_rows_are_all_duplicates_is_an_error(tmp_path: Path) -> None:
    """Nearly blank pictures link no repositories, so their duplicates may fall into any split."""
    name = {choose_split(f"r/{n}", validation=0.3, test=0.3): f"r/{n}" for n in range(40)}
    page = Image.new("L", (400, 300), 255)
    page.putpixel((3, 3), 0)
    file = io.BytesIO()
    page.save(file, "PNG")
    rows = [raw_row(0, name=name["train"]), raw_row(1, name=name["test"])]
    rows += [
        raw_row(2, name=name["train"], image=file.getvalue()),
        raw_row(3, name=name["validation"], image=file.getvalue()),
    ]
    raw = write_raw(tmp_path / "raw", [rows])
    with pytest.raises(UserError, match="the validation split is empty.*duplicate 1"):
        clean_to_parquet(raw, tmp_path / "clean", replace(PARAMS, max_pixels=10**6), workers=1)
    assert not (tmp_path / "clean").exists()


def test_a_thousand_rows_of_one_repository_cannot_be_split(tmp_path: Path) -> None:
    rows = [raw_row(number, name="owner/monorepo") for number in range(1000)]
    rows += [raw_row(1, image=None), *(raw_row(number, components_used=[]) for number in (2, 3))]
    with pytest.raises(
        UserError,
        match=r"split is empty: 1 groups .*clean\.validation 0\.3 and clean\.test 0\.3; .*"
        r"before, of 1003 rows were dropped: no_components 2, image_missing 1$",
    ):
        clean(write_raw(tmp_path / "raw", [rows]))
    assert not (tmp_path / "clean").exists()


def test_a_thousand_rows_of_one_repository_lie_in_one_split(tmp_path: Path) -> None:
    many = [raw_row(1000 + number, name="owner/monorepo") for number in range(1000)]
    metrics, rows = clean(write_raw(tmp_path / "raw", [GOOD, many]))
    assert len({row["split"] for row in rows if row["name"] == "owner/monorepo"}) == 1
    assert (metrics["rows_kept"], metrics["groups"]["largest"]) == (1030, 1000)
    assert metrics["tied"]["repository"] == 1


@pytest.mark.parametrize("column", ["schematic", "json", "yaml"])
def test_a_text_of_a_hundred_megabytes_is_too_long(tmp_path: Path, column: str) -> None:
    metrics, rows = clean(write_raw(tmp_path / "raw", [[*GOOD, raw_row(77, **{column: "x" * 10**8})]]))
    assert metrics["dropped"] == {name: int(name == "too_long") for name in REASONS}
    assert len(rows) == 30


def test_a_limit_over_what_is_parsed_is_refused(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw", [GOOD])
    with pytest.raises(
        UserError, match=r"clean\.max_text_chars is 5000001: texts over 5000000 .* at most that"
    ):
        clean(raw, replace(PARAMS, max_text_chars=5_000_001))


def test_no_usable_row_says_why(tmp_path: Path) -> None:
    rows = [raw_row(1, image=None), raw_row(2, components_used=None)]
    with pytest.raises(UserError, match=r"none of 2 rows is usable \(no_components 1, image_missing 1\)"):
        clean(write_raw(tmp_path / "raw", [rows]))
    with pytest.raises(UserError, match=r"none of 0 rows is usable \(no rows\)"):
        clean(write_raw(tmp_path / "none" / "raw", [[]]))


def test_a_source_that_changed_since_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = tmp_path / "source"
    source.mkdir()
    write_rows(source / "a.parquet", RAW, GOOD)
    fetch(Data("local", str(source), None, None, None, None, None, None), 42, tmp_path / "raw")
    clean(tmp_path / "raw")
    assert caplog.messages == []
    (source / "new.png").write_bytes(b"x")
    clean(tmp_path / "raw")
    (line,) = caplog.messages
    assert (
        line
        == f"{source} has changed since its rows were fetched: run `dvc repro --force fetch` to read it anew"
    )


@pytest.mark.parametrize("damage", ["no manifest", "no shard", "short shard"])
def test_an_incomplete_raw_folder_names_the_command(tmp_path: Path, damage: str) -> None:
    raw = write_raw(tmp_path / "raw", [GOOD])
    if damage == "no manifest":
        (raw / "manifest.json").unlink()
    elif damage == "no shard":
        (raw / shard_name(0)).unlink()
    else:
        (raw / shard_name(0)).write_bytes(b"PAR1")
    with pytest.raises(UserError, match="dvc repro.* fetch"):
        clean(raw)


def test_an_error_leaves_the_old_splits(tmp_path: Path) -> None:
    clean(write_raw(tmp_path / "raw", [GOOD]))
    before = hashes(tmp_path / "clean")
    with pytest.raises(UserError):
        clean(write_raw(tmp_path / "raw", [GOOD[:1]]))
    assert hashes(tmp_path / "clean") == before


def run_stage(folder: Path, code: str = "", *words: str) -> subprocess.CompletedProcess[str]:
    """Run the stage in ``folder`` as a user does, or ``code`` in its place."""
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    command = ["-c", code] if code else ["-m", "stages.clean_to_parquet", *words]
    environment = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_command_writes_metrics_and_prints_the_result(tmp_path: Path) -> None:
    rows = [raw_row(number) for number in range(40)]
    write_raw(tmp_path / "data" / "raw", [[*rows, raw_row(41, image=None)]])
    done = run_stage(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("data/clean: kept 40 of 41 rows (train ")
    assert done.stdout.endswith("dropped: image_missing 1\n")
    metrics = json.loads((tmp_path / "metrics" / "clean.json").read_text())
    assert sum(metrics["splits"].values()) == metrics["rows_kept"] == 40
    assert Counter(type(value) for value in metrics.values()) == {int: 4, dict: 8}


def test_the_command_without_its_input_is_one_line(tmp_path: Path) -> None:
    done = run_stage(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: data/raw/manifest.json is missing: run `dvc repro fetch`\n"


@pytest.mark.slow
def test_a_stage_that_is_killed_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    # Two groups are with the writers for certain when the fifth is converted: 80 rows fill row groups of 16.
    write_raw(tmp_path / "data" / "raw", [[raw_row(number) for number in range(240)]], row_group=40)
    done = run_stage(
        tmp_path,
        "import os, signal, stages.clean_to_parquet as stage\n"
        "import schematic_reader.cleaning.clean_to_parquet as room\n"
        "convert, calls = room.clean_table, []\n"
        "def killed(*tables):\n"
        "    calls.append(1)\n"
        "    return convert(*tables) if len(calls) < 5 else os.kill(os.getpid(), signal.SIGKILL)\n"
        "room.clean_table = killed\n"
        "stage.main()\n",
    )
    assert done.returncode == -signal.SIGKILL
    assert list((tmp_path / "data" / ".clean.part").rglob("*.parquet"))
    assert not (tmp_path / "data" / "clean").exists()
    assert not (tmp_path / "metrics").exists()
    assert run_stage(tmp_path).returncode == 0
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["clean", "cleaning.json", "raw"]


@pytest.mark.slow
def test_the_mini_set_keeps_its_260_good_rows(mini: Path, tmp_path: Path) -> None:
    data = Data("local", str(mini), None, None, None, None, None, None)
    fetch(data, 42, tmp_path / "raw")
    params = replace(PARAMS, max_pixels=50_000_000, max_text_chars=5_000_000, validation=0.1, test=0.15)
    metrics, rows = clean(tmp_path / "raw", params, workers=2)
    assert (metrics["rows_read"], metrics["rows_kept"]) == (310, 260)
    assert metrics["dropped"] == {
        "no_components": 28,
        "bad_text": 0,
        "no_name": 0,
        "image_missing": 8,
        "too_long": 0,
        "too_large": 0,
        "image_corrupt": 6,
        "too_small": 0,
        "too_narrow": 0,
        "blank": 0,
        "mismatch": 0,
        "synthetic_twin": 0,
        "duplicate": 8,
    }
    assert metrics["mismatch"] == 0
    # Two boards share their displays' and their LEDs' sheets; the eight forks are ties by all that is seen.
    assert metrics["tied"]["signature"] >= 1
    assert metrics["tied"]["perceptual_hash"] >= 1
    assert metrics["missing"] == {"null": 21, "empty": 7, "any": 28, "with_schematic": 28}
    assert metrics["names"]["distinct"] == 1126  # as the set's README counts them
    assert len({row["id"] for row in rows}) == 260

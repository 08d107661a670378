"""A folder of projects or pictures becomes parquet that the pipeline reads; what is left out has a line."""

from __future__ import annotations

import io
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from schematic_reader.cleaning.row_facts import RowLimits, inspect_row_group
from schematic_reader.cli import UserError
from schematic_reader.importing import folder as importing
from schematic_reader.importing.folder import Summary, import_folder
from schematic_reader.io.tables import RAW
from schematic_reader.kicad.drawing import raster
from schematic_reader.kicad.drawing.draw import draw_sheet
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.sources.local import open_local
from tests.support.foreign_files import picture
from tests.support.kicad_projects import CHANNEL, ROOT_SHEET, absurd_sheet, box, placed, sheet, write_project
from tests.support.locked_folders import LOCK_OUT, run_locked_out
from tests.support.paths import shared_folder


def imported(folder: Path, out: Path) -> tuple[list[dict[str, Any]], Summary]:
    summary = import_folder(folder, out)
    return pq.read_table(out).to_pylist(), summary


def shown(row: dict[str, Any]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB"))


def lines(caplog: pytest.LogCaptureFixture, folder: Path) -> list[str]:
    return sorted(line.replace(f"{folder}/", "") for line in caplog.messages)


def listed_picture(folder: Path, name: str, names: str, list_suffix: str = ".txt") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(picture("JPEG" if name.lower().endswith("jpg") else "PNG"))
    (folder / name).with_suffix(list_suffix).write_text(names)


def test_each_use_of_a_sheet_is_a_row_with_its_references(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "boards"
    write_project(folder / "amplifier")
    rows, summary = imported(folder, tmp_path / "own.parquet")
    assert [(row["image"]["path"], row["name"], row["components_used"]) for row in rows] == [
        ("amp.png", "boards/amplifier", ["R", "GND"]),
        ("channel-Left.png", "boards/amplifier", ["R"]),
        ("channel-Right.png", "boards/amplifier", ["R"]),
    ]
    assert summary == Summary({"boards/amplifier": 3}, 0)
    for row, references in zip(rows, (["R2", "#PWR01"], ["R10", "R11"], ["R20", "R21"]), strict=True):
        assert [s.reference for s in read_sheet(row["schematic"]).symbols] == references
        described = json.loads(row["json"])["schematicSymbols"]
        assert [symbol["properties"][0]["value"] for symbol in described] == references
        assert row["yaml"] and row["type"] == ".kicad_sch"
    assert (shown(rows[1]) != shown(rows[2])).any()
    assert lines(caplog, folder) == [
        "amplifier/amp.kicad_sch: sub-sheet 'amp.kicad_sch' (/Self) contains itself and is not followed",
        "amplifier/amp.kicad_sch: sub-sheet 'gone.kicad_sch' (/Gone) is not there and is not followed",
    ]


def test_the_picture_shows_what_the_project_file_defines(tmp_path: Path) -> None:
    write_project(tmp_path / "a" / "amplifier")
    left = imported(tmp_path / "a", tmp_path / "a.parquet")[0][1]
    text = left["schematic"].replace("${CHANNEL}", "4k7")
    assert text != left["schematic"]
    drawn = draw_sheet(read_sheet(text.replace("parts/", "")))
    different = (shown(left) != np.asarray(drawn.convert("RGB"))).any(axis=2)
    assert different.mean() < 1e-3  # the name of the file in the frame
    (tmp_path / "a" / "amplifier" / "amp.kicad_pro").unlink()
    assert (shown(imported(tmp_path / "a", tmp_path / "a.parquet")[0][1]) != shown(left)).any()


def test_pictures_with_lists_of_any_kind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "scans"
    listed_picture(folder / "a", "one.png", "R\nC\n")
    listed_picture(folder / "a" / "deep", "two.JPG", "Part,Qty\nLED,1\n", ".csv")
    listed_picture(folder / "b", "three.png", "Refs,Value\nR1,10k\n", ".csv")
    rows, summary = imported(folder, tmp_path / "deep" / "own.parquet")
    assert [(row["name"], row["type"], row["components_used"]) for row in rows] == [
        ("scans/a", ".jpg", ["LED"]), ("scans/a", ".png", ["R", "C"]), ("scans/b", ".png", ["10k"]),
    ]  # fmt: skip
    assert rows[1]["image"]["bytes"] == (folder / "a" / "one.png").read_bytes()
    assert summary.projects == {"scans/a": 2, "scans/b": 1}
    assert lines(caplog, folder) == [
        "b/three.csv has no column with names of symbols: those of Value are taken"
    ]


def test_the_pipeline_reads_and_keeps_the_rows(tmp_path: Path) -> None:
    write_project(tmp_path / "in" / "amplifier")
    listed_picture(tmp_path / "in" / "scan", "one.png", "R\nC\n")
    out = tmp_path / "own" / "own.parquet"
    import_folder(tmp_path / "in", out)
    assert pq.read_schema(out).equals(RAW)
    (shard,) = open_local([str(out.parent)]).shards
    assert sum(batch.num_rows for batch in shard.batches()) == 4
    facts = inspect_row_group((out, 0), RowLimits(10_000_000, 1_000_000, "drop"))
    assert [(fact.reason, fact.repository) for fact in facts] == [("", "in/amplifier")] * 3 + [
        ("", "in/scan")
    ]
    assert len({fact.text_digest for fact in facts[:3]}) == 3  # no use is taken for another's duplicate


def test_every_file_that_is_left_out_has_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "in" / "project"
    listed_picture(folder, "good.png", "R")
    (folder / "alone.png").write_bytes(picture("PNG"))
    (folder / "README.txt").write_text("Read me")
    listed_picture(folder, "cut.png", "R")
    (folder / "cut.png").write_bytes(picture("PNG")[:200])
    Image.new("RGB", (100, 100)).save(folder / "blank.png")
    (folder / "blank.txt").write_text("R")
    Image.new("RGB", (100, 10)).save(folder / "small.png")
    (folder / "small.txt").write_text("R")
    listed_picture(folder, "empty.png", "\n")
    (folder / "old.sch").write_text("EESchema")
    (folder / "old.kicad_sch").write_text("EESchema Schematic File Version 4")
    (folder / "board.pdf").write_bytes(b"%PDF-")
    (folder / "bare.kicad_sch").write_text(sheet("x"))
    (folder / "odd.kicad_pro").write_text("no JSON")
    (folder / "gone.kicad_pro").write_text("{}")
    (folder / "latin.kicad_sch").write_bytes('(kicad_sch (title "Größe"))'.encode("latin-1"))
    (folder / "notes.md").write_text("no sheet")
    (folder / ".git").mkdir()
    (folder / ".git" / "a.png").write_bytes(b"")
    _, summary = imported(folder.parent, tmp_path / "own.parquet")
    other, *said = lines(caplog, folder)
    assert other == "1 files of other kinds are passed over: .md 1"
    assert [line.partition(" is left out: ")[::2] for line in said] == [
        ("README.txt", "no picture of its name lies beside it"),
        ("alone.png", "no list of its parts of its name lies beside it (.txt, .csv)"),
        ("bare.kicad_sch", "it places no component"),
        ("blank.png", "blank: it shows nothing"),
        ("blank.txt", "its picture cannot be used"),
        ("board.pdf", "export it as PNG, with a list beside it"),
        ("cut.png", next(line for line in said if "cut.png" in line).split("left out: ")[1]),
        ("cut.txt", "its picture cannot be used"),
        ("empty.png", "its list cannot be used"),
        ("empty.txt", "it names no part"),
        ("gone.kicad_pro", "its root sheet gone.kicad_sch is not there"),
        ("latin.kicad_sch", "it is not UTF-8: save it with KiCad 6 or later"),
        ("odd.kicad_pro", "not a KiCad 6 to 10 project file: no JSON"),
        ("old.kicad_sch", "a KiCad 4/5 file; only KiCad 6 to 10 text is read"),
        ("old.sch", "only sheets of KiCad 6 to 10 are read: save it with one of them"),
        ("small.png", "too_small: 100 x 10 pixels: a side is under 28"),
        ("small.txt", "its picture cannot be used"),
    ]
    assert "cut.png is left out: image_corrupt: " in "".join(said)
    assert summary.left_out == len(said) == 17


def test_a_project_in_the_folder_itself_is_called_by_its_root_sheet(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "mine"
    write_project(folder)
    for name in ("other", "third"):
        listed_picture(folder, f"{name}.png", "R")
    rows, _ = imported(folder, tmp_path / "own.parquet")
    assert [row["name"] for row in rows] == ["mine/amp"] * 3 + ["mine/mine"] * 2
    assert "2 pictures lie in" in " ".join(caplog.messages)


@pytest.mark.parametrize("file", ["amp.kicad_pro", "amp.kicad_sch"])
def test_a_single_project_is_followed(tmp_path: Path, file: str) -> None:
    write_project(tmp_path / "mine")
    (tmp_path / "mine" / "other.kicad_sch").write_text(CHANNEL)
    rows, summary = imported(tmp_path / "mine" / file, tmp_path / "own.parquet")
    assert [row["image"]["path"] for row in rows] == ["amp.png", "channel-Left.png", "channel-Right.png"]
    assert summary == Summary({"mine/amp": 3}, 0)
    whole, _ = imported(tmp_path / "mine", tmp_path / "whole.parquet")
    assert [row for row in whole if row["name"] == "mine/amp"] == rows


def test_what_lies_below_a_damaged_root_or_in_a_circle_is_read_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "p" / "parts").mkdir(parents=True)
    (folder / "p" / "amp.kicad_sch").write_text(ROOT_SHEET[:-50])
    (folder / "p" / "parts" / "channel.kicad_sch").write_text(CHANNEL)
    part = placed("Device:R", "1", "R1", "1")
    for one, other in ("ab", "ba"):
        text = sheet(one, part, box("x", "X", f"{other}.kicad_sch"))
        (folder / "p" / f"{one}.kicad_sch").write_text(text)
    rows, summary = imported(folder, tmp_path / "own.parquet")
    assert sorted(row["image"]["path"] for row in rows) == [
        "a-X.png",
        "a.png",
        "b-X.png",
        "b.png",
        "channel.png",
    ]
    assert summary.left_out == 1


def test_many_files_are_read_in_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        listed_picture(tmp_path / "in" / str(number), "one.png", f"R{number}")
    one, _ = imported(tmp_path / "in", tmp_path / "one.parquet")
    monkeypatch.setattr(importing, "_PARALLEL_JOBS", 1)
    monkeypatch.setattr(importing, "cores", lambda: 2)
    several, _ = imported(tmp_path / "in", tmp_path / "several.parquet")
    assert one == several and len(one) == 4


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("loop.kicad_sch", "is not there and is not followed"),
        ("a\0b.kicad_sch", "is not there and is not followed"),
        (f"{'a' * 300}.kicad_sch", "is not there and is not followed"),
        ("broken.kicad_sch", "is not followed: Input/output error"),
    ],
    ids=["circle", "NUL", "too long", "unreadable"],
)
def test_a_sub_sheet_that_is_no_file_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, said: str
) -> None:
    root = write_project(tmp_path / "in" / "p")
    root.write_text(ROOT_SHEET.replace("gone.kicad_sch", name))
    root.with_name("loop.kicad_sch").symlink_to("loop.kicad_sch")
    root.with_name("broken.kicad_sch").symlink_to("/proc/self/mem")
    rows, _ = imported(tmp_path / "in", tmp_path / "own.parquet")
    assert len(rows) == 3
    assert any(f"sub-sheet {name!r} (/Gone) {said}" in line for line in caplog.messages)


def test_names_that_are_no_utf_8_are_imported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)  # the processes of pytest cannot send each other such names
    folder = tmp_path / "in" / os.fsdecode(b"Gr\xf6\xdfe")
    write_project(folder).rename(folder / os.fsdecode(b"f\xfcnf.kicad_sch"))
    listed_picture(folder, os.fsdecode(b"\xe4.png"), "R")
    rows, _ = imported(tmp_path / "in", tmp_path / "own.parquet")
    assert {row["name"] for row in rows} == {"in/Gr\ufffd\ufffde"}
    assert [row["image"]["path"] for row in rows] == [
        "f\ufffdnf.png", "channel-Left.png", "channel-Right.png", "\ufffd.png",
    ]  # fmt: skip


_OF_A_LOCKED_FOLDER = f"""
import logging, sys, tempfile
from pathlib import Path
from schematic_reader.importing.folder import import_folder
import_folder(Path("in/good"), Path("own.parquet"))  # which loads what may not be read any more below
logging.basicConfig(format="%(message)s", stream=sys.stdout)
{LOCK_OUT}with tempfile.TemporaryDirectory() as out:
    print(import_folder(Path("in"), Path(out, "own.parquet")))
"""


def test_what_may_not_be_read_and_links_to_nothing_have_lines(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name in ("good", "locked", "listed"):
        listed_picture(folder / name, "one.png", "R")
    for name in ("linked.png", "linked.txt", "linked.kicad_sch", "linked.kicad_pro"):
        (folder / "good" / name).symlink_to("gone")
    done = run_locked_out(_OF_A_LOCKED_FOLDER, tmp_path, {"in/locked": 0, "in/listed": 0o444})
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "Summary(projects=Counter({'in/good': 1}), left_out=7)",
        "in/good/linked.kicad_pro is left out: No such file or directory",
        "in/good/linked.kicad_sch is left out: there is no such file",
        "in/good/linked.png is left out: its list cannot be used",
        "in/good/linked.txt is left out: No such file or directory",
        "in/listed/one.png is left out: its list cannot be used",
        "in/listed/one.txt is left out: Permission denied",
        "in/locked is left out: Permission denied",
    ]


def test_a_project_file_that_cannot_be_read_has_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "in"
    write_project(folder / "p")
    (folder / "p" / "other.kicad_sch").write_text(CHANNEL)
    (folder / "p" / "amp.kicad_pro").write_text("no JSON")
    _, summary = imported(folder, tmp_path / "own.parquet")
    assert summary.left_out == 1
    assert [line for line in lines(caplog, folder) if "left out" in line] == [
        "p/amp.kicad_pro is left out: not a KiCad 6 to 10 project file: no JSON"
    ]


def test_a_sheet_with_more_to_draw_than_any_costs_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raster, "MOST_STROKES", 100_000)
    root = write_project(tmp_path / "in")
    root.with_name("gone.kicad_sch").write_text(absurd_sheet(40))
    rows, summary = imported(tmp_path / "in", tmp_path / "own.parquet")
    assert (len(rows), summary.left_out) == (3, 1)
    line = "it cannot be drawn as /Gone/: over 100,000 strokes are to be drawn: is this a sheet?"
    line += " If so, remove graphics from it, or split it into sub-sheets"
    assert f"{root.with_name('gone.kicad_sch')} is left out: {line}" in caplog.messages


def test_a_list_is_read_no_further_than_a_list_is_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listed_picture(tmp_path / "in", "good.png", "R")
    listed_picture(tmp_path / "in", "huge.png", "R")
    with (tmp_path / "in" / "huge.txt").open("wb") as file:
        file.truncate(2**40)  # a hole, which takes no space
    _, summary = imported(tmp_path / "in", tmp_path / "own.parquet")
    assert summary.left_out == 2 and "over 10 MB: name each part once" in " ".join(caplog.messages)


def test_half_of_a_surrogate_pair_in_a_project_file_is_imported(tmp_path: Path) -> None:
    root = write_project(tmp_path / "in")
    root.with_suffix(".kicad_pro").write_text(r'{"text_variables": {"SIDE": "\ud83d"}}')
    root.write_text(ROOT_SHEET.replace('"Left"', '"${SIDE}"'))
    rows, _ = imported(tmp_path / "in", tmp_path / "own.parquet")
    assert [row["image"]["path"] for row in rows] == ["amp.png", "channel-\ufffd.png", "channel-Right.png"]


@pytest.mark.parametrize(
    ("folder", "out", "said"),
    [
        ("gone", "own.parquet", "gone is no folder"),
        ("gone.kicad_pro", "own.parquet", "gone.kicad_pro is no folder"),
        ("in/a.pdf", "own.parquet", "a.pdf is no folder"),
        ("in", "own.csv", "does not end in .parquet"),
        ("in", "in.parquet", "is a folder"),
        ("in", "in/a.pdf/own.parquet", "cannot be made"),
        ("in", "own.parquet", "holds nothing usable, 1 files are left out: it needs a .kicad_pro"),
    ],
)
def test_what_cannot_be_imported_is_one_line(tmp_path: Path, folder: str, out: str, said: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.pdf").write_bytes(b"")
    (tmp_path / "in.parquet").mkdir()
    with pytest.raises(UserError, match=said):
        import_folder(tmp_path / folder, tmp_path / out)
    assert not list(tmp_path.glob("*own*"))


def test_the_trials_and_kicad_10_sheets_are_imported(tmp_path: Path) -> None:
    """Each sheet of the trials but those that are no root."""
    trials = shared_folder("trials")
    rows, summary = imported(trials, tmp_path / "own.parquet")
    roots = {path.stem for path in trials.glob("*.kicad_sch")} - {"sub"}
    assert {row["name"].split("/")[1] for row in rows} >= roots - {"text", "table", "quotes9", "foreign"}
    assert sum(row["image"]["path"].startswith("sub-") for row in rows) == 2
    assert summary.left_out >= len(list(trials.glob("*.png")))

"""The messages stage: chats that find their pictures again, and a count for all that is dropped or cut."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from schematic_reader.cleaning.clean_to_parquet import clean_to_parquet
from schematic_reader.cli import UserError
from schematic_reader.config import Clean, ImageLimits, Messages
from schematic_reader.io.tables import MESSAGES, SPLITS, Pictures, clean_parts, iterate_rows, read_messages
from schematic_reader.io.tiles import tiling
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.synthetic.sample import make_row
from schematic_reader.tasks import task
from schematic_reader.tasks.build_messages import build_messages
from schematic_reader.tasks.messages import chat
from schematic_reader.tasks.tile_targets import tile_targets
from tests.support.paths import ROOT
from tests.support.raw_rows import raw_row, write_raw

PARAMS = Messages(form="verbatim", max_target_chars=5000, on_too_long="drop", with_name=True)
LIMITS = ImageLimits(max_side=1024, max_pixels=1 << 20, tiles=1)
SPLIT = Clean(
    max_pixels=10_000, max_text_chars=100_000, mismatch="keep", validation=0.3, test=0.3, rows_per_part=25
)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 clean rows in parts of 25; row n has a yaml of 17 + 10 n characters, one row in ten has none."""
    folder = tmp_path_factory.mktemp("clean")
    rows = [
        raw_row(
            number,
            yaml=None if number % 10 == 9 else f"labels:\n- text: {'x' * (1 + number * 10)}",
            json='{"labels": [{"text": "é"}]}',
        )
        for number in range(100)
    ]
    raw = write_raw(folder / "raw", [rows])
    clean_to_parquet(raw, folder / "clean", SPLIT, workers=1, examples=folder / "cleaning.json")
    return folder / "clean"


def build(
    clean: Path,
    folder: Path,
    name: str = "components",
    params: Messages = PARAMS,
    limits: ImageLimits = LIMITS,
    workers: int = 1,
) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    metrics, _ = build_messages(clean, folder, name, params, limits, workers=workers)
    return metrics, {split: read_messages(folder, split) for split in SPLITS}


def test_every_chat_finds_its_picture_and_its_answer(clean: Path, tmp_path: Path) -> None:
    metrics, rows = build(clean, tmp_path / "messages")
    asked = task("components")
    for split in SPLITS:
        pictures = Pictures(clean, split)
        sheets = list(iterate_rows(clean_parts(clean, split)))
        assert len(rows[split]) == len(sheets) == metrics[split]["rows"]
        for row, sheet in zip(rows[split], sheets, strict=True):
            assert (row["id"], row["name"]) == (sheet["id"], sheet["name"])
            assert pictures.read(row["part"], row["row"]) == sheet["image"]
            assert row["target"] == asked.target(sheet, form="verbatim") == ", ".join(sheet["components"])
            assert row["prompt"] == asked.prompt(sheet, form="verbatim", with_name=True)
            user, assistant = row["messages"]
            assert user == {
                "role": "user",
                "content": [{"type": "image", "text": None}, {"type": "text", "text": row["prompt"]}],
            }
            assert assistant == {"role": "assistant", "content": [{"type": "text", "text": row["target"]}]}
    assert len({row["part"] for row in rows["train"]}) > 1
    assert pq.read_schema(tmp_path / "messages" / "train.parquet").equals(MESSAGES)


def test_what_is_too_long_or_missing_is_dropped_and_counted(clean: Path, tmp_path: Path) -> None:
    metrics, rows = build(clean, tmp_path / "messages", "yaml", replace(PARAMS, max_target_chars=417))
    sheets = {split: list(iterate_rows(clean_parts(clean, split))) for split in SPLITS}
    for split in SPLITS:
        lengths = sorted(len(sheet["yaml"]) for sheet in sheets[split] if sheet["yaml"])
        kept = [length for length in lengths if length <= 417]
        assert sorted(len(row["target"]) for row in rows[split]) == kept
        found = metrics[split]
        assert found == {
            "rows": len(kept),
            "tiles": 0,
            "no_places": 0,
            "empty_tiles": 0,
            "no_target": sum(sheet["yaml"] is None for sheet in sheets[split]),
            "special_token": 0,
            "too_long": len(lengths) - len(kept),
            "cut": 0,
            "median_chars": statistics.median_low(lengths),
            "p90_chars": found["p90_chars"],
            "max_chars": lengths[-1],
        }
        assert sum(length < found["p90_chars"] for length in lengths) < 0.9 * len(lengths)
        assert sum(length <= found["p90_chars"] for length in lengths) >= 0.9 * len(lengths)
    assert sum(metrics[split]["no_target"] for split in SPLITS) == 10
    assert 417 in {len(row["target"]) for split in SPLITS for row in rows[split]}


def test_a_row_that_spells_a_special_token_is_dropped_and_counted(tmp_path: Path) -> None:
    """In the chat it would be the place of a picture, or the end of the answer."""
    labels = ["net", "<|im_end|>", "a<|b", "ok"]
    rows = [
        raw_row(number, json=json.dumps({"labels": [{"text": label}]}), yaml=None)
        for number, label in enumerate(labels * 25)
    ]
    rows[0]["name"] = f"{rows[0]['name']}<|image_pad|>"
    raw = write_raw(tmp_path / "raw", [rows])
    clean_to_parquet(raw, tmp_path / "clean", SPLIT, workers=1, examples=tmp_path / "cleaning.json")
    metrics, kept = build(tmp_path / "clean", tmp_path / "messages", "json")
    assert sum(metrics[split]["special_token"] for split in SPLITS) == 25 + 1
    chats = [row for split in SPLITS for row in kept[split]]
    assert len(chats) == sum(metrics[split]["rows"] for split in SPLITS) == 100 - 26
    assert not any("|>" in row["prompt"] + row["target"] for row in chats)


def test_what_is_too_long_is_cut_in_training_alone(clean: Path, tmp_path: Path) -> None:
    params = replace(PARAMS, max_target_chars=127, on_too_long="cut")
    metrics, rows = build(clean, tmp_path / "messages", "yaml", params)
    # Rows 12 to 98 but for those that end in 9 are over 127 characters.
    assert sum(metrics[split]["cut"] + metrics[split]["too_long"] for split in SPLITS) == 79
    assert metrics["train"]["cut"] > 0 == metrics["train"]["too_long"]
    for split in ("validation", "test"):
        assert metrics[split]["too_long"] > 0 == metrics[split]["cut"]
    assert max(len(row["target"]) for row in rows["train"]) == 127
    assert all(row["messages"][1]["content"][0]["text"] == row["target"] for row in rows["train"])


def test_the_prompt_has_the_name_only_where_asked(clean: Path, tmp_path: Path) -> None:
    _, rows = build(clean, tmp_path / "messages", params=replace(PARAMS, with_name=False))
    assert not any(row["name"] in row["prompt"] for row in rows["train"])


def test_an_empty_split_names_the_key(clean: Path, tmp_path: Path) -> None:
    build(clean, tmp_path / "messages")
    before = (tmp_path / "messages" / "train.parquet").read_bytes()
    message = (
        r"no train row is left: \d+ have no yaml target, 0 spell a special token, "
        r"\d+ are over messages\.max_target_chars 1 .*raise"
    )
    with pytest.raises(UserError, match=message):
        build(clean, tmp_path / "messages", "yaml", replace(PARAMS, max_target_chars=1))
    assert (tmp_path / "messages" / "train.parquet").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["messages"]


def test_no_limit_is_to_be_raised_where_no_row_has_a_target(tmp_path: Path) -> None:
    rows = [raw_row(number, json=None) for number in range(30)]
    clean_to_parquet(write_raw(tmp_path / "raw", [rows]), tmp_path / "clean", SPLIT, workers=1)
    with pytest.raises(
        UserError, match=r"^no train row is left: \d+ have no json target, .* another task, or"
    ):
        build(tmp_path / "clean", tmp_path / "messages", "json")


def test_the_same_input_gives_the_same_bytes_whatever_the_workers(clean: Path, tmp_path: Path) -> None:
    for name, workers in (("a", 1), ("b", 1), ("c", 2)):
        build(clean, tmp_path / name, "json", workers=workers)
    for split in SPLITS:
        assert len({(tmp_path / name / f"{split}.parquet").read_bytes() for name in "abc"}) == 1


def run_stage(folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return subprocess.run(
        [sys.executable, "-m", "stages.build_messages"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_command_prints_counts_and_one_chat(clean: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("clean", "cleaning.json"):
        (tmp_path / "data" / name).symlink_to(clean.with_name(name))
    done = run_stage(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("train: rows ")
    assert "\nuser: <picture>\nProject: owner/board-" in done.stdout
    assert "\nassistant: R, U" in done.stdout
    assert (tmp_path / "metrics" / "messages.json").is_file()
    page = (tmp_path / "metrics" / "data.html").read_text()
    assert page.count("<article") == 12 and "models/tiny has no tokenizer.json on this machine" in page
    assert "metrics of a run" not in done.stdout


@pytest.mark.slow
def test_metrics_of_another_run_are_named(clean: Path, tmp_path: Path) -> None:
    """They stand beside those of the new rows until the later stages have run."""
    (tmp_path / "data").mkdir()
    for name in ("clean", "cleaning.json"):
        (tmp_path / "data" / name).symlink_to(clean.with_name(name))
    (tmp_path / "metrics").mkdir()
    for name in ("baseline", "evaluate"):
        (tmp_path / "metrics" / f"{name}.json").write_text("{}")
    assert run_stage(tmp_path).stdout.startswith(
        "metrics of a run on other rows until `dvc repro` has run: baseline.json, evaluate.json\n"
    )


def test_the_command_without_its_input_is_one_line(tmp_path: Path) -> None:
    done = run_stage(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: data/clean/train holds no part-*.parquet: run `dvc repro clean-to-parquet`\n"
    )


WIDE = ImageLimits(max_side=480, max_pixels=1 << 20, tiles=4)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 generated sheets of 640 x 448 pixels, which WIDE cuts, and some whose text does not tell places."""
    folder = tmp_path_factory.mktemp("large")
    rows = [make_row(number, 1, width=640, height=448) for number in range(60)]
    for row in rows[::5]:
        row["schematic"] = "EESchema Schematic File Version 4"
    split = replace(SPLIT, max_pixels=1 << 20, max_text_chars=5_000_000)
    clean_to_parquet(write_raw(folder / "raw", [rows]), folder / "clean", split, workers=1)
    return folder / "clean"


def test_training_has_the_tiles_of_a_sheet_that_is_cut(large: Path, tmp_path: Path) -> None:
    params = replace(PARAMS, form="compact")
    metrics, _ = build(large, tmp_path / "messages", "json", params, WIDE)
    asked, empty = task("json"), dict.fromkeys(SPLITS, 0)
    for split in SPLITS:
        sheets = list(iterate_rows(clean_parts(large, split)))
        rows = read_messages(tmp_path / "messages", split, tiles=True)
        whole = read_messages(tmp_path / "messages", split)
        assert [row["id"] for row in whole] == [sheet["id"] for sheet in sheets]
        assert {row["tiles"] for row in whole} == {4} and {row["tile"] for row in whole} == {None}
        untold = [sheet["id"] for sheet in sheets if sheet["schematic"].startswith("EESchema")]
        told = {sheet["id"]: sheet for sheet in sheets if sheet["id"] not in untold}
        tiles = [row for row in rows if row["tile"] is not None]
        images = SheetImages(large, split, WIDE)
        shown = {row["id"]: images.shown_parts(row) for row in whole if row["id"] in told}
        empty[split] = 4 * len(told) - sum(map(len, shown.values()))
        assert (metrics[split]["tiles"], metrics[split]["no_places"]) == (len(tiles), len(untold))
        assert metrics[split]["empty_tiles"] == empty[split]
        assert {(row["id"], row["tile"]): tuple(row["shown"]) for row in tiles} == (
            {(id, tile): part for id, parts in shown.items() for tile, part in parts.items()}
            if split != "test"
            else {}
        )
        for row in tiles:
            assert row["messages"] == chat_row(row)["messages"]
            cut = tiling(640, 448, WIDE)
            targets = tile_targets(asked, told[row["id"]], cut, form="compact")
            assert row["target"] == targets[row["tile"]]
    assert 0 < empty["train"] < metrics["train"]["tiles"]


def chat_row(row: dict[str, Any]) -> dict[str, Any]:
    """The row as it comes out of parquet, with the chat of its prompt and target."""
    messages = chat(row["prompt"], row["target"])
    messages[0]["content"][0]["text"] = None
    return row | {"messages": messages}


@pytest.mark.parametrize("on_too_long", ["drop", "cut"])
def test_the_length_of_tiles_counts_where_they_are_trained_on(
    large: Path, tmp_path: Path, on_too_long: Any
) -> None:
    params = replace(PARAMS, form="compact", max_target_chars=150, on_too_long=on_too_long)
    metrics, _ = build(large, tmp_path / "messages", "json", params, WIDE)
    plain, _ = build(large, tmp_path / "all", "json", replace(params, max_target_chars=9999), WIDE)
    for split in ("train", "validation"):
        before = read_messages(tmp_path / "all", split, tiles=True)
        rows = read_messages(tmp_path / "messages", split, tiles=True)
        long = [row for row in before if row["tile"] is not None and len(row["target"]) > 150]
        is_cut = on_too_long == "cut" and split == "train"
        assert (metrics[split]["too_long"], metrics[split]["cut"]) == (
            (0, len(long)) if is_cut else (len(long), 0)
        )
        assert len(rows) == len(before) - (0 if is_cut else len(long)) and long
        assert all(len(row["target"]) <= 150 for row in rows if row["tile"] is not None)
        assert metrics[split]["rows"] == plain[split]["rows"]
        assert max(len(row["target"]) for row in rows if row["tile"] is None) > 150
    assert metrics["test"]["too_long"] > 0
    whole = read_messages(tmp_path / "messages", "test", tiles=True)
    assert all(len(row["target"]) <= 150 and row["tile"] is None for row in whole)

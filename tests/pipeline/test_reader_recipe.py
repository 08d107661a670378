"""The recipe of docs/reader.md on a handful of sheets: an adapter for all tasks, which becomes the reader."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from schematic_reader.cleaning.split_groups import choose_split
from schematic_reader.io.fingerprint import file_digest
from schematic_reader.io.tables import RAW, write_rows
from schematic_reader.synthetic.sample import make_row
from tests.support.checkout import copy_checkout, git
from tests.support.commands import documented, give_environment
from tests.support.finished import commit, small_params
from tests.support.paths import ROOT

TRAINED = 8  # the first of them in the validation split, which the name of its repository decides
HELD_OUT = 2
TILES = 2  # of a sheet: more take more time, and nothing else is different


def on_few(own: Path) -> dict[str, str]:
    """What an experiment of the recipe says, and what stands for it here: few sheets, tiles and epochs."""
    return {
        "image.tiles=80": f"image.tiles={TILES}",
        "epochs=3": "epochs=1",
        "FOLDER": str(own / "train.parquet"),
        "TEST": str(own / "test.parquet"),
    }


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After the recipe's training; one answer is asked of few sheets, in few tokens."""
    folder = copy_checkout(tmp_path_factory.mktemp("checkout"))
    give_environment(folder)
    params = small_params("components")
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    shutil.rmtree(folder / "models" / "reader", ignore_errors=True)
    own = folder.with_name("own")
    rows = [make_row(number, 42, width=640, height=448) for number in range(TRAINED + HELD_OUT)]
    shares = {name: params["clean"][name] for name in ("validation", "test")}
    names = [f"owner/board-{number}" for number in range(50)]
    chosen = [name for name in names if choose_split(name, **shares) == "validation"][:1]
    chosen += [name for name in names if choose_split(name, **shares) != "validation"]
    for number, (row, name) in enumerate(zip(rows, chosen, strict=False)):
        row["name"] = name
        row["image"]["path"] = f"{number}.png"
    write_rows(own / "train.parquet", RAW, rows[:TRAINED])
    write_rows(own / "test.parquet", RAW, rows[TRAINED:])
    commit(folder, "Few sheets and short answers")
    documented(
        "dvc exp run train --name reader "
        "-S profiles.sample.data.source=local -S profiles.sample.data.rows=null "
        "-S profiles.sample.data.path=FOLDER -S profiles.sample.data.test_path=TEST "
        "-S profiles.sample.image.max_side=576 -S profiles.sample.image.max_pixels=232000 "
        "-S profiles.sample.image.tiles=80 "
        "-S profiles.sample.train.epochs=3 -S profiles.sample.train.max_sheets=100000 "
        "-S profiles.sample.train.step_tokens=65536 -S profiles.sample.train.packed_length=32768 "
        "-S profiles.sample.train.learning_rate=3.0e-3 -S 'lora.extra_targets=[vision,merger]' "
        "-S task=json -S messages.with_name=false -S messages.max_target_chars=100000 "
        "-S evaluate.max_new_tokens=2048",
        folder,
        on_few(own),
    )
    return folder


def test_it_trains_on_the_sheets_with_the_settings_of_the_recipe(checkout: Path) -> None:
    settings = json.loads((checkout / "models" / "adapter" / "reader.json").read_text())
    del settings["answer_tokens"], settings["base_weights"]
    assert settings == {
        "task": "json",
        "form": "compact",
        "with_name": False,
        "image": {"max_side": 576, "max_pixels": 232000, "tiles": TILES},
        "canvas": None,
    }
    clean = json.loads((checkout / "metrics" / "clean.json").read_text())
    assert clean["splits"]["test"] == HELD_OUT
    trained = json.loads((checkout / "metrics" / "train.json").read_text())
    assert 0 < trained["sheets"] < TRAINED and trained["dropped"] == {"too_long": 0}


def test_it_reads_and_becomes_the_reader_that_ships(checkout: Path) -> None:
    row = make_row(99, 42, width=640, height=448)
    (checkout / "sheet.png").write_bytes(row["image"]["bytes"])
    (checkout / ".git" / "info" / "exclude").write_text("sheet.png\n")
    said = documented("python -m stages.predict sheet.png --adapter models/adapter --format bom", checkout)
    assert "Reference,Value,Qty" in said
    assert "read by models/adapter on models/tiny, trained for the task json" in said
    other = checkout.with_name("other")
    shutil.copytree(checkout / "models" / "adapter", other)
    documented(
        "python -m pretraining.averaged --out averaged models/adapter=0.5 OTHER=0.5",
        checkout,
        {"OTHER": str(other)},
    )
    again = documented(
        "python -m stages.predict sheet.png --adapter models/adapter --format bom",
        checkout,
        {"models/adapter": "averaged"},
    )
    assert "read by averaged on models/tiny, trained for the task json" in again
    shutil.rmtree(checkout / "averaged")
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["evaluate"]["max_new_tokens"] = 8  # of the base model too
    (checkout / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    documented("dvc repro", checkout)
    commit(checkout, "Train a reader")
    documented("python -m stages.publish --repo OWNER/NAME --dry-run", checkout)
    documented("cp -r published/. models/reader", checkout)
    documented("git add models/reader", checkout)
    assert "models/reader/adapter_model.safetensors" in git(checkout, "diff", "--cached", "--name-only")
    said = documented("python -m stages.predict sheet.png", checkout)
    assert "read by models/reader on models/tiny, trained for the task json" in said
    assert "part,kind,seen in,confidence" in said


def test_training_starts_from_the_reader_that_ships(checkout: Path) -> None:
    """Its loss before the first step is far below that of a new adapter on the same sheets."""
    new = json.loads((checkout / "metrics" / "train.json").read_text())
    shipped = checkout / "models" / "reader"
    shutil.rmtree(shipped, ignore_errors=True)
    shutil.copytree(ROOT / "models" / "reader", shipped)
    commit(checkout, "Take the reader that ships")
    own = checkout.with_name("own")
    said = documented(
        "dvc exp run train --name further "
        "-S lora.init_from=models/reader -S 'lora.extra_targets=[vision,merger]' "
        "-S profiles.sample.data.source=local -S profiles.sample.data.rows=null "
        "-S profiles.sample.data.path=FOLDER -S profiles.sample.data.test_path=TEST "
        "-S profiles.sample.image.max_side=576 -S profiles.sample.image.max_pixels=232000 "
        "-S profiles.sample.image.tiles=80 "
        "-S profiles.sample.train.epochs=3 -S profiles.sample.train.max_sheets=100000 "
        "-S profiles.sample.train.step_tokens=16384 -S profiles.sample.train.packed_length=16384 "
        "-S profiles.sample.train.learning_rate=5.0e-4 -S train.warmup_steps=3 "
        "-S task=json -S messages.with_name=false -S messages.max_target_chars=100000 "
        "-S evaluate.max_new_tokens=2048",
        checkout,
        on_few(own),
    )
    assert "Running stage 'train'" in said and "training starts from the adapter in models/reader" in said
    assert "was trained for image ImageLimits(max_side=576, max_pixels=232000, tiles=80) (here" in said
    trained = json.loads((checkout / "metrics" / "train.json").read_text())
    assert trained["validation_loss_before"] < 0.7 * new["validation_loss_before"]
    assert trained["init_from"] == file_digest(shipped / "adapter_model.safetensors")
    settings = json.loads((checkout / "models" / "adapter" / "reader.json").read_text())
    before = json.loads((shipped / "reader.json").read_text())
    assert settings == before | {"image": before["image"] | {"tiles": TILES}}

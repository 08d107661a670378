"""All six stages on a handful of generated sheets, for every task: what they write, by hand and by DVC."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from tokenizers import Tokenizer

from stages import baseline, build_messages, clean_to_parquet, compare, evaluate, fetch, train
from tests.support.checkout import dvc, run_python
from tests.support.finished import copy_finished, digests, small_params, write_params
from tests.support.paths import ROOT

DATA_STAGES = (fetch, clean_to_parquet)
MODEL_STAGES = (build_messages, baseline, train, evaluate)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the base model in which fetch and clean-to-parquet are done."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "models").mkdir()
    (folder / "models" / "tiny").symlink_to(ROOT / "models" / "tiny")
    write_params(folder, "components")
    run_stages(folder, DATA_STAGES)
    return folder


def run_stages(folder: Path, stages: tuple[Any, ...]) -> None:
    with chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["stage"])
        for stage in stages:
            stage.main()


@pytest.fixture
def folder(rows: Path, tmp_path: Path) -> Path:
    """A copy of ``rows`` to run the other stages in."""
    return Path(shutil.copytree(rows, tmp_path / "run", symlinks=True))


def run_model_stages(folder: Path, task: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run what comes after clean-to-parquet for ``task``, and check what is true of every task's results."""
    write_params(folder, task)
    run_stages(folder, MODEL_STAGES)
    before, after = (
        json.loads((folder / f"metrics/{name}.json").read_text()) for name in ("baseline", "evaluate")
    )
    assert set(before) - {"prior"} == set(after) - {"gain", "confidence", "confidence_parts"}
    assert before["sheets"] == after["sheets"] == 4
    if small_params(task)["evaluate"]["grammar"]:
        assert before["answers"]["valid"] == after["answers"]["valid"] == 1.0
    assert before["no_image"]["sheets"] == after["no_image"]["sheets"] == 2
    assert "<article" in (folder / "metrics" / "report.html").read_text()
    assert '<pre class="tokens">' in (folder / "metrics" / "data.html").read_text()
    assert_adapter_tells_its_settings(folder, task)
    predictions = [
        pq.read_table(folder / f"data/predictions/{name}.parquet") for name in ("baseline", "tuned")
    ]
    assert predictions[0].column("id").equals(predictions[1].column("id"))
    train_names, test_names = (
        set(pq.read_table(folder / f"data/messages/{split}.parquet").column("name").to_pylist())
        for split in ("train", "test")
    )
    assert train_names and test_names and not train_names & test_names
    capsys.readouterr()
    run_stages(folder, (compare,))
    assert f"{after['f1']:.3f}" in capsys.readouterr().out


def assert_adapter_tells_its_settings(folder: Path, task: str) -> None:
    """The settings of the run, the longest answer by the tokenizer itself, the base by its weights."""
    settings = json.loads((folder / "models" / "adapter" / "reader.json").read_text())
    tokenizer = Tokenizer.from_file(str(folder / "models" / "tiny" / "tokenizer.json"))
    targets = pq.read_table(folder / "data/messages/train.parquet", columns=["target"]).column(0).to_pylist()
    longest = max(len(tokenizer.encode(target).ids) for target in targets)
    trained = json.loads((folder / "metrics" / "train.json").read_text())
    assert settings | {"answer_tokens": 0, "base_weights": ""} == {
        "task": task,
        "form": "compact",
        "with_name": True,
        "image": {"max_side": 256, "max_pixels": 1048576, "tiles": 1},
        "canvas": [640, 448],
        "answer_tokens": 0,
        "base_weights": "",
    }
    assert trained["answer_tokens"] / trained["sheets"] <= settings["answer_tokens"] <= longest + 1  # its end
    weights = sorted((folder / "models" / "tiny").glob("*.safetensors"))
    listed = [[file.name, hashlib.sha256(file.read_bytes()).hexdigest()] for file in weights]
    assert settings["base_weights"] == hashlib.sha256(json.dumps(listed).encode()).hexdigest()
    noted = json.loads((folder / "models" / "adapter" / "sha256.json").read_text())
    assert noted["reader.json"] == digest_of(folder / "models" / "adapter")["reader.json"]


@pytest.mark.parametrize("task", ["yaml", "json", "schematic"])
def test_structured_tasks_go_through_all_stages(
    folder: Path, task: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_model_stages(folder, task, capsys)


def test_large_sheets_go_through_all_stages_in_tiles(folder: Path) -> None:
    params = small_params("yaml")
    params["profiles"]["sample"]["image"] |= {"max_side": 264, "tiles": 4}
    params["profiles"]["sample"]["train"] |= {"max_sheets": 3}
    params["evaluate"] |= {
        "max_sheets": 2,
        "no_image_sheets": 1,
        "calibration_sheets": 1,
        "max_new_tokens": 8,
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    run_stages(folder, MODEL_STAGES)
    trained, before, after = (
        json.loads((folder / f"metrics/{name}.json").read_text())
        for name in ("train", "baseline", "evaluate")
    )
    assert (trained["sheets"], trained["validation_sheets"]) == (3, 2)
    assert before["sheets"] == after["sheets"] == 2 and after["no_image"]["sheets"] == 1
    rows = {
        split: pq.read_table(folder / f"data/messages/{split}.parquet").to_pylist()
        for split in ("train", "test")
    }
    assert {row["tiles"] for row in rows["train"]} == {4}
    assert {row["tile"] for row in rows["train"]} == {None, 0, 1, 2, 3}
    asked = {row["id"]: row["target"] for row in rows["test"]}
    tuned = pq.read_table(folder / "data/predictions/tuned.parquet").to_pylist()
    assert len(tuned) == 2 and all(row["target"] == asked[row["id"]] for row in tuned)
    answers = [line for path in (folder / ".answer_cache/tuned").rglob("*.jsonl") for line in path.open()]
    # Four questions a sheet, tests, control and calibration, without the tiles with nothing on them.
    assert 2 + 4 + 1 < len(answers) <= (2 + 1 + 1) * 4


def test_stages_by_hand_write_the_bytes_of_dvc_repro(
    folder: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second run, in one process and another folder, has the same data and metrics."""
    run_model_stages(folder, "components", capsys)
    found = digests(folder)
    assert {"metrics/evaluate.json", "data/predictions/tuned.parquet", "data/raw/manifest.json"} <= set(found)
    assert found == digests(finished)


@pytest.fixture(scope="module")
def reproduced(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout after a real ``dvc repro``."""
    return copy_finished(finished, tmp_path_factory.mktemp("checkout"))


def test_dvc_repro_runs_whole_and_then_has_nothing_to_do(reproduced: Path) -> None:
    assert set(json.loads(dvc(reproduced, "status", "--json").stdout)) == set()
    again = dvc(reproduced, "repro").stdout
    assert "Running stage" not in again and "up to date" in again


def test_a_gpu_profile_without_a_gpu_fails_in_one_line(reproduced: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU")
    params = yaml.safe_load((reproduced / "params.yaml").read_text())
    params["profiles"]["sample"]["model"]["device"] = "cuda"
    (reproduced / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    adapter = digest_of(reproduced / "models" / "adapter")
    done = run_python(reproduced, "-m", "stages.train")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "error: this profile needs a CUDA GPU" in done.stderr.splitlines()[-1]
    assert digest_of(reproduced / "models" / "adapter") == adapter


def digest_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}

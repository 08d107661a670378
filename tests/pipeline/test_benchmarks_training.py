"""The training benchmark end to end with the small model's geometry: both recipes run and are recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peft
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trl

from benchmarks.common import results as data_results
from benchmarks.training import exactness as train_exactness
from benchmarks.training import gpus as train_gpus
from benchmarks.training import steps as train_steps
from benchmarks.training import throughput as train_throughput
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.training import adapter
from schematic_reader.training.feature_cache import FeatureCache
from tests.support.checkout import copy_checkout, run_python
from tests.support.paths import ROOT
from tests.support.sheet_samples import LIMITS, message_rows, ready_to_train, write_params


def raw_file(folder: Path, count: int) -> Path:
    """Small sheets as a parquet file with Open Schematics' columns."""
    rows = message_rows(folder, count)
    sheets = SheetImages(folder, "train", LIMITS)
    raw = [
        {
            "image": {"bytes": sheets.image_bytes(row), "path": None},
            "components_used": row["target"].split(", "),
            "name": row["name"],
            "type": ".kicad_sch",
        }
        for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(raw), folder / "rows.parquet")
    return folder / "rows.parquet"


def test_both_recipes_are_run_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results.jsonl"
    monkeypatch.setattr(data_results, "RESULTS", results)
    monkeypatch.chdir(ROOT)
    rows = str(raw_file(tmp_path, 13))
    monkeypatch.setattr("sys.argv", ["train_throughput", "--model", "tiny", "--rows", rows])
    dropouts: list[float] = []
    inject = peft.get_peft_model
    for trainer in (trl.trainer.sft_trainer, adapter):
        monkeypatch.setattr(
            trainer,
            "get_peft_model",
            lambda *a, **k: (dropouts.append(a[1].lora_dropout), inject(*a, **k))[1],
        )
    train_throughput.main()
    lines: list[dict[str, Any]] = [json.loads(line) for line in results.read_text().splitlines()]
    assert [line["variant"] for line in lines] == ["tutorial", "packed"]
    assert dropouts == [0.05, 0.05]  # the same work, whatever params.yaml has
    for line in lines:
        assert {"benchmark", "date", "device", "variant", "samples_per_s", "ratio"} <= set(line)
        assert line["samples_per_s"] > 0 and line["samples"] > 0 and 0 <= line["wait"] <= 1
    tutorial, packed = lines
    assert tutorial["samples"] == 5  # 13 sheets are 7 batches: 4 make the step of the warm-up, 3 the other
    assert tutorial["ratio"] is None
    assert packed["ratio"] == pytest.approx(packed["samples_per_s"] / tutorial["samples_per_s"], rel=0.02)
    rates = [line["steady_samples_per_s"] for line in lines]
    assert packed["steady_ratio"] == pytest.approx(rates[1] / rates[0], rel=0.02)


def recorded(benchmark: Any, words: list[str], folder: Path, patch: pytest.MonkeyPatch) -> list[Any]:
    """The lines that a benchmark of the small model records about five sheets."""
    results = folder / "results.jsonl"
    patch.setattr(data_results, "RESULTS", results)
    patch.chdir(ROOT)
    patch.setattr("sys.argv", ["it", "--model", "tiny", "--rows", str(raw_file(folder, 5)), *words])
    benchmark.main()
    return [json.loads(line) for line in results.read_text().splitlines()]


def test_nothing_that_packing_or_compiling_does_changes_loss_or_gradient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = recorded(train_exactness, ["--sheets", "3"], tmp_path, monkeypatch)
    assert [line["variant"] for line in lines] == [
        *["packed in another order"] * 3,
        "each sheet alone",
        "packed, padded and compiled",
    ]
    for line in lines:
        assert line["loss_off"] <= 1e-5 and line["gradient_off"] <= 1e-4


def test_processes_are_measured_over_full_steps_beside_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over gloo on the CPU, in a checkout with rows so short that seven sheets make several steps."""
    checkout = tmp_path / "checkout"
    copy_checkout(checkout)
    params = checkout / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace(": 912", ": 300"), encoding="utf-8")
    words = ["--model", "tiny", "--rows", str(raw_file(tmp_path, 7)), "--step-tokens", "300"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as each of several processes has
    run_python(checkout, "-m", "benchmarks.training.gpus", *words, check=True)
    recorded = (checkout / "benchmarks" / "results.jsonl").read_text().splitlines()
    one, two, sharded = lines = [json.loads(line) for line in recorded[-3:]]
    assert [line["variant"] for line in lines] == ["whole in each process"] * 2 + ["sharded"]
    assert [line["processes"] for line in lines] == [1, 2, 2]
    assert one["ratio"] == 1 and sharded["weights_gib"] < two["weights_gib"] == one["weights_gib"]
    for line in (two, sharded):
        assert line["ratio"] == pytest.approx(line["samples_per_s"] / one["samples_per_s"], abs=0.02)
        assert line["losses"] == pytest.approx(one["losses"], rel=1e-4)
    assert one["steps"] == len(one["losses"]) - train_gpus.WARM_UP - 1 > 0


def test_ways_of_a_step_are_told_turn_by_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results.jsonl"
    ready_to_train(tmp_path, train=12, validation=1)
    write_params(tmp_path)
    monkeypatch.setattr(data_results, "RESULTS", results)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train_steps", "--steps", "1"])
    looked_at: list[int] = []
    write = FeatureCache.write
    monkeypatch.setattr(
        FeatureCache, "write", lambda *words: (looked_at.append(len(words[1].sheet_ids)), write(*words))[1]
    )
    train_steps.main()
    lines = {line["variant"]: line for line in map(json.loads, results.read_text().splitlines())}
    assert set(lines) == {"padded", "packed", "cached"} and lines["padded"]["ratio"] == 1
    assert all(line["processor_s_a_sheet"] > 0 for line in lines.values())
    assert len(looked_at) == 3  # once for each row of three turns

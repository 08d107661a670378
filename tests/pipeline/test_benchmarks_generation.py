"""The answering benchmark end to end with the small model's geometry, and on a finished run."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.common import results as data_results
from benchmarks.generation import exactness as generate_exactness
from benchmarks.generation import throughput as generate_throughput
from tests.support.answering import drawn
from tests.support.checkout import copy_checkout, run_python
from tests.support.paths import ROOT


def raw_file(folder: Path, count: int) -> Path:
    """Small sheets as a parquet file with Open Schematics' columns."""
    raw = []
    for i in range(count):
        data = io.BytesIO()
        drawn(i).save(data, "PNG")
        image, names = {"bytes": data.getvalue(), "path": None}, [f"R{j}" for j in range(i + 1)]
        raw.append({"image": image, "components_used": names, "name": f"o/{i}", "type": ".kicad_sch"})
    pq.write_table(pa.Table.from_pylist(raw), folder / "rows.parquet")
    return folder / "rows.parquet"


def test_both_ways_are_run_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "results.jsonl"
    monkeypatch.setattr(data_results, "RESULTS", results)
    monkeypatch.chdir(ROOT)
    words = ["--model", "tiny", "--rows", str(raw_file(tmp_path, 5)), "--batch-size", "2"]
    monkeypatch.setattr("sys.argv", ["generate_throughput", *words])
    generate_throughput.main()
    lines: list[dict[str, Any]] = [json.loads(line) for line in results.read_text().splitlines()]
    tutorial, batched = lines
    assert (tutorial["variant"], tutorial["samples"], tutorial["ratio"]) == ("tutorial", 2, None)
    assert (batched["variant"], batched["samples"], batched["batch_size"]) == ("continuous", 5, 2)
    tokens = [line["answer_tokens_per_s"] for line in lines]
    assert batched["ratio"] == pytest.approx(tokens[1] / tokens[0], rel=0.02)
    assert tutorial["answer_tokens"] == pytest.approx(batched["answer_tokens"], rel=0.2)
    assert 0 < batched["tail_s"] < batched["timed_s"] + 0.1
    assert batched["equal"] == 1.0
    assert batched["decode_ms"] > 0 and 0 < batched["share_of_floor"] < 1


def test_the_loop_gets_sheets_with_answers_as_long_as_those_of_all() -> None:
    lengths = [90, 10, 20, 80, 30, 70, 40, 60, 50]
    chosen = generate_throughput.stratified(lengths, 3)
    assert sorted(lengths[index] for index in chosen) == [20, 50, 80]
    assert generate_throughput.stratified(lengths, 20) == list(range(9))


def test_several_processes_are_measured_beside_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over gloo on the CPU, in a checkout whose file of results may grow."""
    checkout = tmp_path / "checkout"
    copy_checkout(checkout)
    words = ["--model", "tiny", "--rows", str(raw_file(tmp_path, 5)), "--batch-size", "2", "--sheets", "5"]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as each of several processes has
    run_python(checkout, "-m", "benchmarks.generation.gpus", *words, check=True)
    recorded = (checkout / "benchmarks" / "results.jsonl").read_text().splitlines()
    one, two = map(json.loads, recorded[-2:])
    assert [one["benchmark"], two["benchmark"]] == ["generate_gpus"] * 2
    assert [line["processes"] for line in (one, two)] == [1, 2]
    assert one["samples"] == two["samples"] == 5 and one["share_of_ideal"] == one["equal"] == 1
    assert two["times_one"] == pytest.approx(two["samples_per_s"] / one["samples_per_s"], abs=0.02)
    assert two["share_of_ideal"] == pytest.approx(two["times_one"] / 2, abs=0.01)
    assert two["equal"] == 1


def test_answers_of_a_finished_run_are_those_of_a_plain_loop(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results.jsonl"
    monkeypatch.setattr(data_results, "RESULTS", results)
    monkeypatch.chdir(finished)
    monkeypatch.setattr("sys.argv", ["generate_exactness", "--sheets", "3"])
    generate_exactness.main()
    line = json.loads(results.read_text())
    assert line["sheets"] == 3
    if line["dtype"] == "float32":
        assert line["equal"] == 1.0 and line["f1_fast"] == line["f1_one_by_one"]
    assert line["resumed_equal"] == 1.0

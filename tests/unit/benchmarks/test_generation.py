"""The answering benchmark end to end with the small model's geometry, and the arithmetic of its floor."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoConfig

from benchmarks.common import results as data_results
from benchmarks.generation import exactness as generate_exactness
from benchmarks.generation import throughput as generate_throughput
from benchmarks.generation.work import TimedRequest, floor_seconds, prompt_flop
from schematic_reader.model.device import prepare_device
from schematic_reader.model.load import load_base
from tests.support.answering import TINY, drawn
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
    assert batched["ratio"] == pytest.approx(batched["samples_per_s"] / tutorial["samples_per_s"], rel=0.02)
    assert batched["equal"] == 1.0
    assert batched["decode_ms"] > 0 and 0 < batched["share_of_floor"] < 1


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


def test_the_arithmetic_of_a_prompt_is_what_pytorch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    config = AutoConfig.from_pretrained(TINY.base)
    model: Any = load_base(TINY, prepare_device(TINY, 1))
    with torch.no_grad(), FlopCounterMode(display=False) as seeing:
        model.model.visual(torch.randn(192, 3 * 2 * 16 * 16), torch.tensor([[1, 12, 16]]))
    with torch.no_grad(), FlopCounterMode(display=False) as reading:
        model.model.language_model(input_ids=torch.ones(1, 100, dtype=torch.int64), use_cache=False)
    masked = 2 * 6 * 100**2 * 4 * 64  # the half of the attention that is causally not there
    head = 2 * config.text_config.vocab_size * config.text_config.hidden_size
    expected = seeing.get_total_flops() + reading.get_total_flops() - masked + head
    assert prompt_flop(config, TimedRequest(100, 0, 192)) == pytest.approx(expected, rel=1e-9)


def test_the_floor_by_hand() -> None:
    """Where memory is slow: the weights once a step for the whole batch, each answer's cache by itself."""
    config = AutoConfig.from_pretrained(TINY.base)
    layer = 256 * (2 * 256 + 2 * 128) + 3 * 256 * 768
    weights = 4 * (6 * layer + 4096 * 256)
    cache = 4 * 2 * 6 * 2 * 64
    sheets = [TimedRequest(100, 10, 192)] * 4
    found = floor_seconds(config, sheets, batch_size=4, flops=1e30, bandwidth=1000.0, bytes_a_value=4)
    assert found == pytest.approx((10 * weights + 4 * 10 * 105 * cache) / 1000)

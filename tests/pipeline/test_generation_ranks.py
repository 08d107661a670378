"""Answers of two processes that share the work, over gloo on the CPU."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from schematic_reader.generation.answer_cache import AnswerCache
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.sheet_images import SheetImages
from tests.support.answering import LIMITS, TINY, answerer, drawn, write_sheets
from tests.support.paths import ROOT

SHEETS = 5
PROCESS = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from schematic_reader.generation.answer_cache import AnswerCache
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.distributed import init, shutdown
from schematic_reader.model.sheet_images import SheetImages
from tests.support.answering import LIMITS, TINY, answerer
folder, rows = Path(sys.argv[1]), json.loads(sys.argv[2])
device = prepare_device(TINY, 1)
process = init(device)
cache = AnswerCache(folder / "answers", "run")
encoder = Encoder(load_processor(TINY.base, None))
answers = answerer(load_base(TINY, device), encoder, cache).answer(SheetImages(folder, "test", LIMITS), rows)
(folder / f"{process}.json").write_text(json.dumps([asdict(answer) for answer in answers]))
shutdown()
"""


def test_two_processes_give_the_answers_of_one_each_asking_its_share(tmp_path: Path) -> None:
    rows = write_sheets(tmp_path, [drawn(i) for i in range(SHEETS)])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path), json.dumps(rows)],
            env={**os.environ, **shared, "RANK": rank, "LOCAL_RANK": rank},
            stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )
        for rank in "01"
    ]  # fmt: skip
    errors = [process.communicate(timeout=300)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], errors
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in "01")
    assert first == second
    # Three batches of 2, 2 and 1: the first process had the first and the last.
    files = [tmp_path / "answers" / "run" / f"rank-{rank}.jsonl" for rank in "01"]
    assert [len(file.read_bytes().splitlines()) for file in files] == [3, 2]
    model, encoder = load_base(TINY, prepare_device(TINY, 1)), Encoder(load_processor(TINY.base, None))
    sheets = SheetImages(tmp_path, "test", LIMITS)
    # One process alone finds what both have stored.
    stored = answerer(model, encoder, AnswerCache(tmp_path / "answers", "run"))
    stored._load_model = lambda: pytest.fail("the model is loaded")
    assert [asdict(answer) for answer in stored.answer(sheets, rows)] == first
    alone = answerer(model, encoder).answer(sheets, rows)
    assert [answer["text"] for answer in first] == [answer.text for answer in alone]
    for answer, other in zip(first, alone, strict=True):
        assert answer["probabilities"] == pytest.approx(other.probabilities, abs=1e-5)

"""Answers of two processes that share the work, over gloo on the CPU."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from schematic_reader.generation.generate import answer_sheets
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.sheets import Sheets
from tests.support.paths import ROOT
from tests.unit.generation.test_generate import LIMITS, TINY, drawn, write_sheets

SHEETS = 5
PROCESS = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from schematic_reader.generation.generate import answer_sheets
from schematic_reader.generation.journal import Journal
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.shares import join
from schematic_reader.model.sheets import Sheets
from tests.unit.generation.test_generate import LIMITS, TINY
folder, rows = Path(sys.argv[1]), json.loads(sys.argv[2])
device = prepare_device(TINY, 1)
process = join(device)
journal = Journal(folder / "part" / f"{process}.jsonl", "run")
answers = answer_sheets(
    load_base(TINY, device), Encoder(load_processor(TINY.base, None)),
    Sheets(folder, "test", LIMITS), rows, batch_size=2, max_new_tokens=8, journal=journal,
)
(folder / f"{process}.json").write_text(json.dumps([[asdict(a) for a in answers], len(journal.values)]))
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
    (first, first_asked), (second, second_asked) = (
        json.loads((tmp_path / f"{rank}.json").read_text()) for rank in "01"
    )
    assert first == second
    # Three batches of 2, 2 and 1: the first process had the first and the last.
    assert (first_asked, second_asked) == (3, 2)
    alone = answer_sheets(
        load_base(TINY, prepare_device(TINY, 1)), Encoder(load_processor(TINY.base, None)),
        Sheets(tmp_path, "test", LIMITS), rows, batch_size=2, max_new_tokens=8,
    )  # fmt: skip
    assert [answer["text"] for answer in first] == [answer.text for answer in alone]
    for answer, other in zip(first, alone, strict=True):
        assert answer["probabilities"] == pytest.approx(other.probabilities, abs=1e-5)

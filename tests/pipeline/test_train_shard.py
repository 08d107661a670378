"""Training with the frozen base sharded over two ranks (``train.shard``), here over gloo on the CPU."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schematic_reader.model.device import prepare_device
from schematic_reader.model.load import load_base, load_tuned
from stages import train
from tests.support.sheet_samples import TINY, ready_to_train, write_exact_params
from tests.support.training_runs import ENVIRONMENT, assert_same_training, run_train

MEASURED = """
import json, logging, os
from pathlib import Path
from schematic_reader.training import finetune
from stages import train

logging.basicConfig(level=logging.INFO)

def held(model):
    sums = {"vision": 0, "adapter": 0, "rest": 0}
    for name, weight in model.named_parameters():
        part = "adapter" if "lora_" in name else "vision" if ".visual." in name else "rest"
        sums[part] += getattr(weight, "to_local", lambda: weight)().untyped_storage().nbytes()
    return sums

def measured(model, *rest, **named):
    before = held(model)
    done = plain(model, *rest, **named)
    Path(os.environ["RANK"] + ".json").write_text(json.dumps([before, held(done.model)]))
    return done

plain, finetune.finetune = finetune.finetune, measured
train.main()
"""


def prepared(folder: Path) -> Path:
    folder.mkdir()
    ready_to_train(folder, train=9, validation=3)
    write_exact_params(folder, step_tokens=400, packed_length=100, epochs=6, shard=True)
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(text.replace("max_grad_norm: 1.0", "max_grad_norm: 0.05"))
    return folder


def start(folder: Path, log: Path) -> subprocess.Popen[bytes]:
    (folder / "measured.py").write_text(MEASURED)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "measured.py"]
    with log.open("w") as output:
        return subprocess.Popen(
            [sys.executable, *launcher],
            cwd=folder, env=os.environ | ENVIRONMENT, stdout=output, stderr=output,
        )  # fmt: skip


def test_shards_train_what_one_process_does_each_holding_half(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also over an interruption, with a gradient that is cut in every step."""
    sharded, alone = prepared(tmp_path / "sharded"), prepared(tmp_path / "alone")
    process = start(sharded, tmp_path / "log")
    while not (sharded / train.UNFINISHED / "checkpoint-2" / "complete.json").exists():
        assert process.poll() is None, (tmp_path / "log").read_text()[-4000:]
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)  # the launcher ends what it has started
    process.wait()
    assert not (sharded / train.ADAPTER).exists()
    assert start(sharded, tmp_path / "log").wait() == 0, (tmp_path / "log").read_text()[-4000:]
    assert "training resumes after step " in (tmp_path / "log").read_text()
    caplog.set_level("INFO", "stages.train")
    run_train(alone)
    assert [text for text in caplog.messages if text.startswith("train.shard: there is one process")]
    assert_same_training(alone, sharded)
    device = prepare_device(TINY, 1)
    load_tuned(TINY, device, sharded / train.ADAPTER)

    base = load_base(TINY, device)
    vision = sum(weight.nbytes for weight in base.model.visual.parameters())
    rest = sum(weight.nbytes for weight in base.parameters()) - vision
    for rank in "01":
        before, after = json.loads((sharded / f"{rank}.json").read_text())
        assert after["adapter"] > 0 and after | {"adapter": 0} == before
        assert before["vision"] == vision
        assert before["rest"] == pytest.approx(rest / 2, rel=0.01)

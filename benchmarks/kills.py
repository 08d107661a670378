"""``python -m benchmarks.kills [--kills 10] [--stages train ...]``: kill stages at random moments.

In a clone of this commit, on a handful of sheets, each stage runs undisturbed once. Then, each time without
the run cache and without answers and checkpoints of earlier runs, DVC and all that it has started are sent a
signal after a random part of that time: SIGKILL as often as asked, SIGTERM and SIGINT a third as often. The
same command runs again, to its end. A try is survived if it succeeds and all outputs have the hashes of the
undisturbed run. ``resumed`` are the tries after which training went on from a checkpoint, or answers came
from the cache; ``halted`` those that the signal met before DVC had ended; ``dvc_files`` how often DVC left
its own lock file empty or dvc.lock cut, which docs/trouble.md tells to delete and to restore.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from tqdm import tqdm

from benchmarks.common.results import record

STAGES = ("fetch", "clean-to-parquet", "build-messages", "baseline", "train", "evaluate")
AGAIN = ("repro", "--single-item", "--force", "--no-run-cache")
LEFT_OVER = (".answer_cache", "models/.train.part")
"""What stages keep for their next run."""

_RESUMED = re.compile(r"training resumes after step|[1-9]\d* answers are cached")
_ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Record a line for each stage and signal."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.kills", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--kills", type=int, default=10, help="SIGKILLs of each stage (default: 10)")
    parser.add_argument("--stages", nargs="*", choices=STAGES, default=STAGES)
    args = parser.parse_args()
    rng = random.Random(0)
    others = -(-args.kills // 3)
    signals = {signal.SIGKILL: args.kills, signal.SIGTERM: others, signal.SIGINT: others}
    with TemporaryDirectory() as temporary:
        checkout = Path(temporary) / "checkout"
        subprocess.run(["git", "clone", "-q", str(_ROOT), str(checkout)], check=True)
        params = checkout / "params.yaml"
        params.write_text(yaml.safe_dump(handful(yaml.safe_load(params.read_text())), sort_keys=False))
        finish(run_dvc(checkout, "repro"))
        for stage in args.stages:
            seconds, expected = undisturbed(checkout, stage)
            for sent, tries in signals.items():
                moments = [rng.uniform(0, seconds) for _ in range(tries)]
                counts = try_stage(checkout, stage, sent, moments, expected)
                record("kills", f"{stage}, {sent.name}", **counts, seconds=round(seconds, 1))


def handful(params: dict[str, Any]) -> dict[str, Any]:
    """The params, cut down to a handful of sheets, with several checkpoints."""
    params["clean"] |= {"validation": 0.25, "test": 0.25}
    params["image"] |= {"max_side": 256}
    params["evaluate"] |= {"max_sheets": 16, "calibration_sheets": 8, "no_image_sheets": 2}
    params["evaluate"] |= {"max_new_tokens": 24, "bootstrap_samples": 50, "grammar": False}
    params["train"] |= {"validation_sheets": 2, "warmup_steps": 1}
    sample = params["profiles"]["sample"]
    sample["data"] |= {"rows": 120}
    sample["train"] |= {"max_sheets": 16, "step_tokens": 1024, "packed_length": 1024}
    sample["train"] |= {"epochs": 10, "checkpoint_steps": 2}
    sample["model"] |= {"batch_size": 4}
    return params


def undisturbed(checkout: Path, stage: str) -> tuple[float, dict[str, str]]:
    """The seconds that a stage takes, and the hashes of its outputs."""
    clear(checkout)
    start = time.monotonic()
    finish(run_dvc(checkout, *AGAIN, stage))
    return time.monotonic() - start, outputs(checkout, stage)


def try_stage(
    checkout: Path, stage: str, sent: signal.Signals, moments: Sequence[float], expected: Mapping[str, str]
) -> dict[str, int]:
    """Counts of the tries of one stage, to which a signal is sent so many seconds after its start.

    Args:
        expected: the hashes of the undisturbed run's outputs.
    """
    counts = Counter(tried=0, halted=0, survived=0, resumed=0, dvc_files=0)
    for moment in tqdm(moments, desc=f"{stage}, {sent.name}"):
        clear(checkout)
        record_before = (checkout / "dvc.lock").read_bytes()
        process = run_dvc(checkout, *AGAIN, stage)
        time.sleep(moment)
        counts["tried"] += 1
        counts["halted"] += process.poll() is None
        if process.poll() is None:
            os.killpg(process.pid, sent)
        process.communicate()
        lock = checkout / ".dvc" / "tmp" / "rwlock"
        if lock.is_file() and not lock.read_bytes():
            counts["dvc_files"] += 1
            lock.unlink()
        process = run_dvc(checkout, *AGAIN, stage)
        said, _ = process.communicate()
        if process.returncode and "dvc.lock' validation failed" in said:
            counts["dvc_files"] += 1
            (checkout / "dvc.lock").write_bytes(record_before)
            process = run_dvc(checkout, *AGAIN, stage)
            said, _ = process.communicate()
        counts["resumed"] += bool(_RESUMED.search(said))
        counts["survived"] += process.returncode == 0 and outputs(checkout, stage) == expected
        if process.returncode:
            print(said, file=sys.stderr)
    return dict(counts)


def clear(checkout: Path) -> None:
    """Remove what earlier runs have left, so that the next one does all of its work."""
    for name in LEFT_OVER:
        shutil.rmtree(checkout / name, ignore_errors=True)


def run_dvc(checkout: Path, *words: str) -> subprocess.Popen[str]:
    """DVC in a process group of its own, with this environment's programs."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", *words],
        cwd=checkout,
        env=os.environ | {"PATH": path, "HF_HUB_OFFLINE": "1", "DVC_NO_ANALYTICS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for an undisturbed run. Raises SystemExit with what it said where it fails."""
    said, _ = process.communicate()
    if process.returncode:
        raise SystemExit(said)


def outputs(checkout: Path, stage: str) -> dict[str, str]:
    """The hash of each output of a stage, metrics and plots included, as DVC has it."""
    lock = yaml.safe_load((checkout / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for out in lock["stages"][stage]["outs"]}


if __name__ == "__main__":
    main()

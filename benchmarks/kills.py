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
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from benchmarks.common.results import record
from benchmarks.common.small_checkout import (
    AGAIN,
    STAGES,
    clear,
    finish,
    mended,
    outputs,
    run_dvc,
    small_checkout,
)

_RESUMED = re.compile(r"training resumes after step|[1-9]\d* answers are cached")


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
        checkout = small_checkout(Path(temporary) / "checkout")
        finish(run_dvc(checkout, "repro"))
        for stage in args.stages:
            seconds, expected = undisturbed(checkout, stage)
            for sent, tries in signals.items():
                moments = [rng.uniform(0, seconds) for _ in range(tries)]
                counts = try_stage(checkout, stage, sent, moments, expected)
                record("kills", f"{stage}, {sent.name}", **counts, seconds=round(seconds, 1))


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
        counts["dvc_files"] += mended(checkout, record_before)
        process = run_dvc(checkout, *AGAIN, stage)
        said, _ = process.communicate()
        counts["resumed"] += bool(_RESUMED.search(said))
        counts["survived"] += process.returncode == 0 and outputs(checkout, stage) == expected
        if process.returncode:
            print(said, file=sys.stderr)
    return dict(counts)


if __name__ == "__main__":
    main()

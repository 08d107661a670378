"""``python -m benchmarks.kills [--tries 10] [--stages train ...]``: kill stages at random moments.

In a clone of this commit, on a handful of sheets, each stage runs undisturbed once. Then, each time without
the run cache and without answers and checkpoints of earlier runs, DVC and all that it has started are sent a
signal at a random moment between the start of the stage and the end of DVC: SIGKILL as often as asked,
SIGTERM and SIGINT a fifth as often. The same command runs again, to its end. A try is survived if that
succeeds, has run the stage and all outputs have the hashes of the undisturbed run. ``halted`` are the tries
that the signal ended; ``resumable`` those that left a whole checkpoint or answers in the
cache, ``resumed`` those of them after which the next run said that it goes on from that checkpoint, or from
answers; ``dvc_files`` how often DVC left its own lock file empty or dvc.lock cut, which docs/trouble.md tells
to delete and to restore.
"""

from __future__ import annotations

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
    arguments,
    clear,
    finish,
    mended,
    outputs,
    run_dvc,
    small_checkout,
    wait_for_stage,
)


def main() -> None:
    """Record a line for each stage and signal."""
    args = arguments("kills", "kill stages at random moments", "SIGKILLs of each stage")
    rng = random.Random(0)
    others = -(-args.tries // 5)
    # A shell's job in the background ignores SIGINT, and so would all that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signals = {signal.SIGKILL: args.tries, signal.SIGTERM: others, signal.SIGINT: others}
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
    """The seconds from the start of a stage to the end of DVC, and the hashes of its outputs."""
    clear(checkout)
    process = run_dvc(checkout, *AGAIN, stage)
    wait_for_stage(process)
    start = time.monotonic()
    finish(process)
    return time.monotonic() - start, outputs(checkout, stage)


def try_stage(
    checkout: Path, stage: str, sent: signal.Signals, moments: Sequence[float], expected: Mapping[str, str]
) -> dict[str, int]:
    """Counts of the tries of one stage, to which a signal is sent so many seconds after its start.

    Args:
        expected: the hashes of the undisturbed run's outputs.
    """
    counts = Counter(tried=0, halted=0, survived=0, resumable=0, resumed=0, dvc_files=0)
    for moment in tqdm(moments, desc=f"{stage}, {sent.name}"):
        clear(checkout)
        record_before = (checkout / "dvc.lock").read_bytes()
        process = run_dvc(checkout, *AGAIN, stage)
        wait_for_stage(process)
        time.sleep(moment)
        counts["tried"] += 1
        if process.poll() is None:
            os.killpg(process.pid, sent)
        process.communicate()
        counts["halted"] += process.returncode != 0
        counts["dvc_files"] += mended(checkout, record_before)
        line = resuming(checkout)
        process = run_dvc(checkout, *AGAIN, stage)
        ran = wait_for_stage(process)
        said, _ = process.communicate()
        counts["resumable"] += line is not None
        resumed = line is not None and re.search(line, said) is not None
        counts["resumed"] += resumed
        survived = ran and process.returncode == 0 and outputs(checkout, stage) == expected
        counts["survived"] += survived
        if not survived or resumed != (line is not None):
            print(f"after {moment:.2f} s, to be resumed by {line!r}:\n{said}", file=sys.stderr)
    return dict(counts)


def resuming(checkout: Path) -> str | None:
    """A pattern of what the next run says if it goes on from what is left here; None: nothing is."""
    checkpoints = (checkout / "models" / ".train.part").glob("checkpoint-*/complete.json")
    if steps := [int(path.parent.name.rpartition("-")[2]) for path in checkpoints]:
        return rf"training resumes after step {max(steps)}\b"
    answers = (checkout / ".answer_cache").rglob("*.jsonl")
    if any(b"\n" in path.read_bytes() for path in answers):
        return r"\b[1-9]\d* answers are cached"
    return None


if __name__ == "__main__":
    main()

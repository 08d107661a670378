"""``python -m benchmarks.cut_transfers [--tries 10]``: kill ``dvc push`` and ``dvc pull`` in the middle.

A clone of this commit runs on a handful of sheets. Its results are pushed to a folder as remote, and pulled
again after they were removed. Each way, DVC is killed at a random moment between the first file that arrives
and its end, and the same command runs again. A try is survived if that succeeds and the target, which is the
remote, or cache and workspace, has the files of an undisturbed run. ``halted`` are the tries that the kill
met before DVC had ended; ``cut_files`` those after which a file had its final name and not its content;
``dvc_files`` as in ``benchmarks.kills``.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from benchmarks.common.results import record
from benchmarks.common.small_checkout import (
    cached_outputs,
    digests,
    finish,
    mended,
    remove,
    run_dvc,
    small_checkout,
)

_SAMPLING = 0.002  # seconds between two looks at the target


def main() -> None:
    """Record a line for each way."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.cut_transfers", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--tries", type=int, default=10, help="of each way (default: 10)")
    args = parser.parse_args()
    rng = random.Random(0)
    with TemporaryDirectory() as temporary:
        checkout = small_checkout(Path(temporary) / "checkout")
        finish(run_dvc(checkout, "remote", "add", "--default", "shared", str(checkout.parent / "remote")))
        finish(run_dvc(checkout, "repro"))
        for way, target in (
            ("push", Target(checkout.parent, ("remote",))),
            ("pull", Target(checkout, (".dvc/cache/files", *cached_outputs(checkout)))),
        ):
            undisturbed(checkout, way, target)  # the first run makes files that later ones find
            first, last = undisturbed(checkout, way, target)
            expected = digests(target.folder, target.paths)
            counts = Counter(tried=0, halted=0, survived=0, cut_files=0, dvc_files=0)
            for _ in tqdm(range(args.tries), desc=way):
                counts.update(cut(checkout, way, target, rng.uniform(0, last - first), expected))
            record("cut transfers", way, **counts, files=len(expected), seconds=round(last - first, 2))


@dataclass(frozen=True)
class Target:
    """Where files arrive: paths in a folder."""

    folder: Path
    paths: tuple[str, ...]

    def wait(self, until: Callable[[], bool]) -> None:
        """Wait until the first file is there, or ``until`` is true."""
        while not until() and not any(
            name for path in self.paths for _, _, names in os.walk(self.folder / path) for name in names
        ):
            time.sleep(_SAMPLING)


def undisturbed(checkout: Path, way: str, target: Target) -> tuple[float, float]:
    """Seconds from the start of an undisturbed run to the first file that arrives, and to its end."""
    remove(target.folder, target.paths)
    start = time.monotonic()
    process = run_dvc(checkout, way)
    target.wait(lambda: process.poll() is not None)
    first = time.monotonic() - start
    finish(process)
    return first, time.monotonic() - start


def cut(checkout: Path, way: str, target: Target, after: float, expected: dict[str, str]) -> Counter[str]:
    """Counts of one try, with a kill so many seconds after the first file."""
    remove(target.folder, target.paths)
    lock = (checkout / "dvc.lock").read_bytes()
    process = run_dvc(checkout, way)
    target.wait(lambda: process.poll() is not None)
    time.sleep(after)
    counts = Counter(tried=1, halted=process.poll() is None)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    left = digests(target.folder, target.paths)
    counts["cut_files"] += any(left[name] != expected[name] for name in left.keys() & expected.keys())
    counts["dvc_files"] += mended(checkout, lock)
    process = run_dvc(checkout, way)
    said, _ = process.communicate()
    arrived = digests(target.folder, target.paths)
    survived = process.returncode == 0 and expected.items() <= arrived.items()
    counts["survived"] += survived
    if not survived:
        print(said, expected.items() - arrived.items(), sep="\n", file=sys.stderr)
    return counts


if __name__ == "__main__":
    main()

"""``python -m benchmarks.full_disks [--tries 10] [--stages train ...]``: fill the disk while stages write.

A clone of this commit lies on a tmpfs, which root may mount, and each stage runs undisturbed once. Then, each
time without the cache, the stage's outputs and what it keeps for its next run, the disk has room for a part
of the bytes that the stage and DVC write: none, a tenth and so on. ``halted`` are the tries that the full
disk ended, ``uncached`` those in which DVC had no room for its copy of the outputs, which it says, and ends
well. Of both, ``one_line`` are those that told of the disk without a traceback, ``nothing_half`` those that
left only whole files under the names of outputs. Then there is room again, and the same command runs to its
end: a try is survived if that succeeds, and outputs and cache have the hashes of the undisturbed run.
``dvc_files`` as in ``benchmarks.kills``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from benchmarks.common.results import record
from benchmarks.common.small_checkout import (
    AGAIN,
    arguments,
    cached_outputs,
    clear,
    digests,
    finish,
    mended,
    outputs,
    remove,
    run_dvc,
    small_checkout,
)

ROOM = 2 << 30  # bytes of the disk where it is not full
_SAMPLING = 0.01  # seconds between two looks at the disk
_SAID = re.compile(r"no space is left at|No space left on device|disk is full")


@dataclass(frozen=True)
class Undisturbed:
    """A stage's run: bytes in use before it and at most, hashes of its outputs and of their files."""

    before: int
    most: int
    hashes: dict[str, str]
    files: dict[str, str]


def main() -> None:
    """Record a line for each stage."""
    args = arguments("full_disks", "fill the disk while stages write", "full disks of each stage")
    with small_disk() as disk:
        checkout = small_checkout(disk / "checkout")
        for stage in args.stages:
            finish(run_dvc(checkout, "repro", stage))
            run = undisturbed(checkout, stage)
            counts = Counter(
                tried=0, halted=0, uncached=0, one_line=0, nothing_half=0, survived=0, dvc_files=0
            )
            for place in tqdm(range(args.tries), desc=stage):
                counts.update(fill(checkout, stage, run, place / args.tries))
            record("full disks", stage, **counts, written_mib=round((run.most - run.before) / 2**20, 1))


@contextmanager
def small_disk() -> Iterator[Path]:
    """A tmpfs of ``ROOM`` bytes. Raises SystemExit where it cannot be mounted."""
    with TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", folder]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"a tmpfs cannot be mounted here ({done.stderr.strip()}): run it as root")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def resize(checkout: Path, size: int) -> None:
    """Give the disk of the checkout so many bytes."""
    command = ["mount", "-o", f"remount,size={size}", str(checkout.parent)]
    subprocess.run(command, check=True, capture_output=True)


def used(checkout: Path) -> int:
    """Bytes in use on the disk of the checkout."""
    disk = os.statvfs(checkout)
    return (disk.f_blocks - disk.f_bfree) * disk.f_frsize


def strip(checkout: Path, stage: str) -> None:
    """Remove what an earlier run of the stage has made, so that all of it is written anew."""
    clear(checkout)
    remove(checkout, [".dvc/cache", *outputs(checkout, stage)])


def in_cache(checkout: Path, hashes: dict[str, str]) -> bool:
    """Whether DVC's cache has the contents of the outputs that are cached, as it names them."""
    cache = checkout / ".dvc" / "cache" / "files" / "md5"
    kept = [hash for path, hash in hashes.items() if path in cached_outputs(checkout)]
    return all((cache / hash[:2] / hash[2:]).is_file() for hash in kept)


def undisturbed(checkout: Path, stage: str) -> Undisturbed:
    """Run the stage with room enough."""
    strip(checkout, stage)
    before, seen, ended = used(checkout), [0], threading.Event()

    def watch() -> None:
        while not ended.wait(_SAMPLING):
            seen.append(used(checkout))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        finish(run_dvc(checkout, *AGAIN, stage))
    finally:
        ended.set()
        watching.join()
    hashes = outputs(checkout, stage)
    return Undisturbed(before, max(seen), hashes, digests(checkout, hashes))


def fill(checkout: Path, stage: str, run: Undisturbed, part: float) -> Counter[str]:
    """Counts of one try, with room for that part of what the stage writes."""
    counts = Counter(tried=1)
    strip(checkout, stage)
    lock = (checkout / "dvc.lock").read_bytes()
    room = used(checkout) + int(part * (run.most - run.before))
    resize(checkout, room)
    process = run_dvc(checkout, *AGAIN, stage)
    said, _ = process.communicate()
    resize(checkout, ROOM)
    counts["halted"] += process.returncode != 0
    counts["uncached"] += process.returncode == 0 and _SAID.search(said) is not None
    if counts["halted"] or counts["uncached"]:
        told = _SAID.search(said) is not None and "Traceback" not in said
        left = digests(checkout, run.hashes).items()
        counts["one_line"] += told
        counts["nothing_half"] += left <= run.files.items()
        if not told or not left <= run.files.items():
            print(f"with room for {part:.0%}:\n{said}\n{left - run.files.items()}", file=sys.stderr)
    counts["dvc_files"] += mended(checkout, lock)
    process = run_dvc(checkout, *AGAIN, stage)
    said, _ = process.communicate()
    whole = outputs(checkout, stage) == run.hashes and digests(checkout, run.hashes) == run.files
    counts["survived"] += process.returncode == 0 and whole and in_cache(checkout, run.hashes)
    if process.returncode:
        print(said, file=sys.stderr)
    return counts


if __name__ == "__main__":
    main()

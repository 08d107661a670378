"""``python -m benchmarks.cut_transfers [--tries 10]``: kill ``dvc push`` and ``dvc pull`` in the middle.

A clone of this commit runs on a handful of sheets. Its results are pushed to a remote, which is a folder or
the same over SSH on loopback, and pulled again after they were removed. Each way, DVC is killed at a random
moment between the first file that arrives and its end, and the same command runs again. A try is survived if
that succeeds and the target, which is the remote, or cache and workspace, has the files of an undisturbed
run. ``halted`` are the tries that the kill ended; ``cut_files`` those after which a file had its final name
and not its content; ``dvc_files`` as in ``benchmarks.kills``. SSH needs sshd (Debian: openssh-server);
without it a line says so.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from benchmarks.common.results import record
from benchmarks.common.small_checkout import (
    arguments,
    cached_outputs,
    digests,
    finish,
    mended,
    remove,
    run_dvc,
    small_checkout,
)

_SAMPLING = 0.002  # seconds between two looks at the target
_IN_FLIGHT = 0.5  # seconds in which a server writes what it had received before the kill


def main() -> None:
    """Record a line for each remote and way."""
    args = arguments(
        "cut_transfers", "kill dvc push and dvc pull in the middle", "kills of each way", stages=False
    )
    rng = random.Random(0)
    with TemporaryDirectory() as temporary:
        checkout = small_checkout(Path(temporary) / "checkout")
        finish(run_dvc(checkout, "repro"))
        for name, remote in (("folder", folder_remote), ("SSH", ssh_remote)):
            with remote(checkout.parent / name) as found:
                if found is None:
                    print(f"{name}: left out, needs sshd (Debian: apt-get install openssh-server)")
                else:
                    try_remote(checkout, name, found, rng, args.tries)


@dataclass(frozen=True)
class Remote:
    """A remote whose files lie in a folder of this machine.

    Attributes:
        address: as DVC is told it.
        variables: of the environment, that say how to reach it.
    """

    folder: Path
    address: str
    variables: dict[str, str] = field(default_factory=dict)


@contextmanager
def folder_remote(folder: Path) -> Iterator[Remote]:
    """The folder itself."""
    yield Remote(folder, str(folder))


@contextmanager
def ssh_remote(folder: Path) -> Iterator[Remote | None]:
    """The folder over SSH on loopback; None without sshd."""
    from tests.support.ssh_server import running_sshd, sshd

    if sshd() is None:
        yield None
        return
    with TemporaryDirectory() as keys, running_sshd(Path(keys)) as server:
        yield Remote(folder, f"ssh://box{folder}", {"HOME": str(server.home)})


def try_remote(checkout: Path, name: str, remote: Remote, rng: random.Random, tries: int) -> None:
    """Record a line for each way."""
    finish(run_dvc(checkout, "remote", "add", "--force", "--default", "shared", remote.address))
    for way, target in (
        ("push", Target(remote.folder.parent, (remote.folder.name,))),
        ("pull", Target(checkout, (".dvc/cache/files", *cached_outputs(checkout)))),
    ):
        transfer = Transfer(checkout, way, target, remote.variables)
        transfer.undisturbed()  # the first run makes files that later ones find
        first, last = transfer.undisturbed()
        expected = digests(target.folder, target.paths)
        counts = Counter(tried=0, halted=0, survived=0, cut_files=0, dvc_files=0)
        for _ in tqdm(range(tries), desc=f"{way}, {name}"):
            counts.update(transfer.cut(rng.uniform(0, last - first), expected))
        figures = {"files": len(expected), "seconds": round(last - first, 2)}
        record("cut transfers", f"{way}, {name}", **counts, **figures)


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


@dataclass(frozen=True)
class Transfer:
    """``dvc push`` or ``dvc pull`` in a checkout, to a target, with some variables in the environment."""

    checkout: Path
    way: str
    target: Target
    variables: dict[str, str]

    def start(self) -> subprocess.Popen[str]:
        """Start it."""
        return run_dvc(self.checkout, self.way, **self.variables)

    def undisturbed(self) -> tuple[float, float]:
        """Seconds from the start of an undisturbed run to the first file that arrives, and to its end."""
        remove(self.target.folder, self.target.paths)
        start = time.monotonic()
        process = self.start()
        self.target.wait(lambda: process.poll() is not None)
        first = time.monotonic() - start
        finish(process)
        return first, time.monotonic() - start

    def cut(self, after: float, expected: dict[str, str]) -> Counter[str]:
        """Counts of one try, with a kill so many seconds after the first file."""
        remove(self.target.folder, self.target.paths)
        lock = (self.checkout / "dvc.lock").read_bytes()
        process = self.start()
        self.target.wait(lambda: process.poll() is not None)
        time.sleep(after)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        time.sleep(_IN_FLIGHT)
        counts = Counter(tried=1, halted=process.returncode != 0)
        left = digests(self.target.folder, self.target.paths)
        counts["cut_files"] += any(left[name] != expected[name] for name in left.keys() & expected.keys())
        counts["dvc_files"] += mended(self.checkout, lock)
        process = self.start()
        said, _ = process.communicate()
        arrived = digests(self.target.folder, self.target.paths)
        survived = process.returncode == 0 and expected.items() <= arrived.items()
        counts["survived"] += survived
        if not survived:
            print(said, expected.items() - arrived.items(), sep="\n", file=sys.stderr)
        return counts


if __name__ == "__main__":
    main()

"""Three processes that watch each other, over real connections on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schematic_reader.model.peer_watch import _HELLO, PeerWatch
from tests.support.paths import ROOT

PROCESS = """
import json, socket, sys, time
from pathlib import Path
from schematic_reader.model.peer_watch import PeerWatch
rank, folder = int(sys.argv[1]), Path(sys.argv[2])
def agree(value):
    agreed = folder / "agreed"
    if rank == 0:
        (folder / "part").write_text(json.dumps([value[0], value[1].hex()]))
        (folder / "part").rename(agreed)
        return value
    while not agreed.exists():
        time.sleep(0.01)
    port, secret = json.loads(agreed.read_text())
    return port, bytes.fromhex(secret)
watch = PeerWatch(rank, lambda dead: rank == 0 or (rank == 1 and dead == 0), "localhost", agree)
(folder / str(rank)).touch()
end = folder / f"end-{rank}"
while not end.exists():
    time.sleep(0.01)
exec(end.read_text())
"""


class Ranks:
    """The processes; each ends by the Python that it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running = [
            subprocess.Popen(
                [sys.executable, "-c", PROCESS, str(rank), str(folder)],
                cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
            )
            for rank in range(3)
        ]  # fmt: skip
        while not all((folder / str(rank)).exists() for rank in range(3)):
            time.sleep(0.01)
        time.sleep(0.3)  # until rank 0 has taken the connections

    def tell(self, rank: int, how: str) -> None:
        part = self.folder / f"part-{rank}"
        part.write_text(how)
        part.rename(self.folder / f"end-{rank}")

    def ended(self) -> tuple[list[int], list[str]]:
        """Exit status and what was said on stderr, by rank."""
        said = [process.communicate(timeout=60)[1] for process in self.running]
        return [process.returncode for process in self.running], said


@pytest.fixture
def ranks(tmp_path: Path) -> Ranks:
    return Ranks(tmp_path)


@pytest.mark.parametrize(("dead", "speaker"), [(2, 0), (1, 0), (0, 1)])
def test_when_a_rank_is_killed_the_others_end_at_once_and_one_says_so(
    ranks: Ranks, dead: int, speaker: int
) -> None:
    ranks.running[dead].kill()
    start = time.monotonic()
    status, said = ranks.ended()
    assert time.monotonic() - start < 5
    assert status == [-signal.SIGKILL if rank == dead else 1 for rank in range(3)]
    for rank, text in enumerate(said):
        expected = [f"error: rank {dead} has died"] if rank == speaker else []
        assert [line[: len(f"error: rank {dead} has died")] for line in text.splitlines()] == expected


def test_an_error_of_one_rank_ends_the_others_without_a_word(ranks: Ranks) -> None:
    ranks.tell(1, "sys.exit('error: my own')")
    assert ranks.ended() == ([1, 1, 1], ["", "error: my own\n", ""])


def test_a_collective_that_fails_for_a_dead_rank_shows_no_traceback(ranks: Ranks) -> None:
    ranks.running[2].kill()
    ranks.tell(1, "raise RuntimeError('connection closed by peer')")
    status, said = ranks.ended()
    assert status == [1, 1, -signal.SIGKILL] and said[1] == "" and "rank 2 has died" in said[0]


def test_an_error_that_no_other_rank_has_caused_keeps_its_traceback(ranks: Ranks) -> None:
    ranks.tell(0, "raise RuntimeError('a bug')")
    status, said = ranks.ended()
    assert status == [1, 1, 1] and said[1:] == ["", ""]
    assert "Traceback" in said[0] and "a bug" in said[0]


def test_an_error_after_the_watch_keeps_its_traceback(ranks: Ranks) -> None:
    ranks.tell(0, "watch.stop()\nraise RuntimeError('a bug')")
    for rank in (1, 2):
        ranks.tell(rank, "watch.stop()")
    status, said = ranks.ended()
    assert status == [1, 0, 0] and "a bug" in said[0] and said[1:] == ["", ""]


def test_a_rank_that_cannot_reach_the_first_runs_unwatched(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    watch = PeerWatch(1, lambda _: True, "127.0.0.1", lambda _: (port, b"s" * 16))
    assert "rank 1 cannot watch the others" in caplog.text
    watch.stop()


def test_ranks_that_are_done_leave_one_after_the_other(ranks: Ranks) -> None:
    for rank in range(3):
        ranks.tell(rank, "watch.stop()")
        assert ranks.running[rank].wait(timeout=60) == 0
    assert ranks.ended() == ([0, 0, 0], ["", "", ""])


def test_connections_that_close_because_the_first_is_done_are_no_death(ranks: Ranks) -> None:
    """Rank 0 takes a second over its farewell, so that it sees the others hang up meanwhile."""
    slow = "tell = watch._tell\nwatch._tell = lambda *word: (tell(*word), time.sleep(1))\n"
    ranks.tell(0, f"{slow}watch.stop()")
    assert ranks.running[0].wait(timeout=60) == 0
    for rank in (1, 2):
        ranks.tell(rank, "watch.stop()")
    assert ranks.ended() == ([0, 0, 0], ["", "", ""])


def test_a_stranger_is_turned_away(ranks: Ranks) -> None:
    port, _ = json.loads((ranks.folder / "agreed").read_text())
    for hello in (_HELLO.pack(b"x" * 16, 1), b"short"):
        with socket.create_connection(("localhost", port)) as stranger:
            stranger.sendall(hello)
    time.sleep(0.3)
    for rank in range(3):
        assert ranks.running[rank].poll() is None
        ranks.tell(rank, "watch.stop()")
    assert ranks.ended() == ([0, 0, 0], ["", "", ""])

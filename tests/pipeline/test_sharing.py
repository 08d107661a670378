"""Two clones, one Git remote and one DVC remote: what one has run, the other has without running it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from tests.support.checkout import git
from tests.support.commands import documented, give_environment
from tests.support.finished import commit, copy_finished, digests
from tests.support.loopback import LoopbackServer, serving
from tests.support.s3_server import KEYS, running_s3
from tests.support.ssh_server import running_sshd

SHOWN = "ssh://user@host/srv/schematics"  # the remote as docs/sharing.md writes it


@dataclass(frozen=True)
class Remote:
    """An empty remote.

    Attributes:
        address: of the remote.
        environment: variables that say how to reach it.
        by_make: whether ``make share`` sets it up.
        endpoint: the address of an S3 server; empty for other remotes.
    """

    address: str
    environment: dict[str, str] = field(default_factory=dict)
    by_make: bool = False
    endpoint: str = ""


@pytest.fixture(params=["folder", "ssh", "s3"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Remote]:
    place = tmp_path / "remote"
    if request.param == "folder":
        yield Remote(str(place))
    elif request.param == "ssh":
        with running_sshd(tmp_path) as server:
            yield Remote(f"ssh://box{place}", {"HOME": str(server.home)}, by_make=True)
    else:
        with running_s3("bucket") as endpoint:
            yield Remote("s3://bucket/schematics", KEYS, endpoint=endpoint)


def give_endpoint(clone: Path, remote: Remote) -> None:
    """Tell a clone where the S3 server is, if that is the remote's kind."""
    if remote.endpoint:
        documented(
            "dvc remote modify --local shared endpointurl https://s3.host",
            clone,
            {"https://s3.host": remote.endpoint},
        )


def test_a_colleague_gets_every_result_and_has_nothing_to_do(
    finished: Path, tmp_path: Path, remote: Remote
) -> None:
    address, environment = remote.address, remote.environment
    team = tmp_path / "team.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(team))
    author = copy_finished(finished, tmp_path / "author")
    git(author, "remote", "add", "origin", str(team))
    git(author, "push", "-q", "-u", "origin", "main")
    if remote.by_make:
        said = documented(
            "make share REMOTE=ssh://user@host/srv/schematics", author, {SHOWN: address}, **environment
        )
        assert 'git commit -m "Share data and models" .dvc/config && git push' in said
    else:
        documented(
            "dvc remote add --force --default shared ssh://user@host/srv/schematics", author, {SHOWN: address}
        )
        give_endpoint(author, remote)
        documented("dvc push --run-cache", author, **environment)
        documented("git add .dvc/config", author)
    documented('git commit -m "Share data and models" .dvc/config && git push', author)
    assert "in sync" in documented("dvc status --cloud", author, **environment)

    shown = "https://host/team/schematics.git"
    documented("git clone https://host/team/schematics.git schematics", tmp_path, {shown: str(team)})
    colleague = tmp_path / "schematics"
    give_environment(colleague)
    give_endpoint(colleague, remote)
    assert "deleted" in documented("dvc status", colleague, **environment)
    documented("git pull && dvc pull --run-cache", colleague, **environment)
    said = documented("dvc repro", colleague, network=False)
    assert "Data and pipelines are up to date." in said
    assert "Running stage" not in said
    assert digests(colleague) == digests(author)
    assert git(colleague, "status", "--porcelain") == ""


def test_a_web_server_gives_results_to_whoever_may_only_read(finished: Path, tmp_path: Path) -> None:
    author = copy_finished(finished, tmp_path / "author")
    place = tmp_path / "remote"
    documented(
        "dvc remote add --force --default shared ssh://user@host/srv/schematics", author, {SHOWN: str(place)}
    )
    documented("dvc push --run-cache", author)
    commit(author, "Share data and models")
    git(tmp_path, "clone", "-q", str(author), "reader")
    reader = tmp_path / "reader"
    give_environment(reader)
    place.rename(tmp_path / "www")  # only the web server knows the way
    with serving(LoopbackServer(partial(Files, directory=str(tmp_path / "www")))) as server:
        shown = "https://host/schematics"
        documented("dvc remote add --local web https://host/schematics", reader, {shown: server.endpoint})
        documented("dvc pull --remote web", reader)
        (reader / "data" / "raw" / "one-more").write_text("mine")
        documented("dvc commit --force fetch", reader)
        assert "ERROR" in documented("dvc push --remote web fetch", reader, fails=True)
        git(reader, "checkout", "-q", "dvc.lock")
        documented("dvc checkout --force", reader)
    said = documented("dvc repro", reader, network=False)
    assert "Data and pipelines are up to date." in said and "Running stage" not in said
    assert digests(reader) == digests(author)


class Files(SimpleHTTPRequestHandler):
    """The files of a folder, to be read."""

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.mark.slow
def test_a_second_working_tree_uses_the_same_cache(finished: Path, tmp_path: Path) -> None:
    first = copy_finished(finished, tmp_path / "schematics")
    documented("git worktree add ../second", first)
    documented("cd ../second", first)
    second = tmp_path / "second"
    documented("ln -s ../schematics/.venv .venv", second)
    documented("dvc cache dir --local ../schematics/.dvc/cache && dvc checkout", second)
    assert digests(second) == digests(first)
    before = digests(first)
    said = documented("dvc repro", second, network=False)
    assert "Data and pipelines are up to date." in said and "Running stage" not in said
    said = documented("dvc exp run --name rank-4 -S lora.r=4", second)
    assert "Running stage 'train'" in said and "Running stage 'baseline'" not in said
    assert digests(first) == before and git(first, "status", "--porcelain") == ""
    assert "rank-4" in documented("dvc exp list", first)


def test_sharing_without_a_place_says_what_to_write(finished: Path) -> None:
    said = documented("make share", finished, fails=True)
    assert "error: say where to, for example make share REMOTE=" in said

"""Two clones, one Git remote and one DVC remote: what one has run, the other has without running it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import git
from tests.support.commands import documented, give_environment
from tests.support.finished import copy_finished, digests
from tests.support.ssh_server import running_sshd

SHOWN = "ssh://user@host/srv/schematics"  # the remote as docs/sharing.md writes it


@pytest.fixture(params=["folder", "ssh"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, dict[str, str], bool]]:
    """The address of an empty remote, what the environment says to reach it, and whether make sets it up."""
    place = tmp_path / "remote"
    if request.param == "folder":
        yield str(place), {}, False
        return
    with running_sshd(tmp_path) as server:
        yield f"ssh://box{place}", {"HOME": str(server.home)}, True


def test_a_colleague_gets_every_result_and_has_nothing_to_do(
    finished: Path, tmp_path: Path, remote: tuple[str, dict[str, str], bool]
) -> None:
    address, environment, by_make = remote
    team = tmp_path / "team.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(team))
    author = copy_finished(finished, tmp_path / "author")
    git(author, "remote", "add", "origin", str(team))
    git(author, "push", "-q", "-u", "origin", "main")
    if by_make:
        said = documented(
            "make share REMOTE=ssh://user@host/srv/schematics", author, {SHOWN: address}, **environment
        )
        assert 'git commit -m "Share data and models" .dvc/config && git push' in said
    else:
        documented(
            "dvc remote add --force --default shared ssh://user@host/srv/schematics", author, {SHOWN: address}
        )
        documented("dvc push --run-cache", author, **environment)
        documented("git add .dvc/config", author)
    documented('git commit -m "Share data and models" .dvc/config && git push', author)
    assert "in sync" in documented("dvc status --cloud", author, **environment)

    shown = "https://host/team/schematics.git"
    documented("git clone https://host/team/schematics.git schematics", tmp_path, {shown: str(team)})
    colleague = tmp_path / "schematics"
    give_environment(colleague)
    assert "deleted" in documented("dvc status", colleague, **environment)
    documented("git pull && dvc pull --run-cache", colleague, **environment)
    said = documented("dvc repro", colleague, network=False)
    assert "Data and pipelines are up to date." in said
    assert "Running stage" not in said
    assert digests(colleague) == digests(author)
    assert git(colleague, "status", "--porcelain") == ""


def test_sharing_without_a_place_says_what_to_write(finished: Path) -> None:
    said = documented("make share", finished, fails=True)
    assert "error: say where to, for example make share REMOTE=" in said

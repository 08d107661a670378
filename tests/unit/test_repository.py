"""What developers use: make's commands, hooks, CI's jobs, the lock, the change log, the rooms of tests."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from pre_commit.clientlib import load_config

from tests.support.paths import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def make(*words: str) -> str:
    """What make prints; as from a shell, also where the tests themselves were started by make."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *words], cwd=ROOT, check=True, capture_output=True, text=True, env=environment
    ).stdout


def recipe(target: str) -> list[str]:
    """The commands of a target as the Makefile has them."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found, f"the Makefile has no {target}"
    return [line.strip() for line in found.group(1).splitlines()]


def test_make_help_lists_every_command() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony
    listed = dict(line.split(maxsplit=1) for line in make("help").splitlines())
    assert list(listed) == phony.group(1).split()
    assert make() == make("help")


def test_hooks_run_what_make_lint_runs() -> None:
    hooks = [
        hook for repo in load_config(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]
    ]
    assert [hook["entry"].removeprefix(".venv/bin/") for hook in hooks] == recipe("lint")
    assert not any(hook["pass_filenames"] for hook in hooks)


def test_continuous_integration_runs_the_fast_tier_and_then_everything() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert [job["steps"][-1]["run"] for job in jobs.values()] == ["make test-fast", ".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    assert all(job["timeout-minutes"] <= 60 for job in jobs.values())


def test_the_lock_has_what_the_project_asks_for() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE))
    wanted = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["dev"]
    for requirement in map(Requirement, wanted):
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert name in locked, f"{name} is not in requirements.lock: run make lock"
        assert requirement.specifier.contains(locked[name]), f"{name} {locked[name]}: run make lock"
    pinned = re.split(r"^(?=\S)", text.strip(), flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in entry for entry in pinned)


def test_the_change_log_begins_with_this_version() -> None:
    versions = re.findall(
        r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert versions[0] == PROJECT["project"]["version"]
    assert versions == sorted(
        versions, key=lambda text: [int(part) for part in text.split(".")], reverse=True
    )


def test_unit_tests_lie_in_the_rooms_of_what_they_test() -> None:
    unit = ROOT / "tests" / "unit"
    outside = {"pretraining", "benchmarks"}
    for folder in (path for path in unit.rglob("*") if path.is_dir() and any(path.glob("test_*.py"))):
        room = folder.relative_to(unit)
        home = ROOT if room.parts[0] in outside else ROOT / "schematic_reader"
        assert (home / room).is_dir(), f"tests/unit/{room} mirrors no room"


@pytest.mark.parametrize("name", ["dvc", "tests.support.finished", "tests.support.ssh_server"])
def test_unit_tests_start_no_whole_runs(name: str) -> None:
    """What needs them goes to tests/pipeline."""
    imports = re.compile(rf"^\s*(?:from|import) {re.escape(name)}\b", re.MULTILINE)
    found = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests" / "unit").rglob("*.py")
        if imports.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []

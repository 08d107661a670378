"""The commands of docs/experiments.md, and of branches in docs/sharing.md, by two people with one remote."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides

from schematic_reader.config import load_params
from tests.support.checkout import git
from tests.support.commands import documented, give_environment
from tests.support.finished import commit, copy_finished, digests
from tests.support.paths import ROOT

EXPERIMENTS = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
GO_BACK = "git restore params.yaml dvc.lock metrics && dvc checkout"


@dataclass(frozen=True)
class Team:
    """Two clones of one Git remote, which share one DVC remote; ``author`` has run and sent ``rank-8``."""

    author: Path
    colleague: Path
    said: str  # by the run


@pytest.fixture(scope="module")
def team(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Team:
    folder = tmp_path_factory.mktemp("team")
    git(folder, "init", "-q", "--bare", "-b", "main", "team.git")
    author = copy_finished(finished, folder / "author")
    git(author, "remote", "add", "origin", str(folder / "team.git"))
    documented("make share REMOTE=PLACE", author, {"PLACE": str(folder / "remote")})
    commit(author, "Share data and models")
    git(author, "push", "-q", "-u", "origin", "main")
    git(folder, "clone", "-q", "team.git", "colleague")
    colleague = folder / "colleague"
    give_environment(colleague)
    documented("dvc pull --run-cache", colleague)
    said = documented("dvc exp run --name rank-8 -S lora.r=8", author)
    documented("dvc exp push origin rank-8", author)
    return Team(author, colleague, said)


@pytest.fixture
def author(team: Team) -> Path:
    """The author's clone without the changes of the test before."""
    documented("git restore params.yaml dvc.lock metrics && dvc checkout", team.author)
    assert git(team.author, "status", "--porcelain") == ""
    return team.author


def looks(command: str, said: str) -> None:
    """The block below ``command`` in the document has the words that were ``said``; figures may differ."""
    shown = re.search(rf"{re.escape(command)}.*?```text\n(.*?)```", EXPERIMENTS, re.DOTALL)
    assert shown, f"docs/experiments.md shows nothing below {command}"
    words = set(re.findall(r"(?<!\w)[A-Za-z][\w.:/-]{2,}", shown.group(1)))
    missing = {word for word in words if word not in said and not re.fullmatch(r"[0-9a-f]{7}", word)}
    assert words and not missing, f"{command} does not say {sorted(missing)}:\n{said}"


def test_an_experiment_trains_and_keeps_its_name_and_result(team: Team) -> None:
    assert "Running stage 'train'" in team.said and "Running stage 'evaluate'" in team.said
    assert "Running stage 'baseline'" not in team.said
    looks("dvc exp run --name rank-8 -S lora.r=8", team.said)


def test_an_experiment_is_shown_compared_and_plotted(team: Team) -> None:
    author = team.author
    documented("dvc exp apply rank-8", author)
    table = documented(
        "dvc exp show --drop '.*' --keep 'Experiment|lora.r$|.*sample.*rate|.*evaluate.json:f1'",
        author,
    )
    looks("dvc exp show --drop", table)
    assert "lora.r" in documented("dvc exp show --only-changed", author)
    looks("dvc params diff", documented("dvc params diff main rank-8", author))
    looks("dvc metrics diff", documented("dvc metrics diff main rank-8", author))
    documented("dvc plots diff main rank-8", author)
    page = (author / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    assert "Loss by optimizer step" in page
    assert '"rev": "main"' in page and '"rev": "rank-8"' in page


def test_two_models_are_compared_by_eye(team: Team) -> None:
    author = team.author
    said = documented("python -m stages.compare main rank-8", author)
    looks("python -m stages.compare main rank-8", said)
    results = {
        name: json.loads(git(author, "show", f"{revision}:metrics/evaluate.json"))
        for name, revision in (("main", "main"), ("rank-8", experiment(author)))
    }
    for name, metrics in results.items():
        (line,) = [line for line in said.splitlines() if line.startswith(f"{name} ")]
        assert line.split()[1:4] == [f"{metrics[key]:.3f}" for key in ("precision", "recall", "f1")]
    gain = results["rank-8"]["f1"] - results["main"]["f1"]
    assert float(next(line.split()[1] for line in said.splitlines() if line.startswith("gain"))) == (
        pytest.approx(gain, abs=6e-4)
    )
    page = (author / "comparison.html").read_text(encoding="utf-8")
    assert "main and rank-8: components" in unescape(page) and "<script" not in page
    assert git(author, "status", "--porcelain", "comparison.html") == ""
    same = documented("python -m stages.compare main", author)  # with the workspace
    assert "workspace" in same


def experiment(checkout: Path) -> str:
    """The commit of the experiment ``rank-8``."""
    refs = git(checkout, "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines()
    return next(line.split()[0] for line in refs if line.endswith("/rank-8"))


def test_what_cannot_be_compared_is_one_line(team: Team) -> None:
    author = team.author

    def said(command: str) -> str:
        (line,) = [line for line in documented(command, author, fails=True).splitlines() if line]
        return line

    assert "error: there is no revision or experiment 'nowhere'" in said(
        "python -m stages.compare main nowhere"
    )
    empty = "python -m stages.compare $(git commit-tree $(git mktree </dev/null) -m empty) main"
    assert "has no params.yaml here" in said(empty)


def test_a_sweep_runs_what_has_not_run_and_leaves_the_workspace_alone(author: Path) -> None:
    documented("dvc exp run --queue -S lora.r=8,32", author)
    queued = documented("dvc queue status", author)
    assert queued.count("Queued") == 2
    before = digests(author)
    said = documented("dvc exp run --run-all", author)
    assert said.count("Running stage 'train'") == 1  # the other one has run before
    assert digests(author) == before and git(author, "status", "--porcelain") == ""
    rows = json.loads(documented("dvc exp show --json", author))
    tried = {
        experiment["revs"][0]["data"]["params"]["params.yaml"]["data"]["lora"]["r"]
        for row in rows
        for experiment in row["experiments"] or []
    }
    assert tried == {8, 32}


def test_the_settings_of_make_tasks_are_params_that_load(tmp_path: Path) -> None:
    shown = subprocess.run(
        ["make", "-n", "tasks", "TASKS=json"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    words = shlex.split(next(line for line in shown.splitlines() if "dvc exp run" in line).split("||")[0])
    settings = [value.rstrip(";") for flag, value in pairwise(words) if flag == "-S"]
    params = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", params)
    apply_overrides(params, [setting.replace("$task", "json") for setting in settings])
    loaded = load_params(params)
    assert loaded.task == "json" and loaded.active.image.tiles > 1
    assert loaded.lora.extra_targets == ("vision", "merger")


@pytest.mark.slow
def test_the_other_tasks_are_trained_beside_the_workspace_and_listed(author: Path) -> None:
    before = digests(author)
    shown = documented("make tasks", author, {"make tasks": "make tasks TASKS=json SETTINGS="})
    assert digests(author) == before and git(author, "status", "--porcelain") == ""
    heading, line = (
        next(line for line in shown.splitlines() if part in line) for part in ("| Experiment", "[json]")
    )
    names, cells = ([cell.strip() for cell in row.split("|")] for row in (heading, line))
    listed = dict(zip(names, cells, strict=True))
    assert listed["task"] == "json"
    assert 0 <= float(listed["metrics/evaluate.json:symbols.f1"]) <= 1
    assert {"metrics/baseline.json:f1", "metrics/evaluate.json:f1"} < set(listed)
    again = documented("make tasks", author, {"make tasks": "make tasks TASKS=json SETTINGS="})
    assert "experiment json is there: dvc exp remove json" in again and "Running stage" not in again
    assert line in again
    documented("dvc exp remove rank-4", author, {"rank-4": "json"})


@pytest.mark.slow
def test_an_experiment_in_a_folder_of_its_own_leaves_the_workspace_alone(author: Path) -> None:
    before = digests(author)
    said = documented("dvc exp run --temp --name rank-4 -S lora.r=4", author)
    assert "Running stage 'train'" in said and "Running stage 'baseline'" not in said
    assert digests(author) == before and git(author, "status", "--porcelain") == ""
    rows = json.loads(documented("dvc exp show --json", author))
    ranks = {
        one["name"]: one["revs"][0]["data"]["params"]["params.yaml"]["data"]["lora"]["r"]
        for row in rows
        for one in row["experiments"] or []
    }
    assert ranks["rank-4"] == 4
    documented("dvc exp remove rank-4", author)


def test_an_experiment_goes_to_a_colleague_who_need_not_train(team: Team) -> None:
    assert "rank-8" in documented("dvc exp list origin", team.colleague)
    documented("dvc exp pull origin rank-8", team.colleague)
    documented("dvc exp apply rank-8", team.colleague)
    said = documented("dvc repro", team.colleague, network=False)
    assert "Data and pipelines are up to date." in said and "Running stage" not in said
    documented("git restore params.yaml dvc.lock metrics && dvc checkout", team.colleague)
    assert documented("dvc status", team.colleague).strip() == "Data and pipelines are up to date."


def test_a_failed_experiment_says_how_to_go_back(author: Path) -> None:
    before = digests(author)
    said = documented("dvc exp run -S lora.r=0", author, fails=True)
    looks("dvc exp run -S lora.r=0", said)
    assert "error: params.yaml: lora.r is 0: it must be greater than 0" in said
    assert GO_BACK in said
    assert "r: 0" in (author / "params.yaml").read_text()
    documented("git restore params.yaml dvc.lock metrics && dvc checkout", author)
    assert documented("dvc status", author).strip() == "Data and pipelines are up to date."
    assert git(author, "status", "--porcelain") == "" and digests(author) == before


def test_two_branches_with_one_dvc_lock(team: Team, author: Path) -> None:
    """One changes the task and the other the rank; both have run all stages that follow from it."""
    colleague = team.colleague
    git(author, "switch", "-qc", "json")
    set_param(author, "task: components", "task: json")
    documented("dvc repro", author)
    commit(author, "Ask for JSON")
    documented("dvc push --run-cache", author)
    git(author, "push", "-q", "-u", "origin", "json")

    git(colleague, "switch", "-qc", "narrow")
    git(colleague, "push", "-q", "-u", "origin", "narrow")
    documented("dvc exp pull origin rank-8", colleague)
    documented("dvc exp apply rank-8", colleague)
    commit(colleague, "Take rank 8")
    git(colleague, "fetch", "-q")
    said = documented("git merge origin/json", colleague, fails=True)
    assert "CONFLICT (content): Merge conflict in dvc.lock" in said
    assert "conflict in params.yaml" not in said
    documented("git checkout --theirs dvc.lock metrics", colleague)
    documented("dvc pull", colleague)
    said = documented("dvc repro", colleague, network=False)
    ran = set(re.findall(r"Running stage '(.*?)'", said))
    assert ran == {"train", "evaluate"}
    documented("git add dvc.lock metrics && git commit --no-edit", colleague)
    documented("dvc push --run-cache && git push", colleague)
    assert git(colleague, "status", "--porcelain") == ""
    assert documented("dvc status", colleague).strip() == "Data and pipelines are up to date."
    merged = (colleague / "params.yaml").read_text()
    assert "task: json" in merged and "  r: 8" in merged


def set_param(folder: Path, before: str, after: str) -> None:
    path = folder / "params.yaml"
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))

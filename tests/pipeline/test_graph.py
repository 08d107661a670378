"""What re-runs for an edit, asked of DVC itself, and that every module a stage runs is among its deps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from tests.support.checkout import copy_checkout
from tests.support.paths import ROOT

GRAPH: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
HEAVY = tuple(f"schematic_reader/{room}" for room in ("model", "training", "generation"))
STAGES = ("fetch", "clean-to-parquet", "build-messages", "baseline", "train", "evaluate")


def paths(stage: str, kind: str) -> set[str]:
    return {next(iter(item)) if isinstance(item, dict) else item for item in GRAPH[stage].get(kind, [])}


def outputs(stage: str) -> set[str]:
    return paths(stage, "outs") | paths(stage, "metrics") | paths(stage, "plots")


def with_downstream(changed: set[str]) -> set[str]:
    """The stages that read, directly or not, what one of ``changed`` writes, and those themselves."""
    again = set(changed)
    while True:
        made = {path for stage in again for path in outputs(stage)}
        reached = {stage for stage in GRAPH if any(reads(dep, made) for dep in paths(stage, "deps"))}
        if reached <= again:
            return again
        again |= reached


def reads(dep: str, made: set[str]) -> bool:
    return any(dep == path or path.startswith(f"{dep}/") or dep.startswith(f"{path}/") for path in made)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which DVC holds every stage for done, over stand-in outputs."""
    folder = copy_checkout(tmp_path_factory.mktemp("checkout"))
    for stage in GRAPH:
        for name in outputs(stage):
            path = folder / name if Path(name).suffix else folder / name / "file"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"made by {stage}")
    with chdir(folder), Repo() as repo:
        repo.commit(force=True)
    return folder


@pytest.fixture
def params(reproduced: Path) -> Iterator[Path]:
    """params.yaml of the reproduced checkout, restored afterwards."""
    path = reproduced / "params.yaml"
    before = path.read_text()
    yield path
    path.write_text(before)


def to_run(folder: Path) -> set[str]:
    with chdir(folder), Repo() as repo:
        return with_downstream(set(repo.status()))


def test_the_stages_are_those_of_the_design() -> None:
    assert tuple(GRAPH) == STAGES


def test_nothing_to_run_at_first(reproduced: Path) -> None:
    assert to_run(reproduced) == set()


@pytest.mark.parametrize(
    ("before", "after", "stages"),
    [
        ("\n  r: 16", "\n  r: 8", {"train", "evaluate"}),
        ("weight_decay: 0.01", "weight_decay: 0.02", {"train", "evaluate"}),
        ("task: components", "task: yaml", {"build-messages", "baseline", "train", "evaluate"}),
        ("form: compact", "form: verbatim", {"build-messages", "baseline", "train", "evaluate"}),
        ("max_new_tokens: 256", "max_new_tokens: 128", {"baseline", "evaluate"}),
        ("max_side: 1024", "max_side: 512", {"baseline", "train", "evaluate"}),
        ("validation: 0.1", "validation: 0.2", set(STAGES) - {"fetch"}),
        ("profile: sample", "profile: open-schematics", set(STAGES)),
        ("seed: 42", "seed: 43", set(STAGES)),
        ("profile: sample", "# a comment\nprofile: sample", set()),
    ],
)
def test_an_edit_re_runs_these_stages_and_nothing_else(
    reproduced: Path, params: Path, before: str, after: str, stages: set[str]
) -> None:
    text = params.read_text()
    assert text.count(before) >= 1
    params.write_text(text.replace(before, after, 1))
    assert to_run(reproduced) == stages


def test_a_new_key_in_a_tracked_group_counts(reproduced: Path, params: Path) -> None:
    params.write_text(params.read_text().replace("lora:\n", "lora:\n  another: 1\n"))
    assert to_run(reproduced) == {"train", "evaluate"}


def test_settings_of_the_other_profile_do_not_count(reproduced: Path, params: Path) -> None:
    text = params.read_text()
    head, other = text.split("  open-schematics:\n")
    params.write_text(
        head + "  open-schematics:\n" + other.replace("learning_rate: 1.0e-4", "learning_rate: 5.0e-5")
    )
    assert to_run(reproduced) == set()


def test_every_stage_names_what_it_imports() -> None:
    """DVC does not follow imports: a module that is missing in ``deps`` would go stale unseen."""
    for stage, entry in GRAPH.items():
        module = entry["cmd"].split()[-1]
        needed = imported(module, set())
        deps = paths(stage, "deps")
        missing = {path for path in needed if not any(path == d or path.startswith(f"{d}/") for d in deps)}
        assert not missing, f"{stage} runs {sorted(missing)} but does not list them"
        unread = {
            d
            for d in deps
            if d.startswith(("stages/", "schematic_reader/")) and not any(reads(d, {p}) for p in needed)
        }
        assert not unread, f"{stage} lists {sorted(unread)} but does not run them"


def test_no_stage_imports_another_and_torch_stays_out_of_the_data_path() -> None:
    files = {entry["cmd"].split()[-1].replace(".", "/") + ".py" for entry in GRAPH.values()}
    for entry in GRAPH.values():
        module = entry["cmd"].split()[-1]
        assert imported(module, set()) & files == {module.replace(".", "/") + ".py"}
    for stage in ("fetch", "clean-to-parquet", "build-messages"):
        assert not any(path.startswith(HEAVY) for path in imported(GRAPH[stage]["cmd"].split()[-1], set()))


def imported(module: str, seen: set[str]) -> set[str]:
    """Files of the project that ``module`` imports, at whatever place and depth, itself included."""
    path = ROOT / (module.replace(".", "/") + ".py")
    if not path.is_file():
        path = ROOT / module.replace(".", "/") / "__init__.py"
    name = path.relative_to(ROOT).as_posix()
    if name in seen:
        return seen
    seen.add(name)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for found in names:
            inside = ROOT / found.replace(".", "/")
            ours = found.startswith(("stages.", "schematic_reader."))
            if ours and (inside.with_suffix(".py").is_file() or inside.is_dir()):
                imported(found, seen)
    return seen

"""What re-runs for an edit of params.yaml or of code, asked of DVC itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from schematic_reader.code_deps import EXEMPT, code_files, dependencies
from tests.support.checkout import copy_checkout, run_python
from tests.support.paths import ROOT

GRAPH: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
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
        ("num_beams: 1", "num_beams: 2", {"baseline", "evaluate"}),
        ("bootstrap_samples: 1000", "bootstrap_samples: 100", {"baseline", "evaluate"}),
        ("ocr: false", "ocr: true", {"baseline", "evaluate"}),
        ("max_side: ", "max_side: 1", {"build-messages", "baseline", "train", "evaluate"}),
        ("matmul: medium", "matmul: high", {"baseline", "train", "evaluate"}),
        ("validation: 0.1", "validation: 0.2", set(STAGES) - {"fetch"}),
        ("test_path: null", "test_path: own/test.parquet", set(STAGES)),
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


@pytest.mark.parametrize(
    ("before", "after"),
    [("learning_rate: 1.0e-4", "learning_rate: 5.0e-5"), ("max_side: ", "max_side: 1")],
)
def test_settings_of_the_other_profile_do_not_count(
    reproduced: Path, params: Path, before: str, after: str
) -> None:
    head, other = params.read_text().split("  open-schematics:\n")
    assert before in other
    params.write_text(head + "  open-schematics:\n" + other.replace(before, after))
    assert to_run(reproduced) == set()


@pytest.mark.parametrize(
    ("edited", "stages"),
    [
        ("schematic_reader/training/*.py", {"train"}),
        ("schematic_reader/generation/*.py", {"baseline", "evaluate"}),
        ("schematic_reader/model/*.py", {"build-messages", "baseline", "train", "evaluate"}),
        ("schematic_reader/model/load.py", {"baseline", "train", "evaluate"}),
        ("schematic_reader/scoring/*.py", {"baseline", "evaluate"}),
        ("schematic_reader/scoring/ocr.py", {"baseline"}),
        ("schematic_reader/scoring/confidence.py", {"evaluate"}),
        ("schematic_reader/report/*.*", {"build-messages", "evaluate"}),
        ("schematic_reader/report/page.py", {"evaluate"}),
        ("schematic_reader/report/watched_sheets.py", set()),
        ("schematic_reader/report/table.py", set()),
        ("schematic_reader/kicad/drawing/*.py", {"fetch"}),
        ("schematic_reader/kicad/nets/*.py", {"baseline", "evaluate"}),
        ("schematic_reader/kicad/library.py", set()),
        ("schematic_reader/sources/*.py", {"fetch"}),
        ("schematic_reader/synthetic/**/*.py", {"fetch"}),
        ("schematic_reader/cleaning/*.py", {"clean-to-parquet"}),
        ("schematic_reader/tasks/*.py", {"build-messages", "baseline", "evaluate"}),
        ("schematic_reader/io/tables.py", set(STAGES)),
        ("schematic_reader/predict/*.*", set()),
        ("schematic_reader/publish/*.*", set()),
        ("schematic_reader/__init__.py", set()),
        ("schematic_reader/config.py", set()),
        ("schematic_reader/cli.py", set()),
        ("schematic_reader/code_deps.py", set()),
        ("stages/train.py", {"train"}),
        ("stages/predict.py", set()),
        ("pretraining/*.py", set()),
        ("benchmarks/**/*.py", set()),
        ("tests/**/*.py", set()),
        ("README.md", set()),
        ("models/tiny/README.md", set()),
    ],
)
def test_an_edit_of_code_re_runs_the_stages_that_run_it(
    reproduced: Path, edited: str, stages: set[str]
) -> None:
    """Stages after these run again only if the edit changes what these write."""
    before = {path: path.read_bytes() for path in reproduced.glob(edited)}
    assert before
    try:
        for path, content in before.items():
            path.write_bytes(content + b"\n# a comment\n")
        with chdir(reproduced), Repo() as repo:
            assert set(repo.status()) == stages
    finally:
        for path, content in before.items():
            path.write_bytes(content)


def test_every_stage_names_the_code_that_it_runs() -> None:
    """DVC does not follow imports: a module that is missing in ``deps`` would go stale unseen."""
    for stage, entry in GRAPH.items():
        code = {dep for dep in paths(stage, "deps") if dep.startswith(("stages/", "schematic_reader/"))}
        needed = set(dependencies(f"{entry['cmd'].split()[-1].replace('.', '/')}.py"))
        assert code == needed, "run python -m schematic_reader.code_deps --write"


def test_the_dependencies_are_written_into_dvc_yaml(reproduced: Path) -> None:
    path = reproduced / "dvc.yaml"
    before = path.read_text()
    path.write_text(before.replace("      - schematic_reader/model\n", "      - schematic_reader/gone.py\n"))
    run_python(reproduced, "-m", "schematic_reader.code_deps", "--write", check=True)
    assert path.read_text() == before


LOADED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
for module in list(sys.modules.values()):
    if module.__name__.split(".")[0] in ("stages", "schematic_reader") and module.__file__:
        print(module.__file__)
"""


@pytest.mark.parametrize(
    "stage", ["fetch", "clean_to_parquet", "build_messages", "baseline", "train", "evaluate"]
)
def test_python_loads_nothing_else_for_a_stage(stage: str) -> None:
    files = [name for name in code_files(f"stages/{stage}.py") if name.endswith(".py")]
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files]
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *modules], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {Path(line).relative_to(ROOT).as_posix() for line in done.stdout.splitlines()}
    packages = {name for name in loaded if name.endswith("__init__.py")}
    assert loaded - packages == set(files) - packages | set(EXEMPT) & loaded

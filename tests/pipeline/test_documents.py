"""Every command in README, CONTRIBUTING and docs is run by a test, to the letter, or says what it needs."""

from __future__ import annotations

import ast
import io
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from tests.support.commands import documented
from tests.support.finished import copy_finished
from tests.support.kicad_projects import write_project
from tests.support.paths import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

OUTPUT = {"text", "python", "yaml", "json", "csv"}  # languages of blocks that hold no commands

NEEDS = re.compile(r"needs (a GPU|the network|the \w+ extra)")

ELSEWHERE = {"make test": ".ci/run", "make test-fast": ".github/workflows/ci.yml"}
"""Commands that are run in another way than by ``documented``, and the file that does."""

WHOLE = {"predicting.md": "tests/pipeline/test_predict.py"}
"""Pages of ``stages.predict`` alone, whose commands a test reads from the page and runs, and its file."""


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of each fenced block but those of the result, which test_readme.py checks."""
    text = re.sub(r"<!-- result -->.*?<!-- /result -->", "", text, flags=re.DOTALL)
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[tuple[str, str]]:
    """(command, comment) of each line of each block that is not output, continued lines joined."""
    found = []
    for language, content in blocks(text):
        if language in OUTPUT:
            continue
        for line in content.replace("\\\n", " ").splitlines():
            command, _, comment = re.sub(r"\s+#\s", "\0", f" {line}", count=1).partition("\0")
            if command.strip():
                found.append((" ".join(command.split()), comment))
    return found


def run_by_tests() -> set[str]:
    """The literal commands that tests pass to ``documented``."""
    found = set()
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(ast.Name("documented"), [ast.Constant(str(command)), *_]):
                    found.add(" ".join(command.split()))
    return found


def neither_run_nor_marked(text: str, run: set[str]) -> list[str]:
    return [
        command
        for command, comment in commands(text)
        if command not in run and command not in ELSEWHERE and not NEEDS.search(comment)
    ]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_is_run_by_a_test_or_says_what_it_needs(path: Path) -> None:
    if path.name in WHOLE:
        reader = (ROOT / WHOLE[path.name]).read_text(encoding="utf-8")
        assert f'"docs" / "{path.name}").read_text()' in reader
        told = commands(path.read_text(encoding="utf-8"))
        assert all(command.startswith("python -m stages.predict ") for command, _ in told)
        return
    assert neither_run_nor_marked(path.read_text(encoding="utf-8"), run_by_tests()) == []


def test_a_command_that_nothing_runs_is_found() -> None:
    text = "```\nmake repro   # this\ndvc frobnicate \\\n  --now\npip install x  # needs the network\n```\n"
    assert commands(text) == [
        ("make repro", "this"),
        ("dvc frobnicate --now", ""),
        ("pip install x", "needs the network"),
    ]
    assert neither_run_nor_marked(text, {"make repro"}) == ["dvc frobnicate --now"]
    assert neither_run_nor_marked("```text\nanything\n```\n```sh\nx\n```\n", set()) == ["x"]
    assert neither_run_nor_marked("<!-- result -->\n```\nx\n```\n<!-- /result -->\n", set()) == []


def test_what_is_run_elsewhere_is_named_there() -> None:
    everything = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    for command, place in ELSEWHERE.items():
        assert command in {found for found, _ in commands(everything)}, f"{command!r} is in no document"
        assert command in (ROOT / place).read_text(encoding="utf-8")


def test_links_in_docs_lead_to_files() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (path.parent / target).exists(), f"{path.name}: {target}"


def test_settings_in_docs_exist() -> None:

    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        named = re.findall(r"-S ([\w.-]+)=", text) + re.findall(
            r"`((?:clean|messages|lora|train|evaluate|profiles)\.[\w.-]+)[`:]", text
        )
        for key in named:
            found = params
            for part in key.replace("profiles.X", "profiles.sample").split("."):
                assert isinstance(found, dict) and part in found, f"{path.name} names {key}"
                found = found[part]


def test_projects_and_pictures_become_parquet_that_is_read_and_split(finished: Path, tmp_path: Path) -> None:
    """The pictures of the finished run in 20 projects, and a KiCad project of three sheets."""
    checkout = copy_finished(finished, tmp_path / "checkout")
    part = pq.read_table(sorted((checkout / "data" / "clean" / "train").iterdir())[0]).to_pylist()
    own = checkout / "own"
    for index, row in enumerate(part[:20]):
        project = checkout / "sheets" / f"project-{index}"
        project.mkdir(parents=True)
        kind = (".png", ".JPG", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")[index % 8]
        picture = Image.open(io.BytesIO(row["image"])).convert("RGB")
        picture.save(project / f"main{kind}", quality=90)
        (project / "main.txt").write_text("\n".join(["", *row["components"], ""]), encoding="utf-8")
    write_project(checkout / "sheets" / "amplifier")
    said = documented("python -m stages.import_folder sheets --out own/sheets.parquet", checkout)
    assert "own/sheets.parquet: 23 rows of 21 projects; 0 files left out" in said
    documented(
        "dvc exp run build-messages -S profiles.sample.data.source=local -S profiles.sample.data.path=FOLDER",
        checkout,
        {"FOLDER": f"'{own}'"},
    )
    said = documented("dvc metrics show metrics/clean.json metrics/messages.json", checkout)
    assert "rows_kept" in said and "f1" not in said
    metrics = json.loads((checkout / "metrics" / "clean.json").read_text())
    assert metrics["rows_read"] == metrics["rows_kept"] == 23
    again = documented("dvc repro --force fetch", checkout)
    assert "Running stage 'fetch'" in again


def test_a_plan_says_what_would_be_read(finished: Path) -> None:
    assert "60 rows" in documented("python -m stages.fetch --plan", finished)


def test_the_set_up_of_a_developer(finished: Path, tmp_path: Path) -> None:
    checkout = copy_finished(finished, tmp_path / "checkout")
    documented("make env", checkout)
    documented(". .venv/bin/activate", checkout)
    documented("pre-commit install", checkout)
    assert "pre-commit" in (checkout / ".git" / "hooks" / "pre-commit").read_text(encoding="utf-8")
    assert "test-fast" in documented("make help", checkout)

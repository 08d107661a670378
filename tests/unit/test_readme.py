"""README's figures are those of the committed metrics, and its links and stage names exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from schematic_reader.report.table import result_table
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def metrics(name: str) -> dict[str, float]:
    loaded: dict[str, float] = json.loads((ROOT / "metrics" / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def test_the_result_table_is_that_of_the_committed_metrics() -> None:
    assert result_table(metrics("baseline"), metrics("evaluate")) in README


def test_the_table_of_tasks_is_that_of_the_records() -> None:
    records = (ROOT / "benchmarks" / "results.jsonl").read_text(encoding="utf-8").splitlines()
    judged = {
        one["task"]: one
        for one in map(json.loads, records)
        if one["benchmark"] == "reading" and one["set"] == "sample profile, enlarged tiles"
    }
    shown = README.partition("<!-- tasks -->")[2].partition("<!-- /tasks -->")[0].splitlines()[3:]
    assert [line.split("`")[1] for line in shown if line] == ["components", "json", "yaml", "schematic"]
    for line in filter(None, shown):
        name, before, after, interval, symbols, labels, valid = (
            cell.strip() for cell in line.strip("|").split("|")
        )
        found = judged[name.strip("`")]
        assert (before, after) == (f"{found['baseline_f1']:.3f}", f"{found['f1']:.3f}")
        assert valid == f"{found['valid']:.3f}"
        assert interval == f"{found['f1_low']:.3f} to {found['f1_high']:.3f}"
        kinds = [f"{found[kind]:.3f}" if kind in found else "" for kind in ("symbols_f1", "labels_f1")]
        assert [symbols, labels] == kinds


def test_links_lead_to_files_of_the_repository() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    local = [target for target in targets if not target.startswith("https://")]
    assert local
    assert all((ROOT / target).exists() for target in local), local


def test_every_stage_and_param_that_readme_names_exists() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for stage in stages:
        assert f"`{stage}`" in README
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key in re.findall(r"-S ([\w.-]+)=", README):
        found = params
        for part in key.split("."):
            assert part in found, f"README sets {key}, which params.yaml does not have"
            found = found[part]


def test_documents_name_no_machine() -> None:
    for path in [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]:
        text = Path(path).read_text(encoding="utf-8")
        assert not re.search(r"(^|[\s(`])/(work|root|home|tmp)/", text), path


def test_every_room_has_a_line_in_where_things_are() -> None:
    listed = README.partition("## Where things are")[2].partition("```text\n")[2].partition("```")[0]
    parents, named = {-2: ROOT}, set()
    for line in listed.splitlines():
        found = re.match(r"( *)(\S+(?: \S+)*)", line)  # names end at two blanks
        assert found
        indent = len(found[1])
        for name in found[2].split():
            parents[indent] = parents[indent - 2] / name
            assert parents[indent].exists(), f"README tells of {parents[indent]}"
            named.add(parents[indent])
    package = ROOT / "schematic_reader"
    rooms = {path for path in package.iterdir() if (path / "__init__.py").exists()}
    missing = (rooms | {package / "kicad" / "drawing", package / "kicad" / "nets"}) - named
    assert len(rooms) > 10 and not missing, f"README has no line for {sorted(missing)}"

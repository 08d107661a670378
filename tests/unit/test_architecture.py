"""docs/architecture.md names files and what is in them, and a walk calls what stands in it."""

from __future__ import annotations

import ast
import re

from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`([\w/]+\.py)`: ((?:`[\w.]+`(?:, )?)+)", PAGE)


def defined(path: str) -> set[str]:
    """Functions, classes and constants of a module, and a class' methods and fields behind its name."""

    def names(body: list[ast.stmt]) -> set[str]:
        found = set()
        for node in body:
            match node:
                case ast.FunctionDef(name=name):
                    found.add(name)
                case ast.ClassDef(name=name):
                    found |= {name} | {f"{name}.{inner}" for inner in names(node.body)}
                case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                    found.add(name)
        return found

    return names(ast.parse((ROOT / path).read_text(encoding="utf-8")).body)


def test_every_name_is_where_the_page_says() -> None:
    assert len(NAMED) > 30 and len(NAMED) == PAGE.count(".py`")
    for path, quoted in NAMED:
        names = set(re.findall(r"`([\w.]+)`", quoted))
        assert names <= defined(path), f"{path} has no {sorted(names - defined(path))}"


def test_the_walk_of_a_row_begins_with_each_stage() -> None:
    stages = [path for path, _ in NAMED if path.startswith("stages/")]
    assert stages == [
        f"stages/{name}.py"
        for name in ("fetch", "clean_to_parquet", "build_messages", "baseline", "evaluate")
    ]

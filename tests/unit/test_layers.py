"""Imports run downward only, and the model's libraries load where a model is used."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from schematic_reader.code_deps import imports
from tests.support.paths import ROOT

TIERS = (
    {"stages"},
    {"predict", "publish", "report"},
    {"training", "generation", "scoring"},
    {"model", "tasks", "cleaning", "sources", "synthetic", "importing"},
    {"kicad"},
    {"io"},
    {"cli", "code_deps", "config", "union_find"},
)
SIDEWAYS = {
    ("publish", "report"),  # the card shows the table that compare prints
    ("sources", "synthetic"),  # the generator is a source, too
    ("config", "cli"),  # a wrong value is an error of the user
    ("code_deps", "cli"),  # so is a half-moved module
}
HEAVY_ROOMS = {"model", "training", "generation"}
HEAVY = {"accelerate", "peft", "safetensors", "torch", "torchvision", "transformers", "trl"}

MOST_LINES = 120  # of a stage; what it does is in a room

FILES = [*sorted((ROOT / "schematic_reader").rglob("*.py")), *sorted((ROOT / "stages").glob("*.py"))]


def room(name: str) -> str:
    """The room of a module or a file, ``stages`` for a stage."""
    first, *rest = name.removesuffix(".py").replace("/", ".").split(".")
    return first if first == "stages" or not rest else rest[0]


def tier(name: str) -> int:
    return next(level for level, rooms in enumerate(TIERS) if name in rooms)


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in FILES:
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def loads(tree: ast.Module, *, in_functions: bool) -> Iterator[str]:
    """The dotted names that are imported, but for those that type checkers alone import."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.FunctionDef) and not in_functions:
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative import"
            yield str(node.module)


def allowed(importer: str, imported: str) -> bool:
    same = importer == imported and importer != "stages"
    return same or tier(importer) < tier(imported) or (importer, imported) in SIDEWAYS


def test_imports_run_downward_only() -> None:
    wrong = [
        (name, module)
        for name, tree in modules()
        for module in imports(tree, types=True)
        if module != "schematic_reader" and not allowed(room(name), room(module))
    ]
    assert not wrong


def test_upward_sideways_and_between_stages_is_not_allowed() -> None:
    assert not allowed("kicad", "tasks") and not allowed("training", "generation")
    assert not allowed("stages", "stages") and not allowed("report", "publish")
    assert allowed("publish", "report") and allowed("training", "model") and allowed("kicad", "kicad")


def test_within_kicad_drawing_and_nets_build_on_the_model_and_not_on_each_other() -> None:
    for name, tree in modules():
        if not name.startswith("schematic_reader/kicad/"):
            continue
        own = Path(name).parts[2]
        for module in imports(tree, types=True):
            other = module.split(".")[2] if module.count(".") > 1 else ""
            assert other not in ("drawing", "nets") or own == other, f"{name} imports {module}"


def test_the_package_does_not_know_what_is_built_on_it() -> None:
    for name, tree in modules():
        found = {module.split(".")[0] for module in loads(tree, in_functions=True)}
        assert not found & {"benchmarks", "models", "pretraining", "tests"}, name


def test_model_libraries_are_imported_where_models_are_and_inside_functions_of_stages() -> None:
    """So that ``--help``, ``dvc status`` and the data stages start at once."""
    for name, tree in modules():
        if room(name) in HEAVY_ROOMS:
            continue
        everywhere = {module.split(".")[0] for module in loads(tree, in_functions=True)}
        assert not everywhere & HEAVY or room(name) == "stages", name
        at_once = set(loads(tree, in_functions=False))
        rooms = {room(module) for module in at_once if module.startswith("schematic_reader.")}
        assert not rooms & HEAVY_ROOMS and not {module.split(".")[0] for module in at_once} & HEAVY, name


def test_stages_are_arguments_paths_and_calls() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in (ROOT / "stages").glob("*.py")}
    assert {"fetch.py", "train.py", "predict.py"} <= set(lengths)
    assert not {name: length for name, length in lengths.items() if length > MOST_LINES}

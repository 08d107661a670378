"""The code that a stage runs, told by its imports: for dvc.yaml and for what is kept between runs.

``python -m schematic_reader.code_deps`` prints, for every stage, the paths that belong under ``deps`` of
dvc.yaml; with ``--write`` it puts them there. A module is a dependency wherever it is imported, also inside a
function; what is imported for type checkers alone is none. A folder all of whose files are needed stands for
them.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import yaml

from schematic_reader.cli import UserError, run

ROOT = Path(__file__).resolve().parents[1]

EXEMPT = (
    "schematic_reader/cli.py",
    "schematic_reader/code_deps.py",
    "schematic_reader/config.py",
    "schematic_reader/report/watched_sheets.py",
)
"""No dependencies, though stages import them: they check values, report errors, list code, and show how a
training run goes. A value reaches DVC through ``params``, an error stops a stage before it has an output,
code counts by its content, and what is shown is in no output."""

_PACKAGES = ("schematic_reader", "stages")
_INCLUDE = re.compile(r"""{% include "([^"]+)" %}""")


def code_files(*modules: str, root: Path = ROOT) -> list[str]:
    """Every file that runs for ``modules``, themselves included, relative to ``root`` and sorted.

    Args:
        modules: paths relative to ``root``, such as ``stages/train.py``.

    Beside modules these are the files of other kinds (a style sheet, a template) that a module names and that
    lie in its folder. A package's ``__init__.py`` counts where it holds more than a docstring.

    Raises:
        UserError: a module imports one that does not exist, as after half a move.
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or name in EXEMPT:
            continue
        found.add(name)
        module_text = (root / name).read_text(encoding="utf-8")
        for module in _imports_of(module_text):
            if not _exists(module, root):
                raise UserError(
                    f"{name} imports {module}, which does not exist: name the module that has it now "
                    '(README.md, "Where things are"), and remove folders that hold nothing but __pycache__'
                )
            waiting += _files(module, root)
        found.update(_named_beside(module_text, root / name, root))
    return sorted(found)


def imports(tree: ast.Module, *, types: bool = False) -> Iterator[str]:
    """The dotted names that a module imports from this project, at whatever depth.

    For ``from a.b import c`` both ``a.b`` and ``a.b.c``, which may be a module.

    Args:
        types: include what is imported for type checkers alone.
    """
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not types:
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if name.split(".")[0] in _PACKAGES)


def dependencies(stage: str, root: Path = ROOT) -> list[str]:
    """What ``deps`` of a stage has to name of the code, a folder in place of its files where all are needed.

    Args:
        stage: path of the stage's module relative to ``root``.
    """
    needed = set(code_files(stage, root=root))
    return sorted({_widest(name, needed, root) for name in needed})


def _files(module: str, root: Path) -> Iterator[str]:
    """The module's own file and the packages above it, if there are such files and anything in them runs."""
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        path = Path(*parts[:depth])
        if depth == len(parts) and (root / path.with_suffix(".py")).is_file():
            yield path.with_suffix(".py").as_posix()
        package = path / "__init__.py"
        if (root / package).is_file() and not _is_docstring(root / package):
            yield package.as_posix()


def _exists(module: str, root: Path) -> bool:
    """Whether there is such a module or package, or one that may define the last part of the name."""
    path = root / module.replace(".", "/")
    if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
        return True
    package = path.parent / "__init__.py"
    return path.parent.with_suffix(".py").is_file() or (package.is_file() and not _is_docstring(package))


def _is_docstring(path: Path) -> bool:
    """Whether a module holds nothing else."""
    body = _parsed(path.read_text(encoding="utf-8")).body
    return all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body)


# A run asks for the code of the same modules several times, so what is read out of a text is cached by it.
@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def _imports_of(text: str) -> tuple[str, ...]:
    return tuple(imports(_parsed(text)))


@cache
def _plain_strings(text: str) -> tuple[str, ...]:
    """The string constants of a module's text that may be names of files."""
    found = {node.value for node in ast.walk(_parsed(text)) if isinstance(node, ast.Constant)}
    return tuple(sorted(one for one in found if isinstance(one, str) and re.fullmatch(r"[\w./-]+", one)))


def _named_beside(module_text: str, path: Path, root: Path) -> Iterator[str]:
    """Files beside a module, or below its folder, that are no Python and whose name is a string in it.

    With a template come the files that it includes.
    """
    for text in _plain_strings(module_text):
        beside = path.parent / text
        if beside.suffix not in ("", ".py") and beside.is_file():
            yield beside.relative_to(root).as_posix()
            if beside.suffix == ".html":
                included = _INCLUDE.findall(beside.read_text(encoding="utf-8"))
                yield from ((path.parent / name).relative_to(root).as_posix() for name in included)


def _widest(name: str, needed: set[str], root: Path) -> str:
    """The largest folder around ``name`` whose files are all needed, or ``name`` itself."""
    widest = name
    for folder in Path(name).parents[:-2]:  # not a package as a whole, and not the root
        if not all(file in needed for file in _tracked(root / folder, root)):
            break
        widest = folder.as_posix()
    return widest


def _tracked(folder: Path, root: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            if path.name == "__init__.py" and _is_docstring(path):
                continue
            yield path.relative_to(root).as_posix()


def _with_deps(text: str, name: str, code: Iterable[str]) -> str:
    """dvc.yaml with ``code`` in place of the stage's dependencies on code; the others stay as they are."""
    head, rest = text.split(f"\n  {name}:\n", 1)
    start, deps, after = re.split(r"^    deps:\n((?:      - .*\n)+)", rest, maxsplit=1, flags=re.MULTILINE)
    others = [line for line in deps.splitlines() if not line.strip("- ").startswith(_PACKAGES)]
    lines = "".join(f"{line}\n" for line in [*(f"      - {path}" for path in code), *others])
    return f"{head}\n  {name}:\n{start}    deps:\n{lines}{after}"


def main() -> None:
    """Print the dependencies of every stage, or write them into dvc.yaml."""
    parser = argparse.ArgumentParser(
        "python -m schematic_reader.code_deps",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--write", action="store_true", help="put them into dvc.yaml")
    write = parser.parse_args().write
    path = ROOT / "dvc.yaml"
    text = path.read_text(encoding="utf-8")
    for name, stage in yaml.safe_load(text)["stages"].items():
        code = dependencies(f"{stage['cmd'].split()[-1].replace('.', '/')}.py")
        if write:
            text = _with_deps(text, name, code)
        else:
            print(f"{name}:", *code, sep="\n  ")
    if write:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(main)

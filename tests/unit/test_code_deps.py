"""The code that a stage runs, told by imports, on a small project."""

from __future__ import annotations

from pathlib import Path

import pytest

from schematic_reader.cli import UserError
from schematic_reader.code_deps import code_files, dependencies

PROJECT = {
    "stages/one.py": "from schematic_reader.a.used import f\nimport schematic_reader.cli\n",
    "stages/two.py": "def main():\n    from schematic_reader import b\n",
    "stages/three.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import schematic_reader.b\n",
    "schematic_reader/__init__.py": '"""Words."""\n',
    "schematic_reader/cli.py": "from schematic_reader.a import page\n",
    "schematic_reader/a/__init__.py": '"""Words."""\n',
    "schematic_reader/a/used.py": "import json\nfrom schematic_reader.a.inner import deep\n",
    "schematic_reader/a/unused.py": "",
    "schematic_reader/a/page.py": 'STYLE = "page.css"\nOTHER = "gone.css"\n',
    "schematic_reader/a/page.css": "",
    "schematic_reader/a/inner/__init__.py": "",
    "schematic_reader/a/inner/deep.py": "import schematic_reader.a.inner.deeper as d\n",
    "schematic_reader/a/inner/deeper.py": "from schematic_reader.a.used import f\n",
    "schematic_reader/b/__init__.py": "from schematic_reader.a import page\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in PROJECT.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_imports_are_followed_to_their_ends_but_not_through_what_is_exempt(project: Path) -> None:
    assert code_files("stages/one.py", root=project) == [
        "schematic_reader/a/inner/deep.py",
        "schematic_reader/a/inner/deeper.py",
        "schematic_reader/a/used.py",
        "stages/one.py",
    ]


def test_a_folder_stands_for_its_files_where_all_are_needed(project: Path) -> None:
    one = ["schematic_reader/a/inner", "schematic_reader/a/used.py", "stages/one.py"]
    assert dependencies("stages/one.py", project) == one
    (project / "schematic_reader/a/inner/new.py").write_text("")
    assert "schematic_reader/a/inner/new.py" not in dependencies("stages/one.py", project)
    assert "schematic_reader/a/inner/deep.py" in dependencies("stages/one.py", project)


def test_imports_in_functions_packages_with_code_and_files_named_in_them_count(project: Path) -> None:
    assert code_files("stages/two.py", root=project) == [
        "schematic_reader/a/page.css",
        "schematic_reader/a/page.py",
        "schematic_reader/b/__init__.py",
        "stages/two.py",
    ]


def test_what_type_checkers_alone_import_does_not_count(project: Path) -> None:
    assert code_files("stages/three.py", root=project) == ["stages/three.py"]


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("from stages.config import load_params", "stages.config"),
        ("import stages.vlm.load", "stages.vlm.load"),
        ("from schematic_reader.a import gone", "schematic_reader.a.gone"),
    ],
)
def test_a_module_that_was_moved_away_is_one_line(project: Path, line: str, module: str) -> None:
    (project / "schematic_reader/a/inner/deeper.py").write_text(f"def f():\n    {line}\n")
    (project / "stages/__init__.py").write_text('"""Words."""\n')
    with pytest.raises(UserError, match=f"a/inner/deeper.py imports {module}, which does not exist: name "):
        code_files("stages/one.py", root=project)


def test_what_a_template_includes_counts(project: Path) -> None:
    folder = project / "schematic_reader" / "a"
    (folder / "page.html").write_text('<p>\n{% include "part.html" %}\n</p>\n')
    (folder / "part.html").write_text("words")
    (folder / "page.py").write_text('TEMPLATE = "page.html"\n')
    found = code_files("stages/two.py", root=project)
    assert {"schematic_reader/a/page.html", "schematic_reader/a/part.html"} <= set(found)

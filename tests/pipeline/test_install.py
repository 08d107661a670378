"""``pip install -e .`` makes the package importable from anywhere, and a wheel has all its files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.checkout import copy_checkout
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout without the base model: pip leaves build files beside what it installs."""
    folder = copy_checkout(tmp_path_factory.mktemp("source"))
    shutil.rmtree(folder / "models")
    return folder


def pip(*words: str, python: str = sys.executable) -> None:
    """Run pip without the network: the build uses this environment's setuptools."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, *words, "--no-deps", "--no-build-isolation"],
        env={**os.environ, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_an_editable_install_is_imported_from_any_folder(source: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    code = "import schematic_reader.kicad.drawing.draw as room, stages.fetch; print(room.__file__)"

    def run() -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [str(python), "-c", code], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False
        )

    # The libraries of this environment, setuptools among them.
    (packages_of(python) / "libraries.pth").write_text(f"{packages_of(Path(sys.executable))}\n")
    assert "No module named 'schematic_reader'" in run().stderr
    pip("install", "--editable", str(source), python=str(python))
    done = run()
    assert done.stdout.strip() == str(source / "schematic_reader/kicad/drawing/draw.py"), done.stderr


def packages_of(python: Path) -> Path:
    """The folder of an environment's packages."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_a_wheel_has_every_file_of_the_package(source: Path, tmp_path: Path) -> None:
    pip("wheel", str(source), "--wheel-dir", str(tmp_path))
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        built = {name for name in file.namelist() if ".dist-info/" not in name}
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in ("schematic_reader", "stages")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert built == expected

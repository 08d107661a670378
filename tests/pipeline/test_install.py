"""``pip install`` makes package and command usable from anywhere, and a wheel has all their files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from schematic_reader.config import load_params
from schematic_reader.io.adapter_digests import write_adapter_digests
from schematic_reader.io.reader_settings import ReaderSettings
from schematic_reader.synthetic.sample import make_row
from tests.support.adapters import save_random_adapter
from tests.support.checkout import copy_checkout
from tests.support.kicad_projects import placed, sheet
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
    python = environment(tmp_path / "env")
    code = "import schematic_reader.kicad.drawing.draw as room, stages.fetch; print(room.__file__)"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(words, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)

    assert "No module named 'schematic_reader'" in run(str(python), "-c", code).stderr
    pip("install", "--editable", str(source), python=str(python))
    done = run(str(python), "-c", code)
    assert done.stdout.strip() == str(source / "schematic_reader/kicad/drawing/draw.py"), done.stderr
    (tmp_path / "sheet.kicad_sch").write_text(sheet("r", placed("Device:R", "a", "R1", "1k")))
    command = run(str(python.with_name("schematic-reader")), "sheet.kicad_sch", "--format", "bom")
    assert command.stdout.splitlines()[1].startswith("R1,1k,1,R,resistor"), command.stderr


def test_make_env_installs_the_checkout_so() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", "env"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    last = [line for line in done.stdout.splitlines() if "pip install" in line][-1]
    assert last.split()[-4:] == ["--no-deps", "--no-build-isolation", "--editable", "."]


def environment(folder: Path) -> Path:
    """The Python of a new environment with the libraries of this one, setuptools among them."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    (packages_of(python) / "libraries.pth").write_text(f"{packages_of(Path(sys.executable))}\n")
    return python


def packages_of(python: Path) -> Path:
    """The folder of an environment's packages."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the checkout with small settings, the base model, and adapters of random weights in both places."""
    checkout = shutil.copytree(source, tmp_path_factory.mktemp("whole") / "checkout")
    shutil.copytree(ROOT / "models" / "tiny", checkout / "models" / "tiny")
    settings = yaml.safe_load((checkout / "params.yaml").read_text())
    settings["profiles"]["sample"]["image"]["max_side"] = 256
    settings["evaluate"]["max_new_tokens"] = 8
    (checkout / "params.yaml").write_text(yaml.safe_dump(settings))
    with chdir(checkout):
        params = load_params()
        save_random_adapter(params, checkout / "models" / "adapter")
        reader = checkout / "models" / "reader"
        save_random_adapter(params, reader)
        for path in reader.iterdir():
            if not path.name.startswith("adapter_"):  # a processor, which its base has
                path.unlink()
        replace(ReaderSettings.of(params, answer_tokens=8), task="json").write(reader)
        write_adapter_digests(reader)
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", str(checkout), "--wheel-dir", str(folder))
    return next(folder.glob("*.whl"))


def test_a_wheel_has_every_file_of_the_package_settings_and_models(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        built = {name for name in file.namelist() if ".dist-info/" not in name}
    data = f"{'-'.join(wheel.stem.split('-')[:2])}.data/data/share/schematic-reader"
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in ("schematic_reader", "stages")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    expected |= {f"{data}/models/tiny/{path.name}" for path in (ROOT / "models" / "tiny").iterdir()}
    models = {
        name for name in built if name.startswith((f"{data}/models/adapter/", f"{data}/models/reader/"))
    }
    assert f"{data}/models/adapter/adapter_model.safetensors" in models
    assert {Path(name).name for name in models if name.startswith(f"{data}/models/reader/")} == {
        "adapter_config.json", "adapter_model.safetensors", "reader.json", "sha256.json",
    }  # fmt: skip
    assert built - models == {*expected, f"{data}/params.yaml"}


def test_the_command_reads_sheets_in_any_folder(wheel: Path, tmp_path: Path) -> None:
    """Among files that have the names of modules, and the settings of another project."""
    python = environment(tmp_path / "env")
    pip("install", str(wheel), python=str(python))
    folder = tmp_path / "sheets"
    folder.mkdir()
    row = make_row(5, 42, width=640, height=448)
    (folder / "sheet.png").write_bytes(row["image"]["bytes"])
    (folder / "sheet.kicad_sch").write_text(row["schematic"])
    (folder / "params.yaml").write_text("train: {}\n")
    for name in ("PIL", "json", "transformers"):
        (folder / f"{name}.py").write_text("raise SystemExit('code of a stranger')\n")

    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables["HF_HUB_OFFLINE"] = "1"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(python.with_name("schematic-reader")), *words]
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
        assert "stranger" not in done.stderr
        return done

    from_file = run("sheet.kicad_sch", "--format", "bom")
    assert from_file.returncode == 0, from_file.stderr
    assert from_file.stdout.startswith("\ufeffReference,Value,Qty")
    asked = run("sheet.png", "sheet.kicad_sch", "--ask", "--format", "json")
    assert asked.returncode == 0, asked.stderr
    assert [sheet["file"] for sheet in json.loads(asked.stdout)["sheets"]] == ["sheet.png", "sheet.kicad_sch"]
    assert "Could not find a config file" not in asked.stderr
    share = tmp_path / "env" / "share" / "schematic-reader" / "models"
    assert f"read by {share / 'reader'} on {share / 'tiny'}, trained for the task json" in asked.stderr
    own = run("sheet.png", "--adapter", "models/adapter")
    assert own.returncode == 0 and f"read by {share / 'adapter'} on {share / 'tiny'}\n" in own.stderr
    assert run("--help").stdout.startswith("usage: schematic-reader [-h]")
    shutil.rmtree(share / "tiny")
    baseless = run("sheet.png")
    assert (baseless.returncode, baseless.stderr.count("error: ")) == (1, 1)
    assert "needs its base model" in baseless.stderr and "run `pip install .` again" in baseless.stderr
    shutil.rmtree(share)
    missing = run("sheet.png")
    assert missing.returncode == 1
    assert missing.stderr.splitlines()[-1].startswith(f"error: there is no folder {share / 'reader'}: in a ")

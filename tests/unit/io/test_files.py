"""Atomic writes: what fails or is killed leaves the old content and nothing that looks finished."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from schematic_reader.cli import UserError
from schematic_reader.io.files import atomic_folder, atomic_write, read_json, write_json, write_text
from tests.support.paths import ROOT


class StageError(Exception):
    """What goes wrong inside a block."""


def test_a_file_is_replaced_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    with atomic_write(target) as part:
        part.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "old")
    with pytest.raises(StageError), atomic_write(tmp_path / "file") as part:
        part.write_text("half")
        raise StageError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


def test_a_folder_is_replaced_at_the_end(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with atomic_folder(tmp_path / "out") as part:
            (part / content).write_text(content)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "new"]


@pytest.mark.parametrize("resume", [None, "the same"])
def test_an_error_leaves_the_old_folder(tmp_path: Path, resume: str | None) -> None:
    with atomic_folder(tmp_path / "out") as part:
        (part / "old").write_text("old")
    with pytest.raises(StageError), atomic_folder(tmp_path / "out", resume=resume) as part:
        (part / "half").write_text("half")
        raise StageError
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["old"]
    assert (len(list(tmp_path.iterdir())) == 1) == (resume is None)


def test_an_interrupted_folder_resumes_with_the_same_key_only(tmp_path: Path) -> None:
    for resume in ("revision 1", "revision 2"):
        with pytest.raises(StageError), atomic_folder(tmp_path / "out", resume=resume) as part:
            assert not (part / "shard").exists()
            (part / "shard").write_text(resume)
            raise StageError
    with atomic_folder(tmp_path / "out", resume="revision 2") as part:
        assert (part / "shard").read_text() == "revision 2"
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "shard"]


def run_until_killed(code: str, folder: Path) -> None:
    """Run Python code in a folder, which kills its own process."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={"PYTHONPATH": str(ROOT)}, check=False
    )
    assert done.returncode == -signal.SIGKILL


def test_a_killed_block_leaves_the_old_folder_and_the_next_run_clears_up(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "out") as part:
        (part / "old").write_text("old")
    code = (
        "import os, signal\nfrom pathlib import Path\n"
        "from schematic_reader.io.files import atomic_folder\n"
        "with atomic_folder(Path('out')) as part:\n"
        "    (part / 'half').write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run_until_killed(code, tmp_path)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["old"]
    with atomic_folder(tmp_path / "out") as part:
        assert list(part.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_run_that_is_killed_while_it_replaces_a_folder_leaves_a_whole_one(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "out") as part:
        for name in "abc":
            (part / name).write_text("old")
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from schematic_reader.io.files import atomic_folder\n"
        "deleted = []\n"
        "def watch(event, args):\n"
        "    if event == 'os.remove' and args[0] in ('a', 'b', 'c'):\n"
        "        deleted.append(args[0])\n"
        "        if len(deleted) == 2:\n            os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(watch)\n"
        "with atomic_folder(Path('out')) as part:\n    (part / 'new').write_text('new')\n"
    )
    run_until_killed(code, tmp_path)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["new"]
    with atomic_folder(tmp_path / "out") as part:
        (part / "newer").write_text("newer")
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["out", "out/newer"]


def test_a_link_to_a_folder_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "old").write_text("old")
    for target in ("elsewhere", "gone"):
        (tmp_path / "link").symlink_to(target)
        with atomic_folder(tmp_path / "link") as part:
            (part / "new").write_text("new")
        assert [path.name for path in (tmp_path / "link").iterdir()] == ["new"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "link"]
        shutil.rmtree(tmp_path / "link")
    assert (tmp_path / "elsewhere" / "old").read_text() == "old"


def test_content_is_on_the_disk_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[tuple[str, str]] = []
    replace = Path.replace

    def recorded(self: Path, target: Path) -> Path:
        events.append(("named", target.name))
        return replace(self, target)

    def sync(path: Path) -> None:
        events.append(("synced", "part" if path.name.endswith(".part") else path.name))

    monkeypatch.setattr(Path, "replace", recorded)
    monkeypatch.setattr("schematic_reader.io.files.sync_to_disk", sync)
    with atomic_write(tmp_path / "file"):
        pass
    assert events == [("synced", "part"), ("named", "file"), ("synced", tmp_path.name)]
    events.clear()
    with atomic_folder(tmp_path / "out") as part:
        (part / "shard").write_text("rows")
    assert events == [("synced", "shard"), ("synced", "part"), ("named", "out"), ("synced", tmp_path.name)]
    events.clear()
    with atomic_write(tmp_path / "cached", sync=False):
        pass
    assert events == [("named", "cached")]


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe", b"the sam"])
def test_a_damaged_resume_key_starts_the_folder_anew(tmp_path: Path, damaged: bytes) -> None:
    with pytest.raises(StageError), atomic_folder(tmp_path / "out", resume="the same") as part:
        (part / "shard").write_text("rows")
        raise StageError
    (tmp_path / ".out.part" / ".resume").write_bytes(damaged)
    with atomic_folder(tmp_path / "out", resume="the same") as part:
        assert not (part / "shard").exists()


def test_json_refuses_nan_and_keeps_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "m.json", {"f1": 0.5, "name": "Ω"})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "m.json", {"f1": float("nan")})
    assert (tmp_path / "m.json").read_text(encoding="utf-8") == '{\n  "f1": 0.5,\n  "name": "Ω"\n}\n'


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"f1": 1}', "[" * 10**5, "\0"])
def test_reading_json_names_the_command_that_makes_it(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "m.json").write_text(content)
    with pytest.raises(UserError, match=r"m\.json.*dvc repro fetch"):
        read_json(tmp_path / "m.json", "fetch", ("f1", "sheets"))

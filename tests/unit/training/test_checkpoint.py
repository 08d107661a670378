"""What a checkpoint's fingerprint follows, and that a damaged one never blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from schematic_reader.config import Params, load_params
from schematic_reader.training.checkpoint import Checkpoint, run_fingerprint
from tests.support.hub_cache import cache_on_this_machine
from tests.support.paths import ROOT


def with_base(base: str) -> Params:
    params = load_params(ROOT / "params.yaml")
    profile = replace(params.active, model=replace(params.active.model, base=base))
    return replace(params, profiles={params.profile: profile})


def test_a_base_on_the_hub_counts_by_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for commit in ("a" * 40, "b" * 40):
        cache_on_this_machine(tmp_path, "owner/name", commit, monkeypatch)
        found.append(run_fingerprint(with_base("owner/name"), {}, None))
    assert {name for name in found[0] if found[0][name] != found[1][name]} == {"base model"}


def test_a_base_in_a_folder_counts_by_its_files(tmp_path: Path) -> None:
    def fingerprint(content: str) -> dict[str, str]:
        (tmp_path / "model.safetensors").write_text(content)
        return run_fingerprint(with_base(str(tmp_path)), {}, None)

    one, other = fingerprint("weights"), fingerprint("others")
    assert {name for name in one if one[name] != other[name]} == {"base model"}


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "flipped": lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
}
RUN = {"code": "1", "params": "1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two complete checkpoints, after 10 and 20 steps, and one that was being written."""
    checkpoint = Checkpoint(tmp_path / "part", RUN)
    checkpoint.open()
    for step in (10, 20, 30):
        saved = checkpoint.folder / f"checkpoint-{step}"
        saved.mkdir()
        for name in ("adapter_model.safetensors", "optimizer.pt", "trainer_state.json"):
            (saved / name).write_bytes(f"{name} {step}".encode() * 9)
        if step < 30:
            checkpoint.mark_complete(step, {"train": [[step, 0.5]]})
    return checkpoint.folder


def resumed_step(folder: Path, run: dict[str, str] = RUN) -> int | None:
    checkpoint = Checkpoint(folder, run)
    checkpoint.open()
    saved = checkpoint.load()
    if saved is not None:
        assert saved.loss_log == {"train": [[saved.step, 0.5]]}
    return saved and saved.step


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "name", ["complete.json", "adapter_model.safetensors", "optimizer.pt", "trainer_state.json"]
)
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_resumes(
    folder: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert resumed_step(folder) == 20 and caplog.messages == []
    path = folder / "checkpoint-20" / name
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    assert resumed_step(folder) == 10
    (line,) = caplog.messages
    assert line.startswith(f"{folder / 'checkpoint-20'} is damaged and set aside as damaged-checkpoint-20: ")
    assert resumed_step(folder) == 10
    assert len(caplog.messages) == 1
    (folder / "checkpoint-10" / "optimizer.pt").unlink()
    assert resumed_step(folder) is None


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_note_of_the_run_is_made_again_from_a_checkpoint(folder: Path, damage: str) -> None:
    run = folder / "run.json"
    whole = run.read_bytes()
    run.write_bytes(DAMAGE[damage](whole))
    assert resumed_step(folder) == 20
    assert run.read_bytes() == whole


def test_a_damaged_note_lets_no_other_run_resume(folder: Path) -> None:
    (folder / "run.json").write_bytes(b"")
    assert resumed_step(folder, RUN | {"params": "2"}) is None

"""What a checkpoint's fingerprint follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from schematic_reader.config import Params, load_params
from schematic_reader.training.checkpoint import run_fingerprint
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
        found.append(run_fingerprint(with_base("owner/name"), {}))
    assert {name for name in found[0] if found[0][name] != found[1][name]} == {"base model"}


def test_a_base_in_a_folder_counts_by_its_files(tmp_path: Path) -> None:
    def fingerprint(content: str) -> dict[str, str]:
        (tmp_path / "model.safetensors").write_text(content)
        return run_fingerprint(with_base(str(tmp_path)), {})

    one, other = fingerprint("weights"), fingerprint("others")
    assert {name for name in one if one[name] != other[name]} == {"base model"}

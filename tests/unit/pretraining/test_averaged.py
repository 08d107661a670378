"""The average of adapters changes the base as they do on average."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pretraining.averaged import average_adapters, main
from schematic_reader.cli import UserError
from schematic_reader.io.adapter_digests import check_adapter, write_adapter_digests

LAYERS = {"q_proj": (12, 20), "down_proj": (30, 9)}  # out, in


def adapter(folder: Path, changes: dict[str, torch.Tensor], rank: int, *, alpha: int = 8) -> Path:
    """A folder with an adapter of that rank, whose products are ``changes``."""
    folder.mkdir()
    halves = {}
    for name, change in changes.items():
        left, values, right = torch.linalg.svd(change, full_matrices=False)
        halves[f"{name}.lora_A.weight"] = right[:rank].contiguous()
        halves[f"{name}.lora_B.weight"] = (left[:, :rank] * values[:rank]).contiguous()
    save_file(halves, folder / "adapter_model.safetensors")
    settings = {"r": rank, "lora_alpha": alpha, "use_rslora": False}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    (folder / "reader.json").write_text("{}")
    write_adapter_digests(folder)
    return folder


def changes(seed: int, rank: int) -> dict[str, torch.Tensor]:
    made = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(out, rank, generator=made) @ torch.randn(rank, wide, generator=made)
        for name, (out, wide) in LAYERS.items()
    }


def products(folder: Path) -> dict[str, torch.Tensor]:
    """The change of each layer by the adapter in ``folder``."""
    halves = load_file(folder / "adapter_model.safetensors")
    return {name: halves[f"{name}.lora_B.weight"] @ halves[f"{name}.lora_A.weight"] for name in LAYERS}


def test_the_average_is_that_of_the_products_at_the_same_rank(tmp_path: Path) -> None:
    one, other = changes(1, 2), changes(2, 2)
    first, second = adapter(tmp_path / "a", one, 4), adapter(tmp_path / "b", other, 4)
    average_adapters({first: 0.25, second: 0.75}, tmp_path / "out")
    check_adapter(tmp_path / "out")
    found = load_file(tmp_path / "out/adapter_model.safetensors")
    for name in LAYERS:
        lower, upper = found[f"{name}.lora_A.weight"], found[f"{name}.lora_B.weight"]
        assert lower.shape[0] == upper.shape[1] == 4
        # Two changes of rank 2 make one of rank 4: nothing is lost.
        assert torch.allclose(upper @ lower, 0.25 * one[name] + 0.75 * other[name], atol=1e-4)
        assert torch.allclose(lower.norm(dim=1), upper.norm(dim=0), rtol=1e-4)  # equal parts
    assert json.loads((tmp_path / "out/adapter_config.json").read_text())["lora_alpha"] == 8


def test_of_a_larger_average_the_largest_part_is_kept(tmp_path: Path) -> None:
    one, other = changes(1, 4), changes(2, 4)
    first, second = adapter(tmp_path / "a", one, 4), adapter(tmp_path / "b", other, 4)
    average_adapters({first: 0.5, second: 0.5}, tmp_path / "out")
    for name, product in products(tmp_path / "out").items():
        mean = (one[name] + other[name]) / 2
        left_out = torch.linalg.svdvals(mean)[4:].norm()
        assert abs((product - mean).norm() - left_out) < 1e-3 and left_out > 1


def test_shares_under_1_leave_the_rest_to_the_base(tmp_path: Path) -> None:
    one, other = changes(1, 2), changes(2, 2)
    first, second = adapter(tmp_path / "a", one, 4), adapter(tmp_path / "b", other, 4)
    average_adapters({first: 0.47, second: 0.47}, tmp_path / "out")
    for name, product in products(tmp_path / "out").items():
        assert torch.allclose(product, 0.94 * (one[name] + other[name]) / 2, atol=1e-4)


def test_what_cannot_be_averaged_is_one_line(tmp_path: Path) -> None:
    first = adapter(tmp_path / "a", changes(1, 2), 4)
    scaled = adapter(tmp_path / "b", changes(2, 2), 4, alpha=16)
    narrow = adapter(tmp_path / "c", changes(2, 2), 2)
    for other in (scaled, narrow):
        with pytest.raises(UserError, match="layers, rank or scale"):
            average_adapters({first: 0.5, other: 0.5}, tmp_path / "out")
    for share, together in (0.75, "1.5"), (0.0, "0"), (-0.5, "-1"):
        with pytest.raises(UserError, match=f"are {together} together: make them 1, or less"):
            average_adapters({first: share, narrow: share}, tmp_path / "out")
    with pytest.raises(UserError, match=r"adapter_config\.json"):
        average_adapters({first: 0.5, tmp_path / "none": 0.5}, tmp_path / "out")
    foreign = adapter(tmp_path / "d", changes(2, 2), 4)
    (foreign / "sha256.json").unlink()
    (foreign / "reader.json").write_text('{"task": "yaml"}')
    with pytest.raises(UserError, match="task, base"):
        average_adapters({first: 0.5, foreign: 0.5}, tmp_path / "out")
    (foreign / "reader.json").unlink()
    with pytest.raises(UserError, match=r"reader\.json is missing"):
        average_adapters({first: 0.5, foreign: 0.5}, tmp_path / "out")
    with pytest.raises(UserError, match="there already"):
        average_adapters({first: 1.0}, foreign)
    (narrow / "adapter_model.safetensors").write_bytes(b"x")
    with pytest.raises(UserError, match="not the file that was exported"):
        average_adapters({first: 0.5, narrow: 0.5}, tmp_path / "out")
    (narrow / "sha256.json").unlink()
    with pytest.raises(UserError, match="adapter_model.safetensors is damaged: get"):
        average_adapters({first: 0.5, narrow: 0.5}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_shares_and_weights_that_would_be_lost_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = (adapter(tmp_path / name, changes(1, 2), 4) for name in "ab")
    with pytest.raises(UserError, match="nan together"):
        average_adapters({first: math.nan, other: 0.5}, tmp_path / "out")
    words = [f"{first}=0.5", f"{first}=0.25", f"{other}=0.5", "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["averaged", *words])
    with pytest.raises(UserError, match="a is named twice"):
        main()
    for folder in (first, other):
        file = folder / "adapter_model.safetensors"
        save_file({**load_file(file), "lm_head.weight": torch.ones(2, 2)}, file)
        write_adapter_digests(folder)
    with pytest.raises(UserError, match=r"lm_head\.weight, which is no half of a change"):
        average_adapters({first: 0.5, other: 0.5}, tmp_path / "out")
    assert not (tmp_path / "out").exists()

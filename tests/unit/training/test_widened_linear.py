"""LoRA inside the base's matmul: the outputs, gradients, names and memory of PEFT's own layers."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model_state_dict
from safetensors.torch import load_file
from torch import nn

from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.packed_batch import PackedBatch, pack_batch
from schematic_reader.training.adapter import add_adapter
from schematic_reader.training.fp8 import Fp8Linear
from schematic_reader.training.packed_loss import PackedLoss, Recompute
from schematic_reader.training.widened_linear import (
    WidenedLinear,
    can_widen,
    refresh_adapter,
    widen_layer,
    widen_layers,
)
from tests.support.sheet_samples import LORA, TINY, sample


def adapted(dtype: torch.dtype = torch.float32, **changes: Any) -> Any:
    """The small model with an adapter of float32 that does something: a new one has a zero half."""
    torch.manual_seed(1)
    base = load_base(TINY, prepare_device(TINY, 1)).to(dtype)
    model = add_adapter(base, replace(LORA, r=8, alpha=24, **changes))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.05)
    return model


def language(model: Any) -> Any:
    return model.get_base_model().model.language_model


def lora_layers(model: Any) -> list[Any]:
    return [layer for layer in language(model).modules() if hasattr(layer, "lora_A")]


def widen_all(packed_loss: PackedLoss) -> None:
    """As ``PackedLoss.widen_layers`` on a GPU: every layer."""
    packed_loss._widened = [
        widen_layer(layer) for layer in lora_layers(packed_loss.model) if can_widen(layer)
    ]


def off(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.detach().double() - expected.double()).norm() / expected.double().norm())


def computed(layer: Any, inputs: torch.Tensor, upstream: torch.Tensor) -> list[torch.Tensor]:
    """Output, then the gradients of input, A and B."""
    inputs = inputs.clone().requires_grad_()
    weights = [layer.lora_A["default"].weight, layer.lora_B["default"].weight]
    with torch.autocast("cpu", torch.bfloat16, enabled=inputs.dtype == torch.bfloat16):
        out = layer(inputs)
    return [out.detach(), *torch.autograd.grad(out, [inputs, *weights], upstream)]


@pytest.mark.parametrize("rank_stabilized", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 8e-3)])
@pytest.mark.parametrize("name", ["self_attn.q_proj", "self_attn.k_proj", "mlp.down_proj"])
def test_outputs_and_gradients_are_those_of_the_plain_layer(
    name: str, dtype: torch.dtype, tolerance: float, rank_stabilized: bool
) -> None:
    layer = language(adapted(dtype, rank_stabilized=rank_stabilized)).layers[1].get_submodule(name)
    inputs = torch.randn(1, 50, layer.in_features).to(dtype)
    upstream = torch.randn(1, 50, layer.out_features).to(dtype)
    plain = deepcopy(layer)
    exact = deepcopy(layer).double()
    expected = computed(plain, inputs, upstream)
    found = computed(widen_layer(layer), inputs, upstream)
    right = computed(exact, inputs.double(), upstream.double())
    for one, other, best in zip(found, expected, right, strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        assert off(one, other) < tolerance
        assert off(one, best) < max(1.2 * off(other, best), 1e-5)  # as near to float64's as the plain layer


def test_the_weight_moves_without_a_second_copy_and_all_names_stay(tmp_path: Path) -> None:
    plain, model = adapted(torch.bfloat16), adapted(torch.bfloat16)
    for layer in lora_layers(model):
        wide, weight = widen_layer(layer).widened, layer.base_layer.weight
        assert weight.data_ptr() == wide.data_ptr()
        assert weight.untyped_storage().data_ptr() == wide.untyped_storage().data_ptr()
        rows, columns = weight.shape
        assert wide.untyped_storage().nbytes() == (rows + 8) * columns * 2
        assert weight.is_contiguous() and not weight.requires_grad
    for found, expected in (
        (model.state_dict(), plain.state_dict()),
        (get_peft_model_state_dict(model), get_peft_model_state_dict(plain)),
    ):
        assert list(found) == list(expected)
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert [name for name, _ in model.named_buffers()] == [name for name, _ in plain.named_buffers()]
    for name, one in (("plain", plain), ("widened", model)):
        one.save_pretrained(str(tmp_path / name))
    saved = [load_file(tmp_path / name / "adapter_model.safetensors") for name in ("plain", "widened")]
    assert saved[0].keys() == saved[1].keys()
    assert all(torch.equal(saved[0][name], saved[1][name]) for name in saved[0])


def test_without_the_adapter_and_merged_the_layer_is_the_plain_one() -> None:
    layer = language(adapted()).layers[0].mlp.up_proj
    plain = deepcopy(layer)
    widened = widen_layer(layer)
    inputs = torch.randn(1, 5, layer.in_features)
    for one in (plain, widened):
        one.enable_adapters(False)
    assert torch.equal(widened(inputs), plain(inputs))
    for one in (plain, widened):
        one.enable_adapters(True)
        one.merge()
    assert torch.equal(widened(inputs), plain(inputs))
    assert widened.base_layer.weight.data_ptr() == widened.widened.data_ptr()
    for one in (plain, widened):
        one.unmerge()
    torch.testing.assert_close(widened(inputs), plain(inputs))


def batch() -> PackedBatch:
    encoder = Encoder(load_processor(TINY.base, None))
    samples = [sample(encoder, 96, 64, "R, C"), sample(encoder, 64, 128, "LED, GND", 1)]
    return pack_batch(samples, ["a", "b"], merge_size=encoder.merge_size, pad_id=encoder.pad_id)


def trained(packed_loss: PackedLoss, steps: int) -> tuple[list[float], dict[str, torch.Tensor]]:
    """Losses of some optimizer steps, and the gradients of the last."""
    model, sheets = packed_loss.model.train(), batch()
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    optimizer = torch.optim.AdamW(weights.values(), lr=0.01)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = packed_loss(sheets)
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    return losses, {name: weight.grad.clone() for name, weight in weights.items()}


@pytest.mark.parametrize("recompute", ["none", "full"])
def test_training_is_that_of_the_plain_layers_step_by_step(recompute: Recompute) -> None:
    """Each step computes with the A of the step before, whether layers are recomputed in backward or not."""
    plain, widened = PackedLoss(adapted()), PackedLoss(adapted(), recompute=recompute)
    widen_all(widened)
    assert len(widened._widened) == 7 * widened.num_layers
    (expected, right), (found, gradients) = trained(plain, 3), trained(widened, 3)
    assert expected[2] < 0.99 * expected[0]
    assert found == pytest.approx(expected, rel=1e-4)
    assert gradients.keys() == right.keys()
    for name, gradient in right.items():
        assert off(gradients[name], gradient) < 5e-3, name


def test_recomputed_layers_give_the_same_gradients() -> None:
    gradients = []
    for recompute in ("none", "full"):
        packed_loss = PackedLoss(adapted(), recompute=recompute)
        widen_all(packed_loss)
        gradients.append(trained(packed_loss, 1)[1])
    for name, gradient in gradients[0].items():
        assert torch.equal(gradients[1][name], gradient), name


def test_weights_that_were_loaded_since_are_those_of_the_next_pass() -> None:
    """As when training resumes from a checkpoint, and when sheets are answered after a step."""
    packed_loss = PackedLoss(adapted())
    packed_loss.install_forward()
    widen_all(packed_loss)
    sheets = batch()
    before = packed_loss(sheets).item()
    with torch.no_grad():
        for layer in packed_loss._widened:
            layer.lora_A["default"].weight.normal_(std=0.1)
    with packed_loss.answering():
        for layer in packed_loss._widened:
            a = layer.lora_A["default"].weight
            assert torch.equal(layer.widened[-len(a) :], a)
    plain = PackedLoss(adapted())
    plain.model.load_state_dict(packed_loss.model.state_dict())
    after = packed_loss(sheets).item()
    assert after == pytest.approx(plain(sheets).item(), rel=1e-5) and abs(after - before) > 1e-3 * before


def test_only_the_rows_of_a_are_refreshed() -> None:
    layer = widen_layer(language(adapted()).layers[0].self_attn.o_proj)
    weight = layer.base_layer.weight.clone()
    with torch.no_grad():
        layer.lora_A["default"].weight.fill_(3)
    refresh_adapter([layer])
    assert (layer.widened[len(weight) :] == 3).all() and torch.equal(layer.base_layer.weight, weight)


@pytest.mark.parametrize("changes", [{"dropout": 0.05}, {"dora": True}])
def test_other_adapters_keep_their_layers(changes: dict[str, Any]) -> None:
    layers = lora_layers(adapted(**changes))
    assert layers and not any(map(can_widen, layers))


def test_layers_that_are_trained_quantized_or_not_aligned_stay() -> None:
    layers = language(adapted()).layers
    assert can_widen(layers[0].mlp.up_proj)
    layers[0].mlp.up_proj.base_layer = Fp8Linear(layers[0].mlp.up_proj.base_layer)
    layers[0].mlp.down_proj.base_layer.weight.requires_grad_(True)
    layers[0].self_attn.q_proj.base_layer.bias = nn.Parameter(torch.zeros(1))
    for layer in (layers[0].mlp.up_proj, layers[0].mlp.down_proj, layers[0].self_attn.q_proj):
        assert not can_widen(layer)
    torch.manual_seed(1)
    odd = add_adapter(load_base(TINY, prepare_device(TINY, 1)), replace(LORA, r=6))
    assert not any(map(can_widen, lora_layers(odd)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_cpu_keeps_the_plain_layers(dtype: torch.dtype) -> None:
    model = adapted(dtype)
    assert widen_layers(language(model)) == []
    assert not any(isinstance(layer, WidenedLinear) for layer in model.modules())


@pytest.mark.slow
def test_compiled_projections_are_compiled_once_and_follow_the_adapter() -> None:
    plain, widened = PackedLoss(adapted()), PackedLoss(adapted())
    widen_all(widened)
    for layer in language(widened.model).layers:
        layer.mlp.compile(backend="aot_eager", dynamic=False, fullgraph=True)
    torch._dynamo.utils.counters.clear()
    (expected, right), (found, gradients) = trained(plain, 3), trained(widened, 3)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= widened.num_layers
    assert found == pytest.approx(expected, rel=1e-4)
    for name, gradient in right.items():
        assert off(gradients[name], gradient) < 5e-3, name

"""On a CUDA GPU a packed batch has the loss, the gradients and the dropout masks that it has on the CPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.packed_batch import pack_batch
from schematic_reader.training.adapter import add_adapter
from schematic_reader.training.dropout import HashedDropout, TokenSeeds
from schematic_reader.training.packed_loss import PackedLoss
from schematic_reader.training.widened_linear import WidenedLinear
from tests.support.sheet_samples import LORA, TINY, sample

pytestmark = pytest.mark.gpu


def loss_and_gradients(
    device: str, *, compiled: bool, dtype: str = "float32", widened: bool = False
) -> tuple[float, dict[str, torch.Tensor]]:
    """Of three sheets in one packed batch, with an adapter whose matrices are the same everywhere."""
    settings = replace(TINY, device=device, dtype=dtype)
    model: Any = add_adapter(load_base(settings, prepare_device(settings, 1)), replace(LORA, r=8))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            if "lora_" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.02)
    encoder = Encoder(load_processor(TINY.base, None))
    samples = [
        sample(encoder, width, height, answer, seed)
        for seed, (width, height, answer) in enumerate(
            [(96, 128, "R, C, GND"), (64, 64, "LED"), (160, 96, "AMS1117-3.3, C")]
        )
    ]
    batch = pack_batch(samples, ["a", "b", "c"], merge_size=encoder.merge_size, pad_id=encoder.pad_id)
    packed = PackedLoss(model)
    if widened:
        packed.widen_layers()
        assert sum(isinstance(layer, WidenedLinear) for layer in model.modules()) == 7 * packed.num_layers
    if compiled:
        packed.compile_layers()
    with torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16"):
        loss = packed(batch.to(device))
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    gradients = torch.autograd.grad(loss, list(weights.values()))
    return loss.item(), {name: one.cpu() for name, one in zip(weights, gradients, strict=True)}


@pytest.mark.parametrize("compiled", [False, True])
def test_a_packed_batch_has_the_loss_and_gradients_of_the_cpu(compiled: bool) -> None:
    expected, at_home = loss_and_gradients("cpu", compiled=False)
    found, there = loss_and_gradients("cuda", compiled=compiled)
    assert found == pytest.approx(expected, rel=1e-4)
    assert at_home.keys() == there.keys() and len(there) > 0
    for name, gradient in at_home.items():
        assert (there[name] - gradient).norm() <= 1e-3 * gradient.norm() > 0, name


@pytest.mark.parametrize("compiled", [False, True])
def test_the_adapter_inside_the_matmuls_of_the_base_is_the_plain_one(compiled: bool) -> None:
    """Both are as near to float32 on the CPU as bfloat16 lets them be."""
    exact, right = loss_and_gradients("cpu", compiled=False)
    plain, expected = loss_and_gradients("cuda", compiled=compiled, dtype="bfloat16")
    found, gradients = loss_and_gradients("cuda", compiled=compiled, dtype="bfloat16", widened=True)
    assert abs(found - exact) <= 2 * abs(plain - exact) + 5e-3 * exact
    one, other, best = (
        torch.cat([part.flatten() for part in parts.values()]) for parts in (gradients, expected, right)
    )
    assert (one - best).norm() <= 1.3 * (other - best).norm() + 1e-3 * best.norm()


def test_dropout_drops_the_same_elements_for_the_same_seeds() -> None:
    """The hash is integer arithmetic, which is the same on every device."""
    generator = torch.Generator().manual_seed(3)
    tokens, features = (
        torch.randint(-(2**31), 2**31, (count,), dtype=torch.int32, generator=generator)
        for count in (300, 512)
    )
    masks = []
    for device in ("cpu", "cuda"):
        token_seeds = TokenSeeds()
        token_seeds.values = tokens.to(device)
        dropout = HashedDropout(0.3, token_seeds, features.to(device))
        masks.append(dropout(torch.ones(1, 300, 512, device=device)).cpu() != 0)
    assert torch.equal(masks[0], masks[1])
    assert 0.65 < masks[0].double().mean() < 0.75

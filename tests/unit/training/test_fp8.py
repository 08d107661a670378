"""FP8 matmuls: what they compute, how far off they are, and the gate before training with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from schematic_reader.cli import UserError
from schematic_reader.model.device import Device, prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.packed_batch import pack_batch
from schematic_reader.training import fp8
from schematic_reader.training.adapter import add_adapter
from schematic_reader.training.dropout import use_hashed_dropout
from schematic_reader.training.fp8 import Fp8Linear, check_fp8, convert_to_fp8, quantize_rowwise
from schematic_reader.training.packed_loss import PackedLoss
from stages import train
from tests.support.sheet_samples import LORA, TINY, sample, write_exact_params


def fp8_matmuls_work() -> bool:
    left, scale = torch.ones(16, 16).to(fp8.FP8_DTYPE), torch.ones(16, 1)
    try:
        torch._scaled_mm(left, left.T, scale_a=scale, scale_b=scale.T, out_dtype=torch.bfloat16)
    except RuntimeError:
        return False
    return True


needs_fp8_matmuls = pytest.mark.skipif(
    not fp8_matmuls_work(), reason=f"torch {torch.__version__} has no scaled float8 matmuls on this device"
)


def off(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.detach().double() - expected.double()).norm() / expected.double().norm())


def test_a_matrix_is_off_by_no_more_than_three_bits_of_mantissa() -> None:
    """Rows of very different size are as exact as each other, and a row of zeros stays one."""
    matrix = torch.randn(5, 64) * torch.tensor([1e-6, 1.0, 1e4, 0.0, 3.0])[:, None]
    values, scale = quantize_rowwise(matrix)
    assert values.dtype == torch.float8_e4m3fn and scale.shape == (5, 1)
    restored = values.float() * scale
    # Half a unit in the last place of 1.xxx; below the smallest normal number, 2**-6, half a fixed step.
    largest = matrix.abs().amax(1, keepdim=True)
    assert ((restored - matrix).abs() <= matrix.abs() / 16 + largest / 448 * 2**-10).all()
    assert torch.isfinite(restored).all() and (restored[3] == 0).all()


@needs_fp8_matmuls
def test_a_layer_and_its_gradient_are_those_of_the_quantized_matrices() -> None:
    torch.manual_seed(1)
    linear = nn.Linear(64, 48).to(torch.bfloat16).requires_grad_(False)
    layer = Fp8Linear(linear)
    inputs = torch.randn(2, 16, 64, dtype=torch.bfloat16, requires_grad=True)
    upstream = torch.randn(2, 16, 48, dtype=torch.bfloat16)
    out = layer(inputs)
    out.backward(upstream)

    def rounded(matrix: torch.Tensor) -> torch.Tensor:
        values, scale = quantize_rowwise(matrix)
        return values.double() * scale.double()

    weight = linear.weight
    expected = rounded(inputs.detach()[0]) @ rounded(weight).T + linear.bias.double()
    assert off(out[0], expected) < 4e-3  # what is left is that the result is bfloat16
    assert off(inputs.grad[0], rounded(upstream[0]) @ rounded(weight.T).T) < 4e-3
    exact = inputs.detach()[0].double() @ weight.double().T + linear.bias.double()
    assert 1e-3 < off(out[0], exact) < 0.05


def adapted() -> Any:
    torch.manual_seed(1)
    return add_adapter(load_base(TINY, prepare_device(TINY, 1)).to(torch.bfloat16), LORA)


def loss_of(model: Any) -> Any:
    encoder = Encoder(load_processor(TINY.base, None))
    made = sample(encoder, 160, 128, "R, C, GND")
    row = pack_batch([made], ["a"], merge_size=encoder.merge_size, pad_id=encoder.pad_id)
    row = type(row)(**{**vars(row), "pixel_values": row.pixel_values.to(torch.bfloat16)})
    reader = PackedLoss(model)

    def loss() -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return reader(row)

    return loss


@needs_fp8_matmuls
def test_a_model_changes_little_and_its_adapter_still_learns() -> None:
    model = adapted()
    loss = loss_of(model)
    weights = [weight for name, weight in model.named_parameters() if "lora_B" in name]
    before = torch.autograd.grad(loss(), weights)
    convert_to_fp8(model, lambda: 1.0)
    use_hashed_dropout(model)  # on a GPU both are there
    layers = [layer for layer in model.modules() if isinstance(layer, Fp8Linear)]
    config = model.config
    assert len(layers) == 7 * config.text_config.num_hidden_layers + 4 * config.vision_config.depth
    after = torch.autograd.grad(loss(), weights)
    one, other = (torch.cat([part.flatten().double() for part in parts]) for parts in (before, after))
    assert 0.9 < torch.cosine_similarity(one, other, dim=0) < 1


def test_too_large_a_change_of_the_loss_stops_the_run() -> None:
    measured = iter([1.0, 1.03])
    with pytest.raises(UserError, match=r"3\.0 %.*set the profile's train\.fp8 to false"):
        convert_to_fp8(adapted(), lambda: next(measured))


def test_a_loss_that_is_not_finite_stops_the_run() -> None:
    measured = iter([1.0, float("nan")])
    with pytest.raises(UserError, match="fp8 changes"):
        convert_to_fp8(adapted(), lambda: next(measured))


def test_training_on_a_cpu_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_exact_params(tmp_path, fp8=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train"])
    with pytest.raises(UserError, match="train.fp8 needs a GPU of the generation Ada, Hopper or newer"):
        train.main()


def test_a_cpu_is_refused() -> None:
    with pytest.raises(UserError, match="set it to false"):
        check_fp8(Device("cpu", torch.float32, "sdpa"))

"""``python -m benchmarks.training.exactness --model 8b --rows FOLDER_OR_FILE``: what packing changes.

Computes the loss of some real sheets and the gradient of a whole adapter from one packed batch, from the same
batch with the sheets in other orders (the noise of rounding), from each sheet alone, from compiled layers
and, where the GPU can, in FP8: in bfloat16 on a GPU, in float32 on a CPU. Prints and records how far off the
first batch's each is, relative to its norm. ``--rows`` and ``--processor`` are those of
``benchmarks.training.throughput``.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.common.results import record
from benchmarks.common.sheets import build_model, options, read_processor, read_sheets
from benchmarks.training.throughput import SIZES, can_fp8, settings
from schematic_reader.model.device import Device, float32_matmul, prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.packed_batch import BatchShape
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.training.adapter import add_adapter
from schematic_reader.training.examples import Examples, select_examples
from schematic_reader.training.fp8 import convert_to_fp8
from schematic_reader.training.packed_dataset import PackedDataset
from schematic_reader.training.packed_loss import PackedLoss

ORDERS = 3  # besides the first


def main() -> None:
    """Compare and record."""
    parser = options(__doc__, SIZES)
    parser.add_argument("--sheets", type=int, default=6)
    arguments = parser.parse_args()
    params = settings(SIZES[arguments.model], None)
    device = prepare_device(params.active.model, params.seed)
    processor = read_processor(arguments.processor or SIZES[arguments.model].processor)
    encoder = Encoder(processor)
    lora = replace(params.lora, dropout=0.0)
    with tempfile.TemporaryDirectory() as name:
        rows = read_sheets(arguments.rows, Path(name), arguments.sheets)
        sheets = SheetImages(Path(name), "train", params.active.image)
        max_length = params.active.train.packed_length
        examples = select_examples(rows, sheets, encoder, max_length=max_length, max_sheets=len(rows))
        model = add_adapter(build_model(arguments.model, processor, device), lora)
        with torch.no_grad():  # a new adapter's second half is zero, which hides errors of the first
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.normal_(std=0.02)
        with float32_matmul("highest") if device.name == "cpu" else nullcontext():
            compare(PackedLoss(model), encoder, examples, device)


def compare(packed_loss: PackedLoss, encoder: Encoder, examples: Examples, device: Device) -> None:
    """Record how far off the first order's loss and gradient all others are."""
    first = list(range(len(examples.rows)))

    def computed(
        plan: Sequence[Sequence[int]], shape: BatchShape | None = None
    ) -> tuple[float, torch.Tensor]:
        config = packed_loss.base.config.vision_config
        dataset = PackedDataset(examples, encoder, [tuple(batch) for batch in plan], device, config, shape)
        return loss_and_gradient(packed_loss, dataset, device)

    expected = computed([first])

    def record_error(variant: str, found: tuple[float, torch.Tensor]) -> None:
        (loss, gradient), (right, norm) = found, expected
        record(
            "train_exactness",
            variant,
            device=torch.cuda.get_device_name() if device.name == "cuda" else device.name,
            dtype=str(device.dtype).removeprefix("torch."),
            samples_per_s=None,
            ratio=None,
            loss_off=float(f"{abs(loss - right) / right:.2e}"),
            gradient_off=float(f"{float((gradient - norm).norm() / norm.norm()):.2e}"),
            sheets=len(first),
        )

    generator = random.Random(1)
    for _ in range(ORDERS):
        record_error("packed in another order", computed([generator.sample(first, len(first))]))
    record_error("each sheet alone", computed([[index] for index in first]))
    if can_fp8(device):
        convert_to_fp8(packed_loss.model, lambda: 1.0)
        record_error("packed, fp8", computed([first]))
    packed_loss.compile_layers()
    shape = BatchShape(sum(examples.lengths) + 100, len(first))
    compiled = "packed, padded and compiled"
    record_error(f"{compiled}, fp8" if can_fp8(device) else compiled, computed([first], shape))


def loss_and_gradient(
    packed_loss: PackedLoss, dataset: PackedDataset, device: Device
) -> tuple[float, torch.Tensor]:
    """The summed loss of all batches and the adapter's gradient, float64 of shape ``(weights,)``."""
    weights: list[Any] = [weight for weight in packed_loss.model.parameters() if weight.requires_grad]
    for weight in weights:
        weight.grad = None
    total = 0.0
    for number in range(len(dataset.plan)):
        batch = dataset.batch(number).to(device.torch_device)
        with torch.autocast(device.name, torch.bfloat16, enabled=device.dtype == torch.bfloat16):
            loss = packed_loss(batch)
        loss.backward()
        total += loss.item()
    return total, torch.cat([weight.grad.flatten().double() for weight in weights])


if __name__ == "__main__":
    main()

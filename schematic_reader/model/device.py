"""The device that the model runs on, checked before a model is loaded; seeds and float32 precision."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import set_seed
from transformers.utils import is_flash_attn_2_available

from schematic_reader.cli import UserError
from schematic_reader.config import Model
from schematic_reader.model import distributed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Device:
    """Device, dtype and attention implementation of the model."""

    name: str  # cpu or cuda
    dtype: torch.dtype
    attention: str  # attn_implementation of transformers
    index: int = 0  # of the GPU

    @property
    def torch_device(self) -> str:
        """The device as PyTorch names it, such as ``cuda:1``."""
        return f"cuda:{self.index}" if self.name == "cuda" else self.name


@contextmanager
def float32_matmul(precision: str) -> Iterator[None]:
    """Another precision of float32 matmuls until the block ends; see ``prepare_device``."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def cpu_multiplies_bfloat16() -> bool:
    """Whether this CPU has bfloat16 instructions, which ``matmul: medium`` lets float32 matmuls use."""
    native: bool = torch.cpu.get_capabilities().get("avx512_bf16", False)
    return native and torch.get_float32_matmul_precision() == "medium"


def prepare_device(model: Model, seed: int) -> Device:
    """Check that ``model`` can run here, seed every generator and set the precision of float32 matmuls.

    ``matmul`` is that of ``torch.set_float32_matmul_precision``: ``high`` allows TF32 on a GPU; ``medium``
    allows bfloat16 matmuls with float32 accumulation, also on a CPU with instructions for them; a device
    without either computes in float32.

    Raises:
        UserError: the profile asks for CUDA or bfloat16 and the machine has none.
    """
    has_cuda = torch.cuda.is_available()
    if model.device == "cuda" and not has_cuda:
        raise UserError(
            "this profile needs a CUDA GPU and torch sees none: run it on a GPU box, "
            "or set profile: sample in params.yaml"
        )
    name = "cuda" if has_cuda and model.device != "cpu" else "cpu"
    if name == "cuda" and model.dtype == "bfloat16" and not torch.cuda.is_bf16_supported():
        raise UserError(
            f"{torch.cuda.get_device_name(0)} has no bfloat16: set the profile's model.dtype to float32"
        )
    torch.set_float32_matmul_precision(model.matmul)
    torch.backends.cudnn.allow_tf32 = True
    set_seed(seed)
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[model.dtype]
    index = distributed.local_rank() if name == "cuda" else 0
    if name == "cuda":
        torch.cuda.set_device(index)
    flash = name == "cuda" and dtype == torch.bfloat16 and is_flash_attn_2_available()
    device = Device(name, dtype, "flash_attention_2" if flash else "sdpa", index)
    hardware = (
        torch.cuda.get_device_name(index) if name == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    )
    log.info("%s, %s, attention %s, torch %s", hardware, model.dtype, device.attention, torch.__version__)
    return device

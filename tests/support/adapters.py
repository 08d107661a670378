"""Adapters that nobody trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from schematic_reader.config import Params
from schematic_reader.model.device import prepare_device
from schematic_reader.model.load import load_base, load_processor


def save_random_adapter(params: Params, folder: Path) -> None:
    """An adapter of random weights on the base of the active profile, with its processor, in ``folder``."""
    base: Any = load_base(params.active.model, prepare_device(params.active.model, 1))
    config = LoraConfig(r=4, target_modules=r".*\.language_model\..*\.q_proj", init_lora_weights=False)
    torch.manual_seed(2)
    get_peft_model(base, config).save_pretrained(str(folder))
    load_processor(params.active.model.base, None).save_pretrained(str(folder))

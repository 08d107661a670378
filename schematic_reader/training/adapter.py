"""The LoRA adapter: PEFT's configuration for the modules that params.yaml names."""

from __future__ import annotations

import re
from typing import Any

from peft import LoraConfig, TaskType, get_peft_model
from transformers import PreTrainedModel

from schematic_reader.config import Lora
from schematic_reader.model.load import without_notices

# Linear layers of Qwen3-VL outside the language model, by ``lora.extra_targets``.
_EXTRA_TARGETS = {
    "vision": r".*\.visual\.blocks\..*\.(qkv|proj|linear_fc1|linear_fc2)",
    "merger": r".*\.visual\.(merger|deepstack_merger_list\.\d+)\.(linear_fc1|linear_fc2)",
}

_LANGUAGE_TARGETS = re.compile(r"\(\.\*\\\.language_model\\\.\.\*\\\.\(([\w|]+)\)\)")
"""How the pattern that ``lora_config`` makes begins."""


def lora_config(lora: Lora) -> LoraConfig:
    """PEFT's settings. ``target_modules`` are projections of the language model."""
    names = "|".join(sorted(lora.target_modules))
    targets = [rf".*\.language_model\..*\.({names})", *(_EXTRA_TARGETS[part] for part in lora.extra_targets)]
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        use_rslora=lora.rank_stabilized,
        use_dora=lora.dora,
        bias="none",
        task_type=TaskType.CAUSAL_LM,
        target_modules="|".join(f"({target})" for target in targets),
    )


def named_targets(pattern: Any) -> tuple[list[str], list[str]] | None:
    """``target_modules`` and ``extra_targets`` of an adapter, sorted, by what its adapter_config.json has.

    None of a pattern that is not ``lora_config``'s. A list is that of another trainer.
    """
    if isinstance(pattern, list):
        return sorted(pattern), []
    found = _LANGUAGE_TARGETS.match(str(pattern))
    if found is None:
        return None
    extra = {part: target for part, target in _EXTRA_TARGETS.items() if f"|({target})" in pattern}
    return found[1].split("|"), sorted(extra)


def add_adapter(model: PreTrainedModel, lora: Lora) -> Any:
    """The model with a new adapter in it, everything else frozen; the adapter's weights are float32."""
    with without_notices():
        return get_peft_model(model, lora_config(lora))

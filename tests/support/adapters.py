"""Adapters that nobody trained, or that were taught one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from PIL import Image

from schematic_reader.config import Params
from schematic_reader.io.adapter_digests import write_adapter_digests
from schematic_reader.io.reader_settings import ReaderSettings
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.tasks import task
from schematic_reader.tasks.messages import chat

_STEPS = 80
_LOSS = 0.005  # a token, at which greedy decoding gives the answer


def save_random_adapter(params: Params, folder: Path) -> None:
    """An adapter of random weights on the base of the active profile, with its processor, in ``folder``."""
    base: Any = load_base(params.active.model, prepare_device(params.active.model, 1))
    config = LoraConfig(r=4, target_modules=r".*\.language_model\..*\.q_proj", init_lora_weights=False)
    torch.manual_seed(2)
    get_peft_model(base, config).save_pretrained(str(folder))
    load_processor(params.active.model.base, None).save_pretrained(str(folder))


def save_reader(
    settings: ReaderSettings, params: Params, sheet: Image.Image, answer: str, folder: Path
) -> None:
    """An adapter that answers ``answer`` about ``sheet`` to the prompt of ``settings``, and these.

    As the reader that ships it comes without a processor.
    """
    model = params.active.model
    prompt = task(settings.task).prompt(
        {"name": None, "type": ".kicad_sch"}, form=settings.form, with_name=settings.with_name
    )
    encoded = Encoder(load_processor(model.base, None)).encode_sample([sheet], chat(prompt, answer))
    torch.manual_seed(3)
    base: Any = load_base(model, prepare_device(model, 1))
    config = LoraConfig(r=8, lora_alpha=16, target_modules=r".*\.language_model\..*\.(q|v|up|down)_proj")
    taught = get_peft_model(base, config)
    optimizer = torch.optim.AdamW(
        [weight for weight in taught.parameters() if weight.requires_grad], lr=2e-3, weight_decay=0
    )
    for _ in range(_STEPS):
        loss = taught(
            input_ids=encoded.input_ids[None],
            attention_mask=torch.ones_like(encoded.input_ids)[None],
            mm_token_type_ids=encoded.mm_token_type_ids[None],
            pixel_values=encoded.pixel_values,
            image_grid_thw=encoded.image_grid_thw,
            labels=encoded.labels[None],
        ).loss
        if loss.item() < _LOSS:
            break
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    taught.save_pretrained(str(folder))
    settings.write(folder)
    write_adapter_digests(folder)

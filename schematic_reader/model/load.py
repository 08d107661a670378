"""Loads base model, adapter and processor, from a folder or from the Hub alike."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub.errors import HTTPError
from peft import PeftModel, get_peft_model_state_dict
from peft.utils import SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    PreTrainedModel,
    ProcessorMixin,
)
from transformers.utils import CONFIG_NAME, cached_file
from transformers.utils.hub import extract_commit_hash

from schematic_reader.cli import UserError, malformed_token
from schematic_reader.config import Model
from schematic_reader.io.adapter_digests import LOADED, check_adapter
from schematic_reader.io.fingerprint import files_digest, value_digest
from schematic_reader.model.device import Device

LOADING_ERRORS = (OSError, ValueError, HTTPError, RecursionError)
"""What loading a model raises where the folder, the id or the network is at fault."""


def load_processor(base: str, revision: str | None) -> ProcessorMixin:
    """The processor of a base model or of an exported adapter folder.

    Raises:
        UserError: there is none under that name, or it does not know pictures.
    """
    try:
        processor = AutoProcessor.from_pretrained(base, revision=revision, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001, a damaged tokenizer.json raises no narrower class
        raise UserError(not_found(base, "processor", error)) from None
    token = getattr(processor, "image_token", None)
    if token is None or getattr(processor, "image_processor", None) is None:
        raise UserError(
            f"the processor of {base} has no image token: name a vision-language model such as "
            "Qwen/Qwen3-VL-8B-Instruct in the profile's model.base"
        )
    return processor


def load_base(model: Model, device: Device) -> PreTrainedModel:
    """The base model in the profile's precision, on the profile's device, in evaluation mode.

    Raises:
        UserError: there is no such model, or it takes no pictures.
    """
    try:
        loaded = AutoModelForImageTextToText.from_pretrained(
            model.base,
            revision=model.revision,
            dtype=device.dtype,
            attn_implementation=device.attention,
            device_map={"": device.torch_device},
            trust_remote_code=False,
        )
    except (*LOADING_ERRORS, SafetensorError) as error:
        raise UserError(not_found(model.base, "vision-language model", error)) from None
    return loaded.eval()


def base_digest(model: Model) -> str:
    """A hash of the base model that ``load_base`` would load: of its files, or of its commit on the Hub.

    Raises:
        UserError: there is no such model.
    """
    if Path(model.base).is_dir():
        return folder_digest(Path(model.base))
    try:
        config = cached_file(model.base, CONFIG_NAME, revision=model.revision)
    except LOADING_ERRORS as error:
        raise UserError(not_found(model.base, "vision-language model", error)) from None
    # The file lies in a folder that is named after the commit; the loaded config does not tell it.
    return value_digest([model.base, extract_commit_hash(config, None)])


def folder_digest(folder: Path) -> str:
    """A hash of the files of a model's or an adapter's folder that loading it reads."""
    return files_digest((file for file in folder.rglob("*") if file.suffix in LOADED), root=folder)


def load_tuned(model: Model, device: Device, adapter: Path) -> Any:
    """The base model with the exported adapter merged into it.

    Raises:
        UserError: the adapter is missing, damaged, or of another base or version.
    """
    for name in ("adapter_config.json", SAFETENSORS_WEIGHTS_NAME):
        if not (adapter / name).is_file():
            raise UserError(f"{adapter} has no {name}: run `dvc repro train`")
    check_adapter(adapter)
    base = load_base(model, device)
    try:
        with without_notices():
            tuned = PeftModel.from_pretrained(base, str(adapter))
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{adapter} is damaged or was trained on another model than {model.base}: run `dvc repro train` "
            f"({reason})"
        ) from None
    # PEFT only warns of weights that find no layer, and of layers that stay without.
    # Without embeddings, since PEFT would look for the base's vocabulary where the adapter was trained.
    expected = set(get_peft_model_state_dict(tuned, save_embedding_layers=False))
    with safe_open(adapter / SAFETENSORS_WEIGHTS_NAME, "pt") as weights:
        if differing := sorted(expected ^ set(weights.keys())):
            raise UserError(
                f"{adapter} has weights for other layers than {model.base} has here, such as {differing[0]}: "
                "it was trained by another version, run `dvc repro train`"
            )
    return tuned.merge_and_unload().eval()


@contextmanager
def without_notices() -> Iterator[None]:
    """Silences PEFT: a deprecated property that it reads, and missing keys, which are checked here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        warnings.filterwarnings("ignore", "Found missing adapter keys", UserWarning)  # an error here
        yield


def not_found(base: str, what: str, error: Exception) -> str:
    """One line that names what could not be loaded, why, and what to check."""
    if Path(base).is_dir() or base.startswith((".", "/")):
        fix = "check the folder in the profile's model.base"
    else:
        fix = malformed_token() or (
            "check the id in the profile's model.base, the network, and HF_TOKEN if the model is gated"
        )
    reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return f"no {what} could be loaded from {base!r}: {fix} ({reason})"

"""The adapter that a training run starts from, if ``lora.init_from`` names one: its weights and its fit."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError
from safetensors.torch import load

from schematic_reader.cli import UserError
from schematic_reader.config import Params
from schematic_reader.io.adapter_digests import check_adapter
from schematic_reader.io.files import read_json
from schematic_reader.io.reader_settings import ReaderSettings
from schematic_reader.model.load import without_notices
from schematic_reader.training.adapter import lora_config, named_targets

log = logging.getLogger(__name__)

_OUR_NAMES = {
    "r": "lora.r",
    "lora_alpha": "lora.alpha",
    "use_rslora": "lora.rank_stabilized",
    "use_dora": "lora.dora",
}
"""Settings of params.yaml by PEFT's names, but for the targets."""

_FREE = {
    *("auto_mapping", "base_model_name_or_path", "inference_mode", "lora_dropout"),
    *("peft_version", "revision", "target_modules", "task_type"),
}
"""PEFT's fields that may differ, or that are compared in another way: targets by name, bases by weights."""

_TRAINED_FOR = ("task", "form", "with_name", "image")


@dataclass(frozen=True)
class InitialAdapter:
    """An adapter whose layers, rank and scale are those of the run's own.

    Args:
        weights: as ``adapter_model.safetensors`` has them.
        digest: the SHA-256 of that file.
        answer_tokens: of the longest answer that it was trained on, where that is to the same prompts as the
            run's; else 0.
    """

    folder: Path
    weights: Mapping[str, torch.Tensor]
    digest: str
    answer_tokens: int

    @classmethod
    def of(cls, params: Params, *, outputs: tuple[Path, ...]) -> InitialAdapter | None:
        """The one in the folder ``lora.init_from``; None if that is null.

        A log line says what it was trained for, if that is something else than what params.yaml says.

        Args:
            outputs: folders that the run itself empties.

        Raises:
            UserError: there is no adapter in the folder, it is damaged, the run would overwrite it, or it
                differs from params.yaml in its layers, rank, scale or base.
        """
        if params.lora.init_from is None:
            return None
        folder = Path(params.lora.init_from)
        whole = folder.resolve()
        for output in outputs:
            if whole.is_relative_to(output.resolve()):
                raise UserError(
                    f"lora.init_from is {folder}, but training itself replaces {output}: copy the adapter to "
                    "another folder and name that one"
                )
        for name in (CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME):
            if not (folder / name).is_file():
                raise UserError(
                    f"lora.init_from is {folder}, but there is no {folder / name}: name the folder of an "
                    "adapter as `dvc repro train` exports it, or null to train a new one"
                )
        check_adapter(folder)
        settings = ReaderSettings.read(folder)
        _check_fit(folder, read_json(folder / CONFIG_NAME, "train"), settings, params)
        answer_tokens = 0
        if settings is not None:
            here = ReaderSettings.of(params, answer_tokens=settings.answer_tokens)
            _check_base(folder, settings, here, params.active.model.base)
            _log_other_training(folder, settings, here)
            if _prompt(settings) == _prompt(here):
                answer_tokens = settings.answer_tokens
        content = (folder / SAFETENSORS_WEIGHTS_NAME).read_bytes()
        try:
            weights = load(content)
        except SafetensorError as error:
            raise UserError(
                f"{folder / SAFETENSORS_WEIGHTS_NAME} is damaged: get the adapter anew ({error})"
            ) from None
        return cls(folder, weights, hashlib.sha256(content).hexdigest(), answer_tokens)

    def load_into(self, model: Any) -> None:
        """Put the weights in the place of those of the new adapter that PEFT has added to ``model``.

        Raises:
            UserError: they are of other layers or shapes.
        """
        # Without embeddings, since PEFT would look for the base's vocabulary where the adapter was trained.
        expected = get_peft_model_state_dict(model, save_embedding_layers=False)
        shapes = {name: weight.shape for name, weight in self.weights.items()}
        wanted = {name: weight.shape for name, weight in expected.items()}
        if differing := sorted(name for name, _ in shapes.items() ^ wanted.items()):
            raise UserError(
                f"the adapter of lora.init_from, {self.folder}, has weights of other layers or shapes than a "
                f"new one here, such as {differing[0]}: name an adapter of this base, or null for a new one"
            )
        with without_notices():
            set_peft_model_state_dict(model, dict(self.weights))  # into float32, as a new adapter's are
        log.info("training starts from the adapter in %s", self.folder)


def _check_fit(
    folder: Path, config: Mapping[str, Any], settings: ReaderSettings | None, params: Params
) -> None:
    """Raises UserError, which names every setting that differs, and both of its values."""
    differing = [
        f"{name} {_shown(there)} (here {_shown(here)})"
        for name, there, here in _compared(config, settings, params)
        if (there or None) != (here or None)  # what one version of PEFT calls null, another calls false
    ]
    if differing:
        raise UserError(
            f"the adapter of lora.init_from, {folder}, has {', '.join(differing)}: set params.yaml to what "
            "it has, or lora.init_from to null for a new adapter"
        )


def _check_base(folder: Path, there: ReaderSettings, here: ReaderSettings, base: str) -> None:
    """Raises UserError: the base model of the run has other weights than that of the adapter."""
    if there.base_weights not in (None, here.base_weights):
        raise UserError(
            f"the adapter of lora.init_from, {folder}, was trained on other weights of the profile's "
            f"model.base than {base} has here (SHA-256 {str(there.base_weights)[:12]}, here "
            f"{str(here.base_weights)[:12]}): get both of one version, or set lora.init_from to null"
        )


def _compared(
    config: Mapping[str, Any], settings: ReaderSettings | None, params: Params
) -> Iterator[tuple[str, Any, Any]]:
    """(name, value of the adapter, value of params.yaml) of all that has to be equal."""
    lora, base = params.lora, params.active.model.base
    here, there = lora_config(lora).to_dict(), LoraConfig().to_dict() | dict(config)
    for name in sorted(here.keys() - _FREE, key=lambda name: (name not in _OUR_NAMES, name)):
        yield _OUR_NAMES.get(name, f"{CONFIG_NAME}'s {name}"), there[name], here[name]
    if (targets := named_targets(there["target_modules"])) is None:
        yield f"{CONFIG_NAME}'s target_modules", there["target_modules"], here["target_modules"]
    else:
        yield "lora.target_modules", targets[0], sorted(set(lora.target_modules))
        yield "lora.extra_targets", targets[1], sorted(set(lora.extra_targets))
    # A folder may have moved: where the digest of its weights is known, that decides.
    if settings is None or settings.base_weights is None or not Path(base).is_dir():
        name = str(config.get("base_model_name_or_path"))
        if not (Path(base).is_dir() and Path(name).resolve() == Path(base).resolve()):
            yield "the profile's model.base", name, base


def _log_other_training(folder: Path, there: ReaderSettings, here: ReaderSettings) -> None:
    """Log what the adapter was trained for, where that is not what it is trained for now."""
    differing = [
        f"{name} {getattr(there, name)} (here {getattr(here, name)})"
        for name in _TRAINED_FOR
        if getattr(there, name) != getattr(here, name)
    ]
    if differing:
        log.info("lora.init_from: the adapter in %s was trained for %s", folder, ", ".join(differing))


def _prompt(settings: ReaderSettings) -> tuple[str, str, bool]:
    return settings.task, settings.form, settings.with_name


def _shown(value: Any) -> str:
    """A setting's value as params.yaml has it."""
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(getattr(value, "value", value))  # PEFT's kinds are an enumeration

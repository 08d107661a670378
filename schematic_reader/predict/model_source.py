"""Find the model to read with: this repository's adapter, another folder, or a model on the Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HTTPError

from schematic_reader.cli import UserError, malformed_token
from schematic_reader.config import Model, Params
from schematic_reader.io.adapter_digests import check_adapter
from schematic_reader.io.files import read_json
from schematic_reader.scoring.confidence import Calibration

OWN = "models/adapter"
CALIBRATION = "calibration.json"
_OWN_CALIBRATION = Path("data/predictions") / CALIBRATION
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_WEIGHTS = ["*.json", "*.safetensors", "*.jinja", "*.txt"]  # nothing that is unpickled


@dataclass(frozen=True)
class ModelSource:
    """A model to load: the base with the adapter in ``folder``, or, ``whole``, the model in ``folder``."""

    folder: Path
    model: Model
    whole: bool
    calibration: Calibration | None


def find_model(name: str, params: Params) -> ModelSource:
    """What ``--adapter`` names: a folder with an adapter or a whole model, or an id of either on the Hub.

    The base is the one that the adapter was trained on, in the precision and on the device of the profile
    that has it, or of the active one.

    Raises:
        UserError: there is no such adapter, or it is damaged.
    """
    folder = _folder(name)
    calibration = _calibration(folder, own=name == OWN)
    active = params.active.model
    if not (folder / "adapter_config.json").is_file():
        if not (folder / "config.json").is_file():
            raise UserError(f"{name} holds no adapter_config.json: {_fix(name)}")
        return ModelSource(folder, replace(active, base=str(folder), revision=None), True, calibration)
    if not (folder / "adapter_model.safetensors").is_file():
        raise UserError(f"{name} holds no adapter_model.safetensors: {_fix(name)}")
    check_adapter(folder)
    config = read_json(folder / "adapter_config.json", "train")
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise UserError(f"{name}: adapter_config.json names no base model: {_fix(name)}")
    same = [
        profile.model for profile in (params.active, *params.profiles.values()) if profile.model.base == base
    ]
    model = same[0] if same else replace(active, base=base, revision=config.get("revision"))
    return ModelSource(folder, model, False, calibration)


def _fix(name: str) -> str:
    if name == OWN:
        return "run `dvc repro` to train one, or `dvc pull` to get your team's"
    return "name a folder that stages.train or stages.publish wrote, or an id on the Hub"


def _folder(name: str) -> Path:
    path = Path(name)
    if path.is_dir():
        return path
    # An id on the Hub looks like a path; where its first part is a folder here, a path is meant.
    if not _HUB_ID.fullmatch(name) or path.parent.is_dir():
        raise UserError(f"there is no folder {name}: {_fix(name)}")
    try:
        return Path(snapshot_download(name, allow_patterns=_WEIGHTS))
    except (OSError, ValueError, HTTPError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        fix = malformed_token() or "check the id, the network, and HF_TOKEN if it is private"
        raise UserError(f"no adapter {name!r} here or on the Hub: {fix} ({reason})") from None


def _calibration(folder: Path, *, own: bool) -> Calibration | None:
    """The calibration beside the weights or, for this repository's own, that of ``stages.evaluate``."""
    for path in (folder / CALIBRATION, *([_OWN_CALIBRATION] if own else [])):
        if path.is_file():
            calibration = Calibration.read(path)
            return calibration if calibration.items else None
    return None

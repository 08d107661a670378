"""Find the model to read with: this repository's adapter, another folder, or a model on the Hub."""

from __future__ import annotations

import logging
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
_OWN_CALIBRATION = Path("data/predictions") / CALIBRATION  # in the checkout or what was installed of it
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FIX = "name a folder that stages.train or stages.publish wrote, or an id on the Hub"
_WEIGHTS = ["*.json", "*.safetensors", "*.jinja", "*.txt"]  # nothing that is unpickled
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelSource:
    """A model to load: the base with the adapter in ``folder``, or, ``whole``, the model in ``folder``."""

    folder: Path
    model: Model
    whole: bool
    calibration: Calibration | None


def find_model(name: str, params: Params, home: Path = Path()) -> ModelSource:
    """What ``--adapter`` names: a folder with an adapter or a whole model, or an id of either on the Hub.

    The base is the one that the adapter was trained on, in the precision and on the device of the profile
    that has it, or of the active one; a warning tells if these two differ in the size of pictures. ``OWN``
    and a base that settings name by its folder are in ``home``.

    Raises:
        UserError: there is no such adapter, or it is damaged.
    """
    own = name == OWN
    folder = home / OWN if own else _folder(name)
    fix = _own_fix(home) if own else _FIX
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}: {fix}")
    calibration = _calibration(folder, home if own else None)
    active = params.active.model
    if not (folder / "adapter_config.json").is_file():
        if not (folder / "config.json").is_file():
            raise UserError(f"{folder} holds no adapter_config.json: {fix}")
        return ModelSource(folder, replace(active, base=str(folder), revision=None), True, calibration)
    if not (folder / "adapter_model.safetensors").is_file():
        raise UserError(f"{folder} holds no adapter_model.safetensors: {fix}")
    check_adapter(folder)
    config = read_json(folder / "adapter_config.json", "train")
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise UserError(f"{folder}: adapter_config.json names no base model: {fix}")
    names = (params.profile, *params.profiles)
    same = next((profile for profile in names if params.profiles[profile].model.base == base), None)
    model = replace(active, base=base, revision=config.get("revision"))
    if same:
        model = params.profiles[same].model
        if params.profiles[same].image != params.active.image:
            log.warning(
                "%s has the base model of profile %s, and pictures have the size of profile %s: set "
                "profile: %s in params.yaml",
                *(name, same, params.profile, same),
            )
    if (home / model.base).is_dir():
        model = replace(model, base=str(home / model.base))
    return ModelSource(folder, model, False, calibration)


def _own_fix(home: Path) -> str:
    """How to get the adapter that is missing there."""
    if home == Path():
        return "run `dvc repro` to train one, or `dvc pull` to get your team's"
    again = "" if (home / "dvc.yaml").is_file() else " and there `pip install .` again"
    where = f"in {home}" if not again else "in a checkout"
    return f"run `dvc repro` or `dvc pull` {where}{again}, or name another by --adapter"


def _folder(name: str) -> Path:
    path = Path(name)
    if path.is_dir():
        return path
    # An id on the Hub looks like a path; where its first part is a folder here, a path is meant.
    if not _HUB_ID.fullmatch(name) or path.parent.is_dir():
        raise UserError(f"there is no folder {name}: {_FIX}")
    try:
        return Path(snapshot_download(name, allow_patterns=_WEIGHTS))
    except (OSError, ValueError, HTTPError) as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        fix = malformed_token() or "check the id, the network, and HF_TOKEN if it is private"
        raise UserError(f"no adapter {name!r} here or on the Hub: {fix} ({reason})") from None


def _calibration(folder: Path, home: Path | None) -> Calibration | None:
    """The calibration beside the weights or, for the adapter of ``home``, that of ``stages.evaluate``."""
    for path in (folder / CALIBRATION, *([home / _OWN_CALIBRATION] if home is not None else [])):
        if path.is_file():
            calibration = Calibration.read(path)
            return calibration if calibration.items else None
    return None

"""Find the model to read with: the one that ships, this checkout's own, another folder, or one on the Hub."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path

from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import HTTPError

from schematic_reader.cli import UserError, malformed_token
from schematic_reader.config import Model, Params
from schematic_reader.io.adapter_digests import check_adapter
from schematic_reader.io.files import read_json
from schematic_reader.io.reader_settings import READER_SETTINGS, ReaderSettings, weights_digest
from schematic_reader.scoring.confidence import Calibration

SHIPPED = "models/reader"
OWN = "models/adapter"
CALIBRATION = "calibration.json"
_OWN_CALIBRATION = Path("data/predictions") / CALIBRATION  # in the checkout or what was installed of it
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FIX = "name a folder that stages.train or stages.publish wrote, or an id on the Hub"
_WEIGHTS = ["*.json", "*.safetensors", "*.jinja", "*.txt"]  # nothing that is unpickled
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelSource:
    """A model to load: the base with the adapter in ``folder``, or, ``whole``, the model in ``folder``.

    ``settings`` are those that it was trained for, None where it does not tell them.
    """

    folder: Path
    model: Model
    whole: bool
    calibration: Calibration | None
    settings: ReaderSettings | None = None

    @property
    def description(self) -> str:
        """In a line: which model it is."""
        trained = f", trained for the task {self.settings.task}" if self.settings else ""
        return f"{self.folder}{'' if self.whole else f' on {self.model.base}'}{trained}"


def settings_of(name: str | None, home: Path) -> ReaderSettings | None:
    """What the model that ``--adapter`` names was trained for, before it is needed.

    None where it does not tell, and where there is no such model, which ``find_model`` reports.

    Raises:
        UserError: its settings are damaged.
    """
    folder = _local_folder(name, home)
    if not folder.is_dir() and name is not None and _is_hub_id(name):
        try:
            folder = Path(hf_hub_download(name, READER_SETTINGS)).parent
        except (OSError, ValueError, HTTPError):
            return None
    return ReaderSettings.read(folder)


def followed(settings: ReaderSettings | None, params: Params) -> Params:
    """``params`` with what a model was trained for in place of the settings of this checkout.

    An answer gets as many tokens as the longest that the model was trained on, if not more.
    """
    if settings is None:
        return params
    return replace(
        params,
        task=settings.task,
        messages=replace(params.messages, form=settings.form, with_name=settings.with_name),
        evaluate=replace(
            params.evaluate, max_new_tokens=max(params.evaluate.max_new_tokens, settings.answer_tokens)
        ),
        profiles={**params.profiles, params.profile: replace(params.active, image=settings.image)},
    )


def find_model(name: str | None, params: Params, home: Path = Path()) -> ModelSource:
    """What ``--adapter`` names: a folder with an adapter or a whole model, or an id of either on the Hub.

    None is the reader that ships, or where there is none the checkout's own adapter. The base is the one that
    the adapter was trained on, in the precision and on the device of the profile that has it, or of the
    active one; where the adapter does not tell the size of its pictures, a warning tells if these two
    profiles differ in it. ``SHIPPED``, ``OWN`` and a base that settings name by its folder are in ``home``.

    Raises:
        UserError: there is no such adapter, it is damaged, or its base is another version.
    """
    folder, fix = _found(name, home)
    own = name in (None, OWN) and folder == home / OWN
    calibration = _calibration(folder, home if own else None)
    settings = ReaderSettings.read(folder)
    active = params.active.model
    if not (folder / "adapter_config.json").is_file():
        if not (folder / "config.json").is_file():
            raise UserError(f"{folder} holds no adapter_config.json: {fix}")
        model = replace(active, base=str(folder), revision=None)
        return ModelSource(folder, model, True, calibration, settings)
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
        if settings is None and params.profiles[same].image != params.active.image:
            log.warning(
                "%s has the base model of profile %s, and pictures have the size of profile %s: set "
                "profile: %s in params.yaml",
                *(folder, same, params.profile, same),
            )
    if (home / model.base).is_dir():
        model = replace(model, base=str(home / model.base))
    if settings is not None:
        _check_base(folder, home, base, settings)
    return ModelSource(folder, model, False, calibration, settings)


def _check_base(folder: Path, home: Path, given: str, settings: ReaderSettings) -> None:
    """Raises UserError: the base of the adapter in ``folder`` is missing or not the one it was trained on."""
    if settings.base_weights is None:
        return
    base = home / given if (home / given).is_dir() else Path(given)
    found = weights_digest(base)
    if found is None:
        raise UserError(f"{folder} needs its base model {base}, which is not there: {_restored(home, given)}")
    if found != settings.base_weights:
        raise UserError(
            f"{folder} was trained on other weights than {base} has now: get both of one version, or train "
            "an adapter anew by `dvc repro`"
        )


def _found(name: str | None, home: Path) -> tuple[Path, str]:
    """The folder of a model, and what to do where it lacks something. Raises UserError: there is none."""
    folder = _local_folder(name, home)
    fix = {home / SHIPPED: _restored(home, SHIPPED), home / OWN: _own_fix(home)}.get(folder, _FIX)
    if not folder.is_dir() and name is not None and _is_hub_id(name):
        folder = _downloaded(name)
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}: {fix}")
    return folder, fix


def _local_folder(name: str | None, home: Path) -> Path:
    """The folder that ``--adapter`` means, if it is one of this machine."""
    if name is None:
        return home / (SHIPPED if (home / SHIPPED).is_dir() or not (home / OWN).is_dir() else OWN)
    return home / name if name in (SHIPPED, OWN) else Path(name)


def _is_hub_id(name: str) -> bool:
    """Whether it is no path. Where its first part is a folder here, a path is meant."""
    return name not in (SHIPPED, OWN) and bool(_HUB_ID.fullmatch(name)) and not Path(name).parent.is_dir()


def _restored(home: Path, name: str) -> str:
    """How to get back what comes with the repository, or to do without it."""
    checkout = home == Path() or (home / "dvc.yaml").is_file()
    restore = f"run `git checkout {name}`" if checkout else "in a checkout run `pip install .` again"
    return f"{restore}, or name another adapter by --adapter"


def _own_fix(home: Path) -> str:
    """How to get the adapter that is missing there."""
    if home == Path():
        return "run `dvc repro` to train one, or `dvc pull` to get your team's"
    again = "" if (home / "dvc.yaml").is_file() else " and there `pip install .` again"
    where = f"in {home}" if not again else "in a checkout"
    return f"run `dvc repro` or `dvc pull` {where}{again}, or name another by --adapter"


def _downloaded(name: str) -> Path:
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

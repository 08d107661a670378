"""The published folder: weights, processor, calibration, the model card and its curve."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled

from schematic_reader.cli import UserError
from schematic_reader.config import Model, Params
from schematic_reader.io.files import read_json, write_json, write_text
from schematic_reader.publish.card import CURVE, SHEET, PublishedWeights, model_card
from schematic_reader.publish.curve import draw_curve, read_curve
from schematic_reader.publish.provenance import Provenance
from schematic_reader.scoring.metrics import REQUIRED

CALIBRATION = Path("data/predictions/calibration.json")
MANIFEST = Path("data/raw/manifest.json")
METRICS = Path("metrics")
PICTURE = Path("docs/sheet.png")
"""A generated sheet, which the Hub shows as an example to try."""
_PROCESSORS = {
    "image_processor": "preprocessor_config.json",
    "video_processor": "video_preprocessor_config.json",
}
"""Parts of processor_config.json, and the files of their own that transformers 4 gave them: serving engines
look for these, and transformers 5 no longer writes them."""
_PARTS = (".json", ".safetensors", ".jinja", ".txt")  # of an adapter's folder; nothing that is unpickled


def copy_adapter(adapter: Path, base: str, folder: Path) -> None:
    """Copy adapter and processor to ``folder``.

    Raises:
        UserError: there is no adapter, or its base is a folder that others cannot have.
    """
    if not (adapter / "adapter_model.safetensors").is_file():
        raise UserError(
            f"{adapter} holds no adapter: run `dvc repro train`, or `dvc pull` to get your team's"
        )
    outside = os.path.relpath(base).startswith(os.pardir)
    if Path(base).is_dir() and (Path(base).is_absolute() or outside):
        raise UserError(
            f"the base model is the folder {base} of this machine, without which nobody can load the "
            "adapter: publish whole weights by --merged"
        )
    for path in sorted(adapter.iterdir()):
        if path.suffix in _PARTS:
            shutil.copyfile(path, folder / path.name)


def write_processor_parts(folder: Path) -> None:
    """Write the parts of ``processor_config.json`` as files of their own beside it, for serving engines.

    Raises:
        UserError: the folder has no such file.
    """
    processor = read_json(folder / "processor_config.json", "train")
    for part, name in _PROCESSORS.items():
        if part in processor:
            write_json(folder / name, processor[part])


def write_card(folder: Path, weights: PublishedWeights, params: Params, provenance: Provenance) -> None:
    """Write the model card, its picture and, where there is one, the calibration beside the weights.

    Raises:
        UserError: a file that they are made of is missing; names the command that makes it.
    """
    card = model_card(
        weights,
        params,
        manifest=read_json(MANIFEST, "fetch", ("source", "id", "revision", "commit", "rows")),
        before=read_json(METRICS / "baseline.json", "baseline", REQUIRED),
        after=read_json(METRICS / "evaluate.json", "evaluate", REQUIRED),
        training=read_json(METRICS / "train.json", "train", ("sheets", "loss", "validation_loss")),
        provenance=provenance,
    )
    curves = (read_curve(METRICS / "plots" / f"{split}.tsv") for split in ("train", "validation"))
    (folder / CURVE).write_bytes(draw_curve(*curves))
    shutil.copyfile(PICTURE, folder / SHEET)
    if CALIBRATION.is_file():
        shutil.copyfile(CALIBRATION, folder / CALIBRATION.name)
    write_text(folder / "README.md", card)


def cached_commit(model: Model) -> str | None:
    """The commit of a base model from the Hub that this machine has in its cache; None of a folder."""
    if Path(model.base).is_dir():
        return None
    found: Any = try_to_load_from_cache(model.base, "config.json", revision=model.revision)
    return Path(found).parent.name if isinstance(found, str) else None


def licence_on_hub(model: Model) -> str | None:
    """The licence that the base model has on the Hub; None of a folder, or if the Hub is out of reach."""
    if Path(model.base).is_dir():
        return None
    try:
        card = (
            HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
            .model_info(model.base, revision=model.revision)
            .card_data
        )
    except (HfHubHTTPError, HTTPError, OfflineModeIsEnabled):
        return None
    licence = getattr(card, "license", None)
    return licence if isinstance(licence, str) and licence != "other" else None

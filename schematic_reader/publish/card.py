"""The model card: what the weights are, what they were made from, what they reach, and how to load them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from schematic_reader.config import Params
from schematic_reader.publish.provenance import Provenance
from schematic_reader.report.table import result_table
from schematic_reader.tasks import task as task_named

CURVE = "training-curve.png"
_PAGE = Path(__file__).with_name("card.md")
_OPEN_SCHEMATICS = "bshada/open-schematics"
_LIBRARIES = ("torch", "transformers", "peft", "trl")

_ASKS = {
    "components": "names the library symbols on it, power symbols included",
    "yaml": "writes its symbols, labels and sub-sheets as YAML",
    "json": "writes its symbols, labels and sub-sheets as JSON",
    "schematic": "writes it as KiCad text",
}


@dataclass(frozen=True)
class PublishedWeights:
    """What is published.

    Attributes:
        repository: owner/name on the Hub.
        merged: whether the adapter is merged into the base.
        base_commit: the base model's commit on the Hub that this machine has loaded, if it can be told.
    """

    repository: str
    merged: bool
    base_commit: str | None


def model_card(
    weights: PublishedWeights,
    params: Params,
    *,
    manifest: Mapping[str, Any],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    training: Mapping[str, Any],
    provenance: Provenance,
) -> str:
    """README.md of the published folder, with the head that the Hub reads.

    Args:
        manifest: of data/raw.
        before, after, training: the metrics of baseline, evaluate and train.
    """
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        head=_head(weights, params, manifest, after).to_yaml(),
        name=weights.repository.split("/")[1],
        asks=_ASKS[params.task],
        made=_made(weights, params),
        warnings=f"\n> **Published in spite of this:** {' '.join(provenance.warnings)}\n"
        if provenance.warnings
        else "",
        table=result_table(before, after),
        curve=CURVE,
        sheets=training["sheets"],
        loss_before=f"{training['validation_loss_before']:.3f}",
        loss_after=f"{training['validation_loss']:.3f}",
        loading=loading(weights, params),
        asking=asking(params),
        repository=weights.repository,
        data=_data(manifest),
        settings=yaml.safe_dump(_settings(params), sort_keys=False).strip(),
        side=params.image.max_side,
        commit=provenance.commit,
        lock=provenance.lock,
        libraries=", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
    )


def loading(weights: PublishedWeights, params: Params) -> str:
    """Python that makes ``model`` and ``processor``."""
    base = params.active.model.base
    revision = params.active.model.revision or weights.base_commit
    at = f', revision="{revision}"' if revision else ""
    if weights.merged:
        return (
            "from transformers import AutoModelForImageTextToText, AutoProcessor\n\n"
            f'model = AutoModelForImageTextToText.from_pretrained("{weights.repository}", dtype="auto")\n'
            f'processor = AutoProcessor.from_pretrained("{weights.repository}")'
        )
    return (
        "from peft import PeftModel\n"
        "from transformers import AutoModelForImageTextToText, AutoProcessor\n\n"
        f'base = AutoModelForImageTextToText.from_pretrained("{base}"{at}, dtype="auto")\n'
        f'model = PeftModel.from_pretrained(base, "{weights.repository}")\n'
        f'processor = AutoProcessor.from_pretrained("{weights.repository}")'
    )


def asking(params: Params) -> str:
    """Python that asks ``model`` about sheet.png in the words of its training and prints the answer."""
    prompt = task_named(params.task).prompt(
        {"name": None, "type": ".kicad_sch"}, form=params.messages.form, with_name=params.messages.with_name
    )
    side = min(params.image.max_side, int(params.image.max_pixels**0.5))
    return (
        "from PIL import Image\n\n"
        f"prompt = {prompt!r}\n"
        'page = Image.open("sheet.png").convert("RGBA")\n'
        'sheet = Image.new("RGB", page.size, "white")\n'
        "sheet.paste(page, mask=page)\n"
        f"sheet.thumbnail(({side}, {side}), reducing_gap=None)\n"
        'content = [{"type": "image", "image": sheet}, {"type": "text", "text": prompt}]\n'
        'chat = [{"role": "user", "content": content}]\n'
        "inputs = processor.apply_chat_template(\n"
        '    chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"\n'
        ").to(model.device)\n"
        f"out = model.generate(**inputs, max_new_tokens={params.evaluate.max_new_tokens}, do_sample=False)\n"
        'print(processor.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))'
    )


def _head(
    weights: PublishedWeights, params: Params, manifest: Mapping[str, Any], after: Mapping[str, Any]
) -> ModelCardData:
    on_hub = manifest["source"] == "hub"
    base = params.active.model.base
    dataset = str(manifest["id" if on_hub else "source"])
    results = [
        EvalResult(
            task_type="image-text-to-text",
            task_name=f"Reading schematics: {params.task}",
            dataset_type=dataset,
            dataset_name=dataset,
            dataset_split="test",
            dataset_revision=manifest["commit"],
            metric_type=metric,
            metric_name=f"{metric}, micro-averaged over items",
            metric_value=after[metric],
        )
        for metric in ("f1", "precision", "recall")
    ]
    return ModelCardData(
        library_name="transformers" if weights.merged else "peft",
        pipeline_tag="image-text-to-text",
        base_model=None if Path(base).is_dir() else base,
        base_model_relation=None if Path(base).is_dir() else "finetune" if weights.merged else "adapter",
        datasets=[dataset] if on_hub else None,
        tags=["schematic", "kicad", "electronics", "lora"],
        model_name=weights.repository.split("/")[1],
        eval_results=results,
    )


def _made(weights: PublishedWeights, params: Params) -> str:
    """What it is and on what base, in a sentence or two."""
    base, revision = params.active.model.base, params.active.model.revision or weights.base_commit
    what = "A LoRA adapter merged into" if weights.merged else "A LoRA adapter on"
    if Path(base).is_dir():
        rest = "" if weights.merged else " Without a checkout of it this adapter cannot be loaded."
        name = Path(base).name if Path(base).is_absolute() else base
        return f"{what} the model in the folder `{name}` of the repository that made it.{rest}"
    at = f" at revision `{revision}`" if revision else ", whose revision was not recorded"
    return f"{what} [{base}](https://huggingface.co/{base}){at}; the base model's licence holds for it too."


def _data(manifest: Mapping[str, Any]) -> str:
    drawn = (
        f" {manifest['synthetic']} generated sheets were mixed into training."
        if manifest["synthetic"]
        else ""
    )
    rows = f"{manifest['rows'] - manifest['synthetic']} rows before cleaning"
    if manifest["source"] == "sample":
        return f"Sheets drawn by the repository that made it ({rows}), under its own MIT licence.{drawn}"
    if manifest["source"] == "local":
        return f"A local folder of sheets ({rows}), whose licence is not recorded.{drawn}"
    name, licence = manifest["id"], manifest["licence"]
    held = f"under the licence {licence}" if licence else "whose page names no licence"
    thanks = " The sheets are the work of the authors of the projects that it collects." * (
        name == _OPEN_SCHEMATICS
    )
    return (
        f"[{name}](https://huggingface.co/datasets/{name}) by {name.split('/')[0]}, at revision "
        f"`{manifest['commit']}`, {held} ({rows}). Changes: unusable rows were dropped, pictures shrunk, "
        f"texts turned into questions and answers.{thanks}{drawn}"
    )


def _settings(params: Params) -> dict[str, Any]:
    """The params that were in force; of folders on this machine only the name."""
    settings = asdict(params)
    active = settings.pop("profiles")[params.profile]
    for group, key in (("data", "path"), ("model", "base")):
        value = active[group][key]
        if value and Path(value).is_absolute():
            active[group][key] = Path(value).name
    return {**_plain(settings), params.profile: _plain(active)}


def _plain(value: Any) -> Any:
    """Tuples as the lists that YAML knows."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value

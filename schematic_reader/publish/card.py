"""The model card: base model, data, settings, results, and how to load the weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData
from markupsafe import Markup

from schematic_reader.config import Params
from schematic_reader.publish.provenance import Provenance
from schematic_reader.report.table import result_table
from schematic_reader.report.templates import load_template
from schematic_reader.tasks import task as task_named

CURVE = "training-curve.png"
SHEET = "sheet.png"
_TEMPLATE = Path(__file__).with_name("card.md")
_LIBRARIES = ("torch", "transformers", "peft", "trl")

_PURPOSES = {
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
        base_commit: the base model's commit on the Hub in this machine's cache; None where it is not known.
        base_licence: of the base model, as the Hub names it; None where it is not known.
    """

    repository: str
    merged: bool
    base_commit: str | None
    base_licence: str | None


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
    base, revision = params.active.model.base, params.active.model.revision
    folder = Path(base).is_dir()
    return (
        load_template(_TEMPLATE)
        .render(
            head=Markup(_head(weights, params, manifest, after, provenance).to_yaml()),  # noqa: S704, YAML
            weights=weights,
            base={
                "folder": folder,
                "name": Path(base).name if folder and Path(base).is_absolute() else base,
                "revision": revision,
            },
            purpose=_PURPOSES[params.task],
            provenance=provenance,
            table=result_table(before, after),
            curve=CURVE,
            sheet=SHEET,
            training=training,
            loading=loading(weights, params),
            inference=inference(params),
            manifest=manifest,
            settings=yaml.safe_dump(_settings(params), sort_keys=False).strip(),
            side=params.active.image.max_side,
            tiles=params.active.image.tiles,
            libraries=", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
        )
        .lstrip()
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


def inference(params: Params) -> str:
    """Python that runs ``model`` on sheet.png with the prompt of its training and prints the answer."""
    prompt = _prompt(params)
    limits = params.active.image
    side = min(limits.max_side, int(limits.max_pixels**0.5))
    return (
        "from PIL import Image\n\n"
        f"prompt = {prompt!r}\n"
        f'page = Image.open("{SHEET}").convert("RGBA")\n'
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
    weights: PublishedWeights,
    params: Params,
    manifest: Mapping[str, Any],
    after: Mapping[str, Any],
    provenance: Provenance,
) -> ModelCardData:
    """The metadata, whose ``model-index`` has every number of the metrics of evaluate."""
    on_hub = manifest["source"] == "hub"
    base = params.active.model.base
    dataset = str(manifest["id" if on_hub else "source"])
    # Data that are not on the Hub are what this commit draws or reads.
    evaluated, revision = dataset, manifest["commit"] if on_hub else provenance.commit
    if "fixed_test" in manifest:
        evaluated, revision = "local", provenance.commit
    results = [
        EvalResult(
            task_type="image-text-to-text",
            task_name=f"Reading schematics: {params.task}",
            dataset_type=evaluated,
            dataset_name=evaluated,
            dataset_split="test",
            dataset_revision=revision,
            metric_type=name.rpartition(".")[2],
            metric_name=name,
            metric_value=value,
        )
        for name, value in _numbers(after)
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
        widget=[{"src": SHEET, "text": _prompt(params)}],
        **_licence(weights, base),
    )


def _licence(weights: PublishedWeights, base: str) -> dict[str, Any]:
    """The head's words on the licence, which is that of the base model."""
    if Path(base).is_dir():
        # A base that lies in this repository is under its licence; of another folder nothing is known.
        within = not Path(base).is_absolute()
        return {"license": "mit"} if within else {"license": "other", "license_name": "unknown"}
    if weights.base_licence:
        return {"license": weights.base_licence}
    link = f"https://huggingface.co/{base}"
    return {"license": "other", "license_name": "as-the-base-model", "license_link": link}


def _numbers(metrics: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, float]]:
    """Dotted name and value of every number in the metrics."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{group}{name}.")
        else:
            yield f"{group}{name}", value


def _prompt(params: Params) -> str:
    """The prompt about a sheet of no known project."""
    return task_named(params.task).prompt(
        {"name": None, "type": ".kicad_sch"}, form=params.messages.form, with_name=params.messages.with_name
    )


def _settings(params: Params) -> dict[str, Any]:
    """The params that were in force; of absolute paths on this machine only the name."""
    settings = asdict(params)
    active = settings.pop("profiles")[params.profile]
    data, model, lora = active["data"], active["model"], settings["lora"]
    for group, key in ((data, "path"), (data, "test_path"), (model, "base"), (lora, "init_from")):
        value = group[key]
        if isinstance(value, tuple):
            group[key] = [_shown_path(path) for path in value]
        elif value:
            group[key] = _shown_path(value)
    settings[params.profile] = active
    loaded: dict[str, Any] = json.loads(json.dumps(settings))  # tuples become the lists that YAML knows
    return loaded


def _shown_path(path: str) -> str:
    return Path(path).name if Path(path).is_absolute() else path

"""The model card of weights and data that no test can download."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import huggingface_hub.constants
import pytest
import yaml
from huggingface_hub import ModelCard

from schematic_reader.config import load_params
from schematic_reader.publish.card import PublishedWeights, model_card
from schematic_reader.publish.folder import licence_on_hub
from schematic_reader.publish.provenance import Provenance
from schematic_reader.report.templates import fenced
from tests.support.model_hub import Repository, card_errors, running_model_hub
from tests.support.paths import ROOT

HUB = {
    "source": "hub",
    "id": "bshada/open-schematics",
    "commit": "5c74" + "0" * 36,
    "licence": "cc-by-4.0",
    "rows": 120,
    "synthetic": 20,
}


def head(card: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(card.split("---")[1])
    return loaded


def settings(card: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", card, re.DOTALL)[0])
    return loaded


def card_of(
    manifest: dict[str, Any],
    *,
    merged: bool = False,
    warnings: tuple[str, ...] = (),
    licence: str | None = "apache-2.0",
    data: dict[str, Any] | None = None,
    init_from: str | None = None,
) -> str:
    metrics = {
        name: json.loads((ROOT / "metrics" / f"{name}.json").read_text())
        for name in ("baseline", "evaluate", "train")
    }
    params = replace(load_params(ROOT / "params.yaml"), profile="open-schematics", task="yaml")
    params = replace(params, lora=replace(params.lora, init_from=init_from))
    profile = replace(params.active, data=replace(params.active.data, **(data or {})))
    return model_card(
        PublishedWeights("owner/name", merged, "b" * 40, licence),
        replace(params, profiles={params.profile: profile}),
        manifest=manifest,
        before=metrics["baseline"],
        after=metrics["evaluate"],
        training=metrics["train"],
        provenance=Provenance("c" * 40, "d" * 64, warnings),
    )


def test_a_model_and_a_data_set_on_the_hub_are_named_with_their_revisions() -> None:
    card = card_of(HUB)
    assert head(card)["base_model"] == "Qwen/Qwen3-VL-8B-Instruct"
    assert head(card)["base_model_relation"] == "adapter"
    assert head(card)["datasets"] == ["bshada/open-schematics"]
    assert head(card)["model-index"][0]["results"][0]["dataset"]["revision"] == HUB["commit"]
    assert f'from_pretrained("Qwen/Qwen3-VL-8B-Instruct", revision="{"b" * 40}"' in card
    flat = " ".join(card.split())
    assert f"Qwen/Qwen3-VL-8B-Instruct) at revision `{'b' * 40}`; the base model's licence" in flat
    assert f"by bshada, at revision `{HUB['commit']}`, under the licence cc-by-4.0 (100 rows" in flat
    assert "20 generated sheets were mixed into training" in flat
    assert "Published in spite" not in flat
    assert "sample" not in settings(card)


def test_absolute_paths_of_this_machine_are_not_shown() -> None:
    for path, shown in (("/home/me/own", "own"), ("../own", "../own"), (("/home/me/a", "b"), ["a", "b"])):
        card = card_of(HUB, data={"path": path, "test_path": path})
        data = settings(card)["open-schematics"]["data"]
        assert (data["path"], data["test_path"]) == (shown, shown)
        assert "/home/me" not in card
    card = card_of(HUB, init_from="/home/me/earlier")
    assert settings(card)["lora"]["init_from"] == "earlier" and "/home/me" not in card


def test_results_of_a_fixed_test_set_are_not_said_to_be_the_data_sets() -> None:
    card = card_of(HUB | {"rows": 150, "fixed_test": 30})
    (result,) = head(card)["model-index"][0]["results"]
    assert result["dataset"] == {"type": "local", "name": "local", "split": "test", "revision": "c" * 40}
    assert head(card)["datasets"] == [HUB["id"]] and card_errors(head(card)) == []
    flat = " ".join(card.split())
    assert "(100 rows before cleaning)" in flat
    assert "a fixed test set, local files of 30 rows before cleaning" in flat
    assert "fixed test set" not in card_of(HUB)


@pytest.mark.parametrize("merged", [False, True])
def test_the_head_passes_the_hubs_validation(merged: bool) -> None:
    """huggingface_hub reads it back, and finds every number of evaluate with its data set."""
    card = ModelCard(card_of(HUB, merged=merged))
    data = card.data
    assert card_errors(head(str(card))) == []
    assert data.library_name == ("transformers" if merged else "peft")
    assert data.pipeline_tag == "image-text-to-text" and data.license == "apache-2.0"
    assert data.base_model == "Qwen/Qwen3-VL-8B-Instruct" and data.datasets == [HUB["id"]]
    values = {result.metric_name: result.metric_value for result in data.eval_results}
    metrics = json.loads((ROOT / "metrics" / "evaluate.json").read_text())
    assert values["f1"] == metrics["f1"] and values["loose.macro_f1"] == metrics["loose"]["macro_f1"]
    assert len(values) == sum(len(part) if isinstance(part, dict) else 1 for part in metrics.values())
    types = {result.metric_type for result in data.eval_results if result.metric_name.startswith("loose.")}
    assert types == set(metrics["loose"])
    assert {result.dataset_revision for result in data.eval_results} == {HUB["commit"]}
    assert [example["src"] for example in data.widget] == ["sheet.png"]


def test_a_licence_that_is_not_known_is_the_base_models() -> None:
    found = head(card_of(HUB, licence=None))
    assert found["license"] == "other" and found["license_link"].endswith("/Qwen/Qwen3-VL-8B-Instruct")
    assert card_errors(found) == []


def test_the_hub_names_the_licence_of_a_base_model(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_params(ROOT / "params.yaml").profiles["open-schematics"].model
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with running_model_hub("") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        assert licence_on_hub(model) is None
        readme = b"---\nlicense: apache-2.0\n---\n"
        hub.repositories[model.base] = Repository(private=False, files={"README.md": readme})
        assert licence_on_hub(model) == "apache-2.0"
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert licence_on_hub(model) is None
    assert licence_on_hub(replace(model, base=str(ROOT / "models" / "tiny"))) is None


def test_what_is_not_known_is_said() -> None:
    flat = " ".join(card_of(HUB | {"licence": None, "synthetic": 0}, merged=True).split())
    assert "whose page names no licence (120 rows" in flat and "generated sheets" not in flat
    assert "A LoRA adapter merged into [Qwen" in flat and "PeftModel" not in flat
    local = " ".join(card_of(HUB | {"source": "local", "commit": None}).split())
    assert "A local folder of sheets (100 rows before cleaning), whose licence is not recorded" in local


def test_names_from_outside_stay_text() -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    card = card_of(HUB | {"licence": evil}, warnings=(f"Files differed from the commit: {evil}.",))
    assert "<img" not in card and "<script" not in card and "</script" not in card
    assert card.count("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;") == 2


def test_a_fence_is_longer_than_any_within() -> None:
    assert fenced("a < b", "text") == "```text\na < b\n```"
    assert fenced("```\n````x", "yaml") == "`````yaml\n```\n````x\n`````"

"""The model card of weights and data that no test can download."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import yaml

from schematic_reader.config import load_params
from schematic_reader.publish.card import PublishedWeights, model_card
from schematic_reader.publish.provenance import Provenance
from schematic_reader.report.templates import fenced
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


def card_of(manifest: dict[str, Any], *, merged: bool = False, warnings: tuple[str, ...] = ()) -> str:
    metrics = {
        name: json.loads((ROOT / "metrics" / f"{name}.json").read_text())
        for name in ("baseline", "evaluate", "train")
    }
    return model_card(
        PublishedWeights("owner/name", merged, "b" * 40),
        replace(load_params(ROOT / "params.yaml"), profile="open-schematics", task="yaml"),
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
    assert "sample" not in yaml.safe_load(re.findall(r"```yaml\n(.*?)```", card, re.DOTALL)[0])


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

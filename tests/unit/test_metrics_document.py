"""docs/metrics.md names every number of the committed metrics, and every one that the code can add."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from schematic_reader.cleaning.row_facts import IN_TEST_SET, REASONS
from schematic_reader.scoring.confidence import Calibration, confidence_metrics
from schematic_reader.scoring.connectivity import connectivity
from tests.support.paths import ROOT

QUOTED = re.findall(r"`([^`\n]+)`", (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"))
NAMED = set(re.findall(r"[a-z0-9_]+", " ".join(QUOTED)))
FILES = sorted((ROOT / "metrics").glob("*.json"))


def keys(value: dict[str, Any]) -> set[str]:
    """All keys, those of groups included."""
    return set(value) | {key for inner in value.values() if isinstance(inner, dict) for key in keys(inner)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_committed_number_is_named(path: Any) -> None:
    missing = keys(json.loads(path.read_text())) - NAMED
    assert not missing, f"docs/metrics.md does not tell what {sorted(missing)} of {path.name} mean"


def test_groups_that_only_some_runs_have_are_named() -> None:
    sure = keys(confidence_metrics([(0.5, True)], Calibration(items=1)))
    nets = {re.sub(r"^pair_", "", key) for key in keys(connectivity("json", []))}
    assert sure | nets | {*REASONS, IN_TEST_SET} <= NAMED
    assert {
        "symbols",
        "labels",
        "subsheets",
        "nets",
        "ocr",
        "confidence",
        "confidence_parts",
        "no_image",
    } <= NAMED

"""The measures of nets for tasks json and yaml by hand, and the way of a row's KiCad text to them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from schematic_reader.config import load_params
from schematic_reader.io.tables import CLEAN, MESSAGES, write_rows
from schematic_reader.scoring.connectivity import connectivity, has_nets
from schematic_reader.scoring.evaluation import evaluate_model
from schematic_reader.tasks import task
from schematic_reader.tasks.contract import ModelAnswer
from schematic_reader.tasks.messages import chat
from tests.support.described_sheets import OWN, document, symbol_entry
from tests.support.paths import ROOT

GOOD = json.dumps(document(), indent=2)
PART = json.dumps(document() | {"graphicalItems": document()["graphicalItems"][:1], "junctions": [5]})


def test_measures_by_hand() -> None:
    # Three nets and three pairs a sheet. The part lacks the wire of pin 1 of U1, whose label is left alone.
    strange = json.dumps({"schematicSymbols": [symbol_entry("L:Q", "Q1", 0, 0)]})
    answers = [GOOD, PART, f"```json\n{GOOD}\n```", "{", strange]
    found = connectivity("json", [(OWN, GOOD, answer) for answer in answers])
    assert found == {
        "sheets": 5,
        "readable": 0.8,
        "precision": 1.0,
        "recall": round(8 / 15, 6),
        "f1": round(16 / 23, 6),
        "predicted": 8,
        "true": 15,
        "pair_precision": 1.0,
        "pair_recall": round(8 / 15, 6),
        "pair_f1": round(16 / 23, 6),
        "pairs_predicted": 8,
        "pairs_true": 15,
        "unread": 1,
        "unresolved": 1,
        "unresolved_true": 0,
    }
    assert found.keys() > connectivity("schematic", []).keys()


def test_a_row_without_kicads_text_is_left_out() -> None:
    assert (
        connectivity("json", [("", GOOD, GOOD), ("(kicad_sch", GOOD, GOOD), (OWN, "{", GOOD)])["sheets"] == 0
    )


def test_only_texts_with_coordinates_have_nets() -> None:
    assert [has_nets(name, "verbatim") for name in ("components", "json", "yaml", "schematic")] == [
        False, True, True, True
    ]  # fmt: skip
    assert not any(has_nets(name, "compact") for name in ("components", "json", "yaml", "schematic"))


@pytest.mark.parametrize("form", ["verbatim", "compact"])
@pytest.mark.parametrize("name", ["json", "yaml", "schematic", "components"])
def test_the_evaluation_finds_each_rows_own_text(tmp_path: Path, name: str, form: Any) -> None:
    """Three rows, the second of a sheet without R2: with another row's text its nets would be others."""
    other = document()
    del other["schematicSymbols"][3]
    columns = [
        {"json": json.dumps(mapping), "yaml": yaml.safe_dump(mapping), "schematic": text, "components": ["R"]}
        for mapping, text in ((document(), OWN), (other, OWN.replace('"R2"', '"R3"')), (document(), OWN))
    ]
    clean = [dict.fromkeys(CLEAN.names, None) | {"id": str(2 - i)} | row for i, row in enumerate(columns)]
    write_rows(tmp_path / "test" / "part-00.parquet", CLEAN, clean)
    rows = []
    for i, row in enumerate(clean):
        target = task(name).target(row, form=form)
        assert target is not None
        place = {"id": row["id"], "name": f"o/{i}", "part": "part-00.parquet", "row": i, "prompt": ""}
        rows.append(place | {"target": target, "messages": chat("", target)})
    write_rows(tmp_path / "train.parquet", MESSAGES, rows)
    _, metrics = evaluate_model(
        lambda asked, *, with_image: [ModelAnswer(row["target"], 3, "stop") for row in asked],
        rows,
        task=task(name),
        form=form,
        settings=replace(load_params(ROOT / "params.yaml").evaluate, no_image_sheets=0, bootstrap_samples=5),
        messages=tmp_path,
        clean=tmp_path,
        seed=1,
    )
    if not has_nets(name, form):
        assert "nets" not in metrics
        return
    nets = metrics["nets"]
    assert isinstance(nets, dict)
    assert (nets["sheets"], nets["readable"], nets["f1"], nets["pair_f1"]) == (3, 1.0, 1.0, 1.0)
    # Without wires KiCad's text OWN joins by GND alone: R1, and R2 or R3.
    assert nets["true"] == (3 if name == "schematic" else 3 + 2 + 3)

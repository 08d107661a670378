"""All four tasks on the 260 good rows of the mini set."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from schematic_reader.tasks import task
from schematic_reader.tasks.contract import Form
from tests.support.paths import shared_folder

COLUMNS = ["name", "type", "components_used", "json", "yaml", "schematic"]


@pytest.fixture(scope="module")
def good_rows(mini: Path) -> dict[int, dict[str, Any]]:
    """The rows without dirt by their index over all shards."""
    with (mini / "manifest.csv").open(newline="") as file:
        good = [int(line["row_index"]) for line in csv.DictReader(file) if not line["dirt"]]
    rows = [
        row
        for path in sorted(mini.glob("*.parquet"))
        for row in pq.read_table(path, columns=COLUMNS).to_pylist()
    ]
    return {index: {**rows[index], "components": rows[index].pop("components_used")} for index in good}


def plain_items(document: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """What the data set's JSON holds, read without the project's code."""
    for symbol in document["schematicSymbols"]:
        fields = {field["key"]: field["value"].strip() for field in symbol["properties"]}
        reference = fields["Reference"]
        shown = "" if reference[:1] == "#" else reference
        yield "symbol", shown, symbol["entryName"], fields["Value"]
    kinds = {"labels": "local", "globalLabels": "global", "hierarchicalLabels": "hierarchical"}
    for section, kind in kinds.items():
        for label in document[section]:
            yield "label", kind, label["text"]
    for sheet in document["sheets"]:
        yield "sheet", sheet["sheetName"].strip()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["verbatim", "compact"])
@pytest.mark.parametrize("name", ["components", "json", "yaml", "schematic"])
def test_targets_hold_what_the_row_holds(good_rows: dict[int, dict[str, Any]], name: str, form: Form) -> None:
    assert len(good_rows) == 260
    for row in good_rows.values():
        target = task(name).target(row, form=form)
        assert target is not None
        expected = row["components"] if name == "components" else plain_items(json.loads(row["json"]))
        assert task(name).parse(target).items == Counter(expected)
        if form == "compact" and name != "components":
            assert len(target) < len(row[name]) / 4


def test_compact_texts_agree_on_the_order(good_rows: dict[int, dict[str, Any]]) -> None:
    for row in list(good_rows.values())[::10]:
        orders = []
        for name in ("json", "yaml", "schematic"):
            target = task(name).target(row, form="compact")
            assert target is not None
            orders.append(list(task(name).parse(target).items))
        assert orders[0] == orders[1] == orders[2]


def test_parts_are_those_of_kicads_own_netlist(good_rows: dict[int, dict[str, Any]]) -> None:
    """KiCad's netlist names each part once, with reference, symbol and value.

    214 sheets agree to the letter. On the other 46 the sheet has no annotation (``C?``), is used several
    times with other references, has a local copy of a symbol, or an empty value that KiCad fills in.
    """
    agreeing = 0
    with gzip.open(shared_folder("kicad-netlists") / "mini.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            netlist = json.loads(line)
            parts = {
                (part["ref"], part["lib"].rpartition(":")[2], part["value"]) for part in netlist["components"]
            }
            items = task("json").parse(good_rows[netlist["row_index"]]["json"]).items
            agreeing += parts == {item[1:] for item in items if item[0] == "symbol" and item[1]}
    assert agreeing == 214

"""The nets of the mini set's json and yaml against those of the rows' KiCad texts and KiCad's netlists."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from schematic_reader.kicad.model import Sheet
from schematic_reader.kicad.nets.netlist import Net, nets
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.scoring.connectivity import MAX_PINS, ReadNets, connectivity, described_nets
from schematic_reader.scoring.described_sheet import MAX_COMPARED
from tests.support.paths import shared_folder

pytestmark = pytest.mark.slow  # all real sheets

PinSet = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Described:
    row: dict[str, Any]
    own: Sheet
    found: ReadNets


@pytest.fixture(scope="module")
def described(mini: Path) -> dict[int, Described]:
    """By the row's index, all rows that have a JSON: 289 of 310, the others being of KiCad 4 and 5."""
    columns = ["schematic", "json", "yaml", "type"]
    rows = [
        row
        for path in sorted(mini.glob("*.parquet"))
        for row in pq.read_table(path, columns=columns).to_pylist()
    ]
    assert [row["type"] for row in rows if row["json"] is None] == [".sch"] * 21
    read = {}
    for index, row in enumerate(rows):
        if row["json"] is not None:
            own = read_sheet(row["schematic"])
            found = described_nets("json", row["json"], own)
            assert found is not None, index
            read[index] = Described(row, own, found)
    return read


def joined(found: Iterable[Net]) -> Counter[PinSet]:
    """The nets of two or more pins."""
    return Counter(net.pins for net in found if len(net.pins) > 1)


def without_uses(sheet: Sheet) -> Sheet:
    """The sheet with the references and values of its symbols' properties, which are all that JSON has."""
    symbols = (replace(symbol, instance_reference="", instance_value="") for symbol in sheet.symbols)
    return replace(sheet, symbols=tuple(symbols))


def test_all_nets_of_kicads_text_are_in_the_json(described: dict[int, Described]) -> None:
    total = 0
    for index, one in described.items():
        assert (one.found.unread, one.found.unresolved) == (0, 0), index
        expected = joined(nets(without_uses(one.own)))
        assert joined(one.found.nets) == expected, index
        total += expected.total()
    assert (len(described), total) == (289, 5859)


def test_kicads_own_nets_are_in_the_json(described: dict[int, Described]) -> None:
    """All but on 11 sheets where parts have other references in their use than in their properties."""
    found, there = Counter[str](), Counter[str]()
    with gzip.open(shared_folder("kicad-netlists") / "mini.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            netlist = json.loads(line)
            one = described[netlist["row_index"]]
            theirs = Counter(
                frozenset(map(tuple, net["nodes"])) for net in netlist["nets"] if len(net["nodes"]) > 1
            )
            uses = any(symbol.instance_reference for symbol in one.own.symbols)
            kind = "other references" if uses else "same"
            there.update({kind: theirs.total(), f"sheets, {kind}": 1})
            found[kind] += (theirs & joined(one.found.nets)).total()
    assert there == {
        "same": 3962,
        "sheets, same": 249,
        "other references": 283,
        "sheets, other references": 11,
    }
    assert found == {"same": 3962, "other references": 229}


def test_yaml_says_the_same_and_a_right_answer_is_right(described: dict[int, Described]) -> None:
    some = list(described.values())[::12]
    for name in ("json", "yaml"):
        measures = connectivity(name, ((one.row["schematic"], one.row[name], one.row[name]) for one in some))
        assert (measures["sheets"], measures["readable"], measures["f1"]) == (len(some), 1.0, 1.0)
        assert measures["true"] == sum(joined(one.found.nets).total() for one in some)


def test_an_answer_that_is_cut_or_without_wires_is_not_right(described: dict[int, Described]) -> None:
    some = list(described.values())[::12]
    bare = [json.dumps({**json.loads(one.row["json"]), "graphicalItems": []}) for one in some]
    sheets = [(one.row["schematic"], one.row["json"], text) for one, text in zip(some, bare, strict=True)]
    measures = connectivity("json", sheets)
    assert measures["readable"] == 1.0 and 0 < measures["f1"] < 0.5  # what names and touching pins join
    cut = connectivity("json", ((own, target, target[:5000]) for own, target, _ in sheets))
    assert cut["readable"] < 0.2 and cut["recall"] < 0.02


def test_the_limits_are_far_over_real_sheets(described: dict[int, Described]) -> None:
    assert max(len(one.own.symbols) for one in described.values()) ** 2 < MAX_COMPARED / 20
    assert max(sum(len(net.pins) for net in one.found.nets) for one in described.values()) < MAX_PINS / 20

"""The nets of the mini set's 260 good sheets against KiCad's own netlists of them."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from schematic_reader.kicad.model import Sheet
from schematic_reader.kicad.nets.netlist import Net, nets
from schematic_reader.kicad.reader import read_sheet
from tests.support.paths import shared_folder

pytestmark = pytest.mark.slow  # all real sheets

PinId = tuple[str, str]


@pytest.fixture(scope="module")
def compared(mini: Path) -> list[tuple[dict[str, Any], Sheet, list[Net], set[str]]]:
    """KiCad's netlist, the sheet, its nets, and the references that the file gives for it as a root."""
    texts = [
        text
        for path in sorted(mini.glob("*.parquet"))
        for text in pq.read_table(path, columns=["schematic"])["schematic"].to_pylist()
    ]
    rows = []
    with gzip.open(shared_folder("kicad-netlists") / "mini.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            netlist = json.loads(line)
            text = texts[netlist["row_index"]]
            sheet = read_sheet(text)
            rows.append((netlist, sheet, nets(sheet), set(own_references(text, sheet.uuid))))
    return rows


def own_references(text: str, uuid: str) -> Iterator[str]:
    """References under ``(path "/UUID" ...)``, or in a root's ``symbol_instances`` before KiCad 7."""
    old = text.partition("(symbol_instances")[2]
    for part in text.split(f'(path "/{uuid}"')[1:] + old.split("(path ")[1:]:
        yield part.partition('(reference "')[2].partition('"')[0]


def kicad_nets(netlist: dict[str, Any]) -> Counter[frozenset[PinId]]:
    return Counter(frozenset((ref, pin) for ref, pin in net["nodes"]) for net in netlist["nets"])


def test_every_net_of_kicad_is_found(compared: list[Any]) -> None:
    total = Counter[int]()
    for netlist, _, found, _ in compared:
        theirs, ours = kicad_nets(netlist), Counter(net.pins for net in found)
        assert theirs - ours == Counter(), netlist["row_index"]
        total.update(min(len(pins), 2) for pins in theirs.elements())
    assert len(compared) == 260
    assert total == {1: 2808, 2: 4245}


def test_every_other_net_is_one_that_kicad_cannot_name(compared: list[Any]) -> None:
    """Opened alone, a sub-sheet has no references of its own: KiCad leaves out nets that need one."""
    others = Counter[int]()
    for netlist, _, found, references in compared:
        unseen = kicad_nets(netlist)
        for net in found:
            if unseen[net.pins]:
                unseen[net.pins] -= 1
                continue
            others[min(len(net.pins), 2)] += 1
            assert net.name.startswith(("Net-(", "unconnected-(")), (netlist["row_index"], net)
            assert not {reference for reference, _ in net.pins} & references, (netlist["row_index"], net)
    assert others == {1: 959, 2: 919}


def test_components_are_those_of_kicad(compared: list[Any]) -> None:
    for netlist, sheet, _, _ in compared:
        theirs = {(part["ref"], part["lib"].rpartition(":")[2]) for part in netlist["components"]}
        ours = {(s.designator, (s.lib_name or s.lib_id).rpartition(":")[2]) for s in sheet.symbols}
        assert theirs <= ours, netlist["row_index"]  # KiCad takes only the first of several parts "R?"
        references = {reference for reference, _ in ours if not reference.startswith("#")}
        assert references == {reference for reference, _ in theirs}, netlist["row_index"]


def test_nets_have_the_names_that_kicad_gives(compared: list[Any]) -> None:
    """But for 3 overbars of before KiCad 6, and 12 nets of sub-sheets that KiCad names after a PWR_FLAG."""
    same = Counter[str]()
    for netlist, _, found, _ in compared:
        names = {(net.pins, net.name) for net in found}
        for net in netlist["nets"]:
            equal = (frozenset(map(tuple, net["nodes"])), net["name"]) in names
            same["same" if equal else "flag" if "(#FLG" in net["name"] else "other"] += 1
    assert same == {"same": 7053 - 15, "flag": 12, "other": 3}

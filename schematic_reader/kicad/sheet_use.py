"""The text of a sheet as one part of a project uses it, for a renderer or a data set, which get it alone."""

from __future__ import annotations

from schematic_reader.kicad.nodes import child_of, lists_of, root_of, string_of
from schematic_reader.kicad.read_symbols import SheetUse, instance_of, instances_of
from schematic_reader.kicad.sexpr import Node, dump


def text_of_use(text: str, use: SheetUse) -> str:
    """The text of a ``.kicad_sch`` with the references, values and units of that use.

    Read by itself it gives what ``read_sheet(text, use)`` does. Where it does so already it stays as it is,
    to the byte; else it is in KiCad 8's layout.

    Raises:
        KicadError: it is no such file.
    """
    root = root_of(text, "kicad_sch")
    below = use.path.count("/") > 1
    alone = SheetUse(f"/{string_of(root, 'uuid')}", {}) if below else use
    changed = [_keep(node, use, alone) for node in root if isinstance(node, list) and node[:1] == ["symbol"]]
    if below and child_of(root, "symbol_instances"):  # of when the file was a root
        root = [node for node in root if not (isinstance(node, list) and node[:1] == ["symbol_instances"])]
        changed.append(True)
    return dump(root) if any(changed) else text


def _keep(symbol: Node, use: SheetUse, alone: SheetUse) -> bool:
    """Make that use of a symbol the one of the sheet by itself, ``alone``; whether anything changed."""
    instance = instance_of(symbol, use)
    before = _said(symbol)
    for key, name in (("Reference", "reference"), ("Value", "value")):
        if said := string_of(instance, name):
            for field in lists_of(symbol):
                if field[0] == "property" and field[1:2] == [key] and len(field) > 2:
                    field[2] = said
    if unit := child_of(instance, "unit"):
        symbol[:] = [unit if isinstance(node, list) and node[:1] == ["unit"] else node for node in symbol]
    if instance_of(symbol, alone) != instance:
        uses = instances_of(symbol)
        for project in lists_of(child_of(symbol, "instances")):
            project[:] = [node for node in project if node is instance or node not in uses]
    return before != _said(symbol)


def _said(symbol: Node) -> tuple[list[str], str, int]:
    """Fields, unit and number of uses."""
    fields = [str(field[2]) for field in lists_of(symbol) if field[0] == "property" and len(field) > 2]
    return fields, string_of(symbol, "unit"), len(instances_of(symbol))

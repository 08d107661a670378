"""Text variables: ``${TITLE}`` and the like replaced by what they stand for, as KiCad shows them.

A variable that nothing defines stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from schematic_reader.kicad.model import (
    Graphic,
    LibSymbol,
    PlacedSymbol,
    Property,
    Sheet,
    SymbolUnit,
    Table,
    Text,
    TextBox,
    TitleBlock,
)

_VARIABLE = re.compile(r"\$\{([^${}]{1,200})\}")
_MAX_DEPTH = 8  # of variables in the values of variables
_MAX_CHARS = 100_000  # of a text; longer ones stay as they are
_MAX_GROWTH = 10_000  # characters of a text by its values; a variable that has no room stays

Variables = Mapping[str, str]
_NOWHERE: Variables = MappingProxyType({})


def expand(text: str, *scopes: Variables) -> str:
    """The text with the variables of the scopes, the first scope that has one counting."""
    room = _MAX_GROWTH

    def value(match: re.Match[str]) -> str:
        nonlocal room
        keys = match[1], _in_any_case(match[1])
        found = next((scope[key] for scope in scopes for key in keys if key in scope), match[0])
        growth = max(len(found) - len(match[0]), 0)
        if growth > room:
            return match[0]
        room -= growth
        return found

    for _ in range(_MAX_DEPTH):
        if "${" not in text or len(text) > _MAX_CHARS:
            break
        shown = _VARIABLE.sub(value, text)
        if shown == text:
            break
        text = shown
    return text


def _in_any_case(name: str) -> str:
    """The key of a field that is found by its name in any case; no variable has such a name itself."""
    return f"{name.casefold()}\n"


def sheet_variables(sheet: Sheet) -> dict[str, str]:
    """What the sheet itself, its title block and its project define.

    As for a sheet that is opened by itself, it is page 1 of as many as it lists.
    """
    block = sheet.title_block
    title = {
        "ISSUE_DATE": block.date,
        "REVISION": block.rev,
        "TITLE": block.title,
        "COMPANY": block.company,
        **{f"COMMENT{i}": block.comments[i - 1] if i <= len(block.comments) else "" for i in range(1, 10)},
    }
    page = next((page for path, page in sheet.sheet_instances if path == "/"), "1")
    own = {
        "#": page,
        "##": str(max(len(sheet.sheet_instances), 1)),
        "SHEETPATH": "/",
        "SHEETNAME": "Root",
        "PAPER": sheet.paper,
    }
    if sheet.file_name:
        own |= {"FILENAME": sheet.file_name, "PROJECTNAME": sheet.file_name.rsplit(".", 1)[0]}
    return {**dict(sheet.text_variables), **title, **own}


def symbol_variables(symbol: PlacedSymbol, library: LibSymbol | None) -> dict[str, str]:
    """What a placed symbol defines: its fields, by their names in any case, and what follows from them."""
    fields = {p.key: p.value for p in symbol.properties}
    fields |= symbol.used_fields
    names = {_in_any_case(key): value for key, value in fields.items()} | fields
    footprint = fields.get("Footprint", "").rpartition(":")
    kinds = {p.key: p.value for p in library.properties} if library is not None else {}
    return names | {
        "SHORT_REFERENCE": symbol.designator,
        "SYMBOL_NAME": symbol.lib_id.rpartition(":")[2],
        "SYMBOL_LIBRARY": symbol.lib_id.rpartition(":")[0],
        "SYMBOL_DESCRIPTION": kinds.get("Description", kinds.get("ki_description", "")),
        "SYMBOL_KEYWORDS": kinds.get("ki_keywords", ""),
        "FOOTPRINT_LIBRARY": footprint[0],
        "FOOTPRINT_NAME": footprint[2],
        "DNP": "DNP" if symbol.dnp else "",
    }


def resolved(sheet: Sheet, place: Variables = _NOWHERE) -> Sheet:
    """The sheet with the variables of all its texts replaced; itself where there are none.

    ``place`` are those that its place in a project defines, before those of the sheet by itself.

    A symbol whose library texts have variables gets a copy of its library symbol under a name of its own.
    """
    if not any("${" in text for text in _texts(sheet)):
        return sheet
    scope = {**sheet_variables(sheet), **place}
    block = sheet.title_block
    symbols, libraries = _symbols(sheet, scope)
    return replace(
        sheet,
        title_block=TitleBlock(
            title=expand(block.title, scope),
            date=expand(block.date, scope),
            rev=expand(block.rev, scope),
            company=expand(block.company, scope),
            comments=tuple(expand(comment, scope) for comment in block.comments),
        ),
        lib_symbols=libraries,
        symbols=symbols,
        labels=tuple(
            replace(label, text=expand(label.text, scope), properties=_properties(label.properties, scope))
            for label in sheet.labels
        ),
        graphics=tuple(_graphic(item, scope) for item in sheet.graphics),
        sheets=tuple(
            replace(
                box,
                properties=_properties(
                    box.properties, {p.key.upper(): p.value for p in box.properties}, scope
                ),
                pins=tuple(replace(pin, name=expand(pin.name, scope)) for pin in box.pins),
            )
            for box in sheet.sheets
        ),
        tables=tuple(_table(table, scope) for table in sheet.tables),
    )


def _texts(sheet: Sheet) -> Iterator[str]:
    """All texts of a sheet that may have variables."""
    block = sheet.title_block
    yield from (block.title, block.date, block.rev, block.company, *block.comments)
    for symbol in sheet.symbols:
        yield from (p.value for p in symbol.properties)
        yield symbol.instance_value
    for library in sheet.lib_symbols.values():
        for unit in library.units:
            yield from _unit_texts(unit)
    for label in sheet.labels:
        yield label.text
        # References between sheets are drawn for whole projects only.
        yield from (p.value for p in label.properties if p.key != "Intersheetrefs")
    yield from (item.text for item in sheet.graphics if isinstance(item, Text | TextBox))
    for box in sheet.sheets:
        yield from (p.value for p in box.properties)
        yield from (pin.name for pin in box.pins)
    for table in sheet.tables:
        yield from (cell.text for cell in table.cells)


def _unit_texts(unit: SymbolUnit) -> Iterator[str]:
    yield from (item.text for item in unit.graphics if isinstance(item, Text | TextBox))
    yield from (pin.name for pin in unit.pins)


def _symbols(sheet: Sheet, scope: Variables) -> tuple[tuple[PlacedSymbol, ...], dict[str, LibSymbol]]:
    """The placed symbols, and the library symbols with a copy for each symbol whose own texts differ."""
    libraries = dict(sheet.lib_symbols)
    varying = {
        key
        for key, library in libraries.items()
        if any("${" in text for unit in library.units for text in _unit_texts(unit))
    }
    placed: list[PlacedSymbol] = []
    for number, symbol in enumerate(sheet.symbols):
        key = symbol.library_key
        own = symbol_variables(symbol, libraries.get(key))
        if key in varying:
            copy = f"{key}\n{number}"  # no name in a file has a line break
            libraries[copy] = replace(
                libraries[key], units=tuple(_unit(unit, own, scope) for unit in libraries[key].units)
            )
            symbol = replace(symbol, lib_name=copy)
        placed.append(
            replace(
                symbol,
                properties=_properties(symbol.properties, own, scope),
                instance_value=expand(symbol.instance_value, own, scope),
            )
        )
    return tuple(placed), libraries


def _unit(unit: SymbolUnit, *scopes: Variables) -> SymbolUnit:
    return replace(
        unit,
        graphics=tuple(_graphic(item, *scopes) for item in unit.graphics),
        pins=tuple(replace(pin, name=expand(pin.name, *scopes)) for pin in unit.pins),
    )


def _properties(properties: tuple[Property, ...], *scopes: Variables) -> tuple[Property, ...]:
    return tuple(replace(p, value=expand(p.value, *scopes)) for p in properties)


def _graphic(item: Graphic, *scopes: Variables) -> Graphic:
    if isinstance(item, Text | TextBox):
        return replace(item, text=expand(item.text, *scopes))
    return item


def _table(table: Table, scope: Variables) -> Table:
    return replace(table, cells=tuple(replace(c, text=expand(c.text, scope)) for c in table.cells))

"""A real sheet with other texts, numbers and symbols: its layout stays, its texts cannot be memorised."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from pretraining.material import Material, prefix_of
from pretraining.plain import made_up
from pretraining.spellings import QUANTITIES, quantity
from schematic_reader.kicad.model import (
    Graphic,
    Label,
    LibSymbol,
    PlacedSymbol,
    Point,
    Property,
    Sheet,
    SheetBox,
    Text,
    TextBox,
    TextStyle,
    TitleBlock,
)

_MADE_UP = 0.4  # share of replaced texts that are invented, not taken from another sheet
_VALUE, _LABEL, _PIN, _WORD = 0.8, 0.7, 0.5, 0.7  # shares of texts that are replaced
_SWAP = 0.15  # share of symbols whose drawing is another one's of the same prefix
_FOREIGN = 0.05  # share that get any library's drawing


class Remixer:
    """Makes new sheets of the material's real ones."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._library = [
            candidate.symbol
            for _, candidates in material.library
            for candidate in candidates
            if not candidate.symbol.power
        ]

    def __call__(self, sheet: Sheet, rng: random.Random) -> Sheet:
        """The sheet with new references, values, labels, pin names, notes, some other symbols, elsewhere."""
        lib_symbols = {
            name: self._pins(symbol, rng) if rng.random() < 0.5 else symbol
            for name, symbol in sheet.lib_symbols.items()
        }
        names: dict[str, str] = {}
        numbers: dict[str, dict[str, str]] = {}
        symbols = [self._symbol(placed, lib_symbols, numbers, rng) for placed in sheet.symbols]
        labels = tuple(self._label(label, names, rng) for label in sheet.labels)
        graphics = tuple(self._graphic(item, rng) for item in sheet.graphics)
        boxes = tuple(self._box(box, names, rng) for box in sheet.sheets)
        title = TitleBlock(self._words(3, rng), self._words(1, rng), made_up(rng), self._words(2, rng))
        return replace(
            sheet,
            lib_symbols=lib_symbols,
            symbols=tuple(symbols),
            labels=labels,
            graphics=graphics,
            sheets=boxes,
            title_block=title,
            frame=sheet.frame and rng.random() < 0.85,
        )

    def _pick(self, pool: tuple[str, ...], rng: random.Random) -> str:
        return made_up(rng) if not pool or rng.random() < _MADE_UP else rng.choice(pool)

    def _words(self, count: int, rng: random.Random) -> str:
        return " ".join(self._pick(self._material.words, rng) for _ in range(rng.randrange(1, count + 1)))

    def _symbol(
        self,
        placed: PlacedSymbol,
        lib_symbols: dict[str, LibSymbol],
        numbers: dict[str, dict[str, str]],
        rng: random.Random,
    ) -> PlacedSymbol:
        name = placed.lib_name or placed.lib_id
        symbol = lib_symbols.get(name)
        prefix = prefix_of(placed.reference)
        power = symbol is not None and symbol.power
        value = self._value(prefix, placed.value, power, rng) if rng.random() < _VALUE else placed.value
        reference = _renumbered(placed.reference, prefix, numbers, rng)
        changed = {"Reference": reference, "Value": value}
        properties = tuple(self._field(field, changed, rng) for field in placed.properties)
        placed = replace(placed, properties=properties, instance_reference="", instance_value="")
        if symbol is None or power or any(unit.unit > 1 for unit in symbol.units):
            return placed
        other = self._drawing(prefix, rng)
        # A larger drawing would hide what stands beside it.
        if other is None or pins_of(other) > 1.2 * pins_of(symbol) + 1:
            return placed
        key = f"swapped:{other.lib_id}"
        lib_symbols[key] = other
        return replace(placed, lib_id=key, lib_name="", unit=1, style=1)

    def _drawing(self, prefix: str, rng: random.Random) -> LibSymbol | None:
        """What is drawn in the place of a part, or None for what was."""
        pool: Sequence[LibSymbol] = ()
        chance = rng.random()
        if chance < _SWAP:
            pool = self._material.symbols.get(prefix, ())
        elif chance < _SWAP + _FOREIGN:
            pool = self._library
        return rng.choice(pool) if pool else None

    def _field(self, field: Property, changed: dict[str, str], rng: random.Random) -> Property:
        if field.key in changed:
            field = replace(field, value=changed[field.key])
        elif not field.hidden and rng.random() < 0.5:
            field = replace(field, value=self._words(1, rng))
        if rng.random() < 0.15:
            field = replace(field, at=_moved(field.at, rng, 0.8))
        if rng.random() < 0.05:
            field = replace(field, style=_restyled(field.style, rng))
        return field

    def _value(self, prefix: str, value: str, power: bool, rng: random.Random) -> str:
        if power:
            return self._pick(self._material.power, rng)
        if prefix in QUANTITIES and rng.random() < 0.5:
            return quantity(prefix, rng)
        return self._pick(self._material.values.get(prefix, ()), rng) or value

    def _pins(self, symbol: LibSymbol, rng: random.Random) -> LibSymbol:
        """The symbol with other names and numbers at its pins."""
        units = tuple(
            replace(
                unit,
                pins=tuple(
                    replace(pin, name=self._pick(self._material.pins, rng))
                    if pin.name not in ("", "~") and rng.random() < _PIN
                    else pin
                    for pin in unit.pins
                ),
            )
            for unit in symbol.units
        )
        return replace(symbol, units=units)

    def _renamed(self, text: str, names: dict[str, str], rng: random.Random) -> str:
        if text not in names:
            names[text] = self._pick(self._material.labels, rng) if rng.random() < _LABEL else text
        return names[text]

    def _label(self, label: Label, names: dict[str, str], rng: random.Random) -> Label:
        return replace(label, text=self._renamed(label.text, names, rng))

    def _box(self, box: SheetBox, names: dict[str, str], rng: random.Random) -> SheetBox:
        pins = tuple(replace(pin, name=self._renamed(pin.name, names, rng)) for pin in box.pins)
        properties = tuple(replace(p, value=self._words(1, rng)) for p in box.properties)
        return replace(box, pins=pins, properties=properties)

    def _graphic(self, item: Graphic, rng: random.Random) -> Graphic:
        if not isinstance(item, Text | TextBox):
            return item
        text = "\n".join(
            " ".join(
                self._pick(self._material.words, rng) if rng.random() < _WORD else word
                for word in line.split(" ")
            )
            for line in item.text.split("\n")
        )
        return replace(item, text=text)


def pins_of(symbol: LibSymbol) -> int:
    return sum(len(unit.pins) for unit in symbol.units)


def _renumbered(reference: str, prefix: str, numbers: dict[str, dict[str, str]], rng: random.Random) -> str:
    """The reference with another number; the units of one part keep one."""
    if prefix == reference:
        return reference
    known = numbers.setdefault(prefix, {})
    if reference not in known:
        known[reference] = prefix + str(rng.randrange(rng.choice((20, 100, 100, 1000))))
    return known[reference]


def _moved(at: Point, rng: random.Random, far: float) -> Point:
    return (at[0] + rng.uniform(-far, far), at[1] + rng.uniform(-far, far))


def _restyled(style: TextStyle, rng: random.Random) -> TextStyle:
    return replace(
        style,
        size=style.size * rng.uniform(0.85, 1.4),
        bold=rng.random() < 0.3,
        italic=rng.random() < 0.3,
    )

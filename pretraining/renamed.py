"""Rows to tune on: real sheets whose parts and texts have other names, drawn anew.

``python -m pretraining.renamed --rows FOLDER --out FILE.parquet --copies 6``

What a sheet says of itself stays true: a part that is called as the value beside it says is still called so
after both have changed, and one that its drawing tells is called as another drawing is when it gets that one.
So names can be read off the picture, and not learned by heart of the places where parts stand. A copy's
layout is turned or mirrored by lot, and some pictures are worn.
"""

from __future__ import annotations

import argparse
import logging
import random
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pretraining.kinds import kind_of
from pretraining.material import Material, gather, prefix_of, read_rows
from pretraining.remix import Remixer, pins_of
from pretraining.spellings import QUANTITIES, letters
from pretraining.turned import LAYOUTS, turned
from pretraining.worn import worn
from schematic_reader.cli import UserError, run
from schematic_reader.importing.kicad_rows import raw_row
from schematic_reader.io.parallel import cores, ordered_map
from schematic_reader.io.tables import RAW, write_rows
from schematic_reader.kicad.model import LibSymbol, PlacedSymbol, Property, Sheet
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.kicad.writer import write_sheet

LOG = logging.getLogger("pretraining")
_RENAMED = 0.7  # share of the parts that can be renamed
_FROM_OTHERS = 0.6  # share of new names that stand on other sheets; the rest are variations of the old one
_REDRAWN = 0.4  # share of the library symbols that get another drawing, and its name, where that tells them
_TOLD = 0.7  # share of the values that say something of their own, as a connector's, which change
_LABELLED = 0.2  # share of the values that only say the symbol's name, where the drawing tells it
_RELETTERED = 0.15  # share of the prefixes of references on a sheet
_SUFFIXED = 0.05  # share of the sheets whose references end with the same letter, or number after a dash
_UNANNOTATED = 0.06  # share of the sheets whose references have no numbers yet: "C?"
_UPRIGHT = 0.1  # share of shown references and values that are turned to run upward
_WORN = 0.3  # share of the pictures
_SHORT, _LONGER = 6, 3  # letters with room everywhere, and those that a new quantity may have more
_DRAWS = 5  # until a quantity fits
_SHORTEST = 3  # characters that a name and a value must share to belong together
_NAME = re.compile(r"[A-Za-z0-9_.+-]{3,24}")
_GROUND = re.compile(r"(?i)gnd|vss|earth|pwr_flag|mountinghole")
# Kinds that are drawn as a box or as many parts are, so that only the text tells which part it is.
_TOLD_BY_TEXT = re.compile(
    r"chip|amplifier|other .*|relay|oscillator box|plug box|transformer|.*transistor|.*mosfet"
)
_SUPPLIES = ("supply arrow", "supply bar")


class Renamer(Remixer):
    """Makes new sheets of real ones in which names and printed values still belong together."""

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        self._supplies = [
            name for name in material.power if _NAME.fullmatch(name) and not _GROUND.search(name)
        ]
        self._parts = {
            prefix: [value for value in values if _NAME.fullmatch(value) and re.search(r"\d", value)]
            for prefix, values in material.values.items()
        }
        self._drawings: dict[tuple[str, int], list[LibSymbol]] = {}  # by prefix and number of pins
        for prefix, symbols in material.symbols.items():
            for symbol in symbols:
                if _is_told_by_drawing(symbol, prefix):
                    self._drawings.setdefault((prefix, pins_of(symbol)), []).append(symbol)

    def __call__(self, sheet: Sheet, rng: random.Random) -> Sheet:
        sheet = self._redrawn(sheet, rng)
        sheet = self._values_told(self._parts_renamed(sheet, rng), rng)
        sheet = self._relettered(super().__call__(sheet, rng), rng)
        return replace(sheet, lib_symbols=dict(sorted(sheet.lib_symbols.items())))

    def _parts_renamed(self, sheet: Sheet, rng: random.Random) -> Sheet:
        """The sheet with other names of library symbols, and of the values that say them."""
        users = _users(sheet)
        library, renamed = dict(sheet.lib_symbols), {}
        for key, symbol in sheet.lib_symbols.items():
            own = users.get(key, [])
            if not own or any(p.lib_name for p in own) or rng.random() > _RENAMED:
                continue
            old = _shared_name(symbol, own)
            new = self._new_name(symbol, own, old, rng) if old else ""
            lib_id = symbol.lib_id.replace(old, new) if new else ""
            if not new or lib_id in library:
                continue
            library[lib_id] = replace(library.pop(key), lib_id=lib_id)
            renamed[key] = (lib_id, old, new)
        symbols = tuple(
            _renamed(p, *renamed[p.library_key]) if p.library_key in renamed else p for p in sheet.symbols
        )
        return replace(sheet, lib_symbols=library, symbols=symbols)

    def _values_told(self, sheet: Sheet, rng: random.Random) -> Sheet:
        """The sheet with other values of parts that have no quantity and do not say their symbol's name.

        Parts that had the same value still have the same.
        """
        told: dict[tuple[str, str], str] = {}

        def changed(placed: PlacedSymbol) -> PlacedSymbol:
            symbol, prefix = sheet.lib_symbols.get(placed.library_key), prefix_of(placed.reference)
            if symbol is None or symbol.power or prefix in QUANTITIES or not placed.value:
                return placed
            key = (prefix, placed.value)
            if key not in told:
                named = bool(_shared_name(symbol, [placed]))
                share = _LABELLED * _is_told_by_drawing(symbol, prefix) if named else _TOLD
                told[key] = self._told(prefix, rng) if rng.random() < share else placed.value
            return _with_field(replace(placed, instance_value=""), "Value", told[key])

        return replace(sheet, symbols=tuple(map(changed, sheet.symbols)))

    def _told(self, prefix: str, rng: random.Random) -> str:
        """A value that says what a part is for, or which it is."""
        if rng.random() < _FROM_OTHERS:
            return self._pick(self._material.values.get(prefix, ()), rng)
        return self._words(3, rng)

    def _relettered(self, sheet: Sheet, rng: random.Random) -> Sheet:
        """The sheet with other prefixes of some references; some sheets with "?" for numbers, or a suffix."""
        prefixes = sorted({prefix_of(placed.reference) for placed in sheet.symbols})
        usual = [prefix for prefix in self._material.values if prefix.isalpha() and prefix not in QUANTITIES]
        new: dict[str, str] = {}
        for prefix in prefixes:
            other = letters(usual, rng)
            if prefix.isalpha() and rng.random() < _RELETTERED and other not in {*prefixes, *new.values()}:
                new[prefix] = other
        suffix = ""
        if rng.random() < _SUFFIXED:
            suffix = rng.choice(string.ascii_uppercase) if rng.random() < 0.5 else f"_{rng.randrange(1, 9)}"
        unannotated = rng.random() < _UNANNOTATED

        def changed(placed: PlacedSymbol) -> PlacedSymbol:
            prefix = prefix_of(placed.reference)
            number = placed.reference[len(prefix) :]
            if not prefix.isalpha() or not number:
                return placed
            if unannotated:
                number = "?"
            elif number.isdigit():
                number += suffix
            return _with_field(placed, "Reference", new.get(prefix, prefix) + number)

        return replace(sheet, symbols=tuple(map(changed, sheet.symbols)))

    def _redrawn(self, sheet: Sheet, rng: random.Random) -> Sheet:
        """The sheet with other library symbols, drawing and name, for parts that only the drawing tells."""
        library, drawn = dict(sheet.lib_symbols), {}
        for key, users in _users(sheet).items():
            symbol, prefix = library.get(key), prefix_of(users[0].reference)
            if symbol is None or rng.random() > _REDRAWN or not _is_told_by_drawing(symbol, prefix):
                continue
            pool = self._drawings.get((prefix, pins_of(symbol)), ())
            if not pool or any(placed.lib_name or placed.value == symbol.name for placed in users):
                continue
            new = rng.choice(pool)
            library.pop(key)
            library.setdefault(new.lib_id, new)  # one of that name that is there stays as it is
            drawn[key] = new.lib_id
        symbols = (
            replace(placed, lib_id=drawn[placed.library_key], style=1)
            if placed.library_key in drawn
            else placed
            for placed in sheet.symbols
        )
        return replace(sheet, lib_symbols=library, symbols=tuple(symbols))

    def _field(self, field: Property, changed: dict[str, str], rng: random.Random) -> Property:
        field = super()._field(field, changed, rng)
        if field.key in changed and not field.hidden and rng.random() < _UPRIGHT:
            field = replace(field, angle=90.0)
        return field

    def _new_name(
        self, symbol: LibSymbol, users: Sequence[PlacedSymbol], old: str, rng: random.Random
    ) -> str:
        """Another name for a part that only its text tells, or ""."""
        prefix = prefix_of(users[0].reference)
        kind = kind_of(symbol, prefix)
        pool: Sequence[str] = ()
        if symbol.power:
            if kind not in _SUPPLIES or _GROUND.search(old):
                return ""
            pool = self._supplies
        elif not _TOLD_BY_TEXT.fullmatch(kind):
            return ""
        else:
            pool = self._parts.get(prefix, ())
        return rng.choice(pool) if pool and rng.random() < _FROM_OTHERS else _varied(old, rng)

    def _value(self, prefix: str, value: str, power: bool, rng: random.Random) -> str:
        """A quantity changes to one that has room; a name has been changed with its symbol, or must stay."""
        if power or prefix not in QUANTITIES:
            return value
        drawn = [super()._value(prefix, value, power, rng)]
        while len(drawn[-1]) > max(_SHORT, len(value) + _LONGER) and len(drawn) < _DRAWS:
            drawn.append(super()._value(prefix, value, power, rng))
        return min(drawn, key=len)

    def _drawing(self, prefix: str, rng: random.Random) -> None:
        """None: another drawing would not be that of the part's name."""


def _users(sheet: Sheet) -> dict[str, list[PlacedSymbol]]:
    """The placed symbols by the key of their library symbol."""
    users: dict[str, list[PlacedSymbol]] = {}
    for placed in sheet.symbols:
        users.setdefault(placed.library_key, []).append(placed)
    return users


def _is_told_by_drawing(symbol: LibSymbol, prefix: str) -> bool:
    """Whether a part's drawing tells what it is, as a resistor's; not of one in several units."""
    several = any(unit.unit > 1 for unit in symbol.units)
    return not symbol.power and not several and not _TOLD_BY_TEXT.fullmatch(kind_of(symbol, prefix))


def _shared_name(symbol: LibSymbol, users: Sequence[PlacedSymbol]) -> str:
    """The part of the symbol's name that the value of each user says, or ""."""
    values = {placed.value for placed in users}
    if len(values) != 1:
        return ""
    (value,) = values
    short, long = sorted((value, symbol.name), key=len)
    return short if len(short) >= _SHORTEST and long.startswith(short) else ""


def _renamed(placed: PlacedSymbol, lib_id: str, old: str, new: str) -> PlacedSymbol:
    value = next((field.value for field in placed.properties if field.key == "Value"), "")
    placed = replace(placed, lib_id=lib_id, instance_value="")
    return _with_field(placed, "Value", value.replace(old, new, 1))


def _with_field(placed: PlacedSymbol, key: str, text: str) -> PlacedSymbol:
    fields = (replace(field, value=text) if field.key == key else field for field in placed.properties)
    return replace(placed, properties=tuple(fields))


def _varied(name: str, rng: random.Random) -> str:
    """The name with some of its letters and digits replaced by others."""
    letters = []
    for letter in name:
        for kind in (string.digits, string.ascii_uppercase, string.ascii_lowercase):
            if letter in kind and rng.random() < 0.5:
                letter = rng.choice(kind)
        letters.append(letter)
    return "".join(letters)


@dataclass(frozen=True)
class RowMaker:
    """Makes the row of a numbered copy; it is sent to the processes that draw."""

    renamer: Renamer
    seed: int

    def __call__(self, copy: Copy) -> dict[str, Any]:
        """The row in the raw schema."""
        rng = random.Random(f"{self.seed} {copy.number}")
        made = self.renamer(replace(copy.sheet, uuid=""), rng)
        text = write_sheet(turned(made, rng.randrange(LAYOUTS)))
        sheet = read_sheet(text)  # what cannot be written is not drawn either
        row = raw_row(text, sheet, sheet, f"{copy.number}.png", copy.name)
        if rng.random() < _WORN:
            row["image"]["bytes"] = worn(row["image"]["bytes"], rng)
        return row


@dataclass(frozen=True, slots=True)
class Copy:
    """A sheet to be made anew, of the repository ``name``."""

    number: int
    name: str
    sheet: Sheet


def copies(sheets: Sequence[tuple[str, Sheet]], count: int) -> Iterator[Copy]:
    """Each sheet ``count`` times, all sheets before any comes again."""
    for turn in range(count):
        for place, (name, sheet) in enumerate(sheets):
            yield Copy(turn * len(sheets) + place, name, sheet)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, required=True, help="folder of train-*.parquet with real sheets")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.parquet")
    parser.add_argument("--copies", type=int, default=6, help="of each sheet")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sheets = list(read_rows(args.rows))
    if not sheets:
        raise UserError(f"{args.rows} holds no train-*.parquet with sheets that can be read")
    material = replace(gather(sheets, ()), sheets=(), held_out=())
    maker = RowMaker(Renamer(material), args.seed)
    rows = write_rows(args.out, RAW, ordered_map(maker, copies(sheets, args.copies), workers=cores()))
    LOG.info("%d rows of %d sheets", rows, len(sheets))


if __name__ == "__main__":
    run(main)

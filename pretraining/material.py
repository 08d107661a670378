"""What pictures are drawn from: real sheets and library symbols, read once and kept in one file.

``python -m pretraining.material --rows FOLDER --library FOLDER --out material.pickle.xz``
"""

from __future__ import annotations

import argparse
import gc
import logging
import lzma
import pickle
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from pretraining.libraries import load
from pretraining.plain import Group
from schematic_reader.cli import UserError, run
from schematic_reader.kicad.model import LibSymbol, Sheet, Text, TextBox
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.reader import read_sheet

LOG = logging.getLogger("pretraining")
_HELD_OUT = 10  # one of so many repositories is kept for validation
_MOST_SYMBOLS = 400  # on a sheet
_LONGEST = 40  # characters of a text that other sheets get
# What reading raises of a file that is cut or of another kind, and of classes that have changed since.
_UNREADABLE = (
    lzma.LZMAError,
    EOFError,
    pickle.UnpicklingError,
    ValueError,
    IndexError,
    AttributeError,
    ImportError,
    TypeError,
)


@dataclass(frozen=True)
class Material:
    """Real sheets of repositories to train on, and texts and symbols found on them.

    ``held_out`` are sheets of other repositories. ``values`` are keyed by the prefix of the reference.
    """

    sheets: tuple[Sheet, ...]
    held_out: tuple[Sheet, ...]
    symbols: dict[str, tuple[LibSymbol, ...]]
    values: dict[str, tuple[str, ...]]
    power: tuple[str, ...]
    labels: tuple[str, ...]
    pins: tuple[str, ...]
    words: tuple[str, ...]
    library: tuple[Group, ...]


def prefix_of(reference: str) -> str:
    """The letters of a reference designator."""
    return reference.rstrip("?0123456789")


def gather(sheets: list[tuple[str, Sheet]], library: tuple[Group, ...]) -> Material:
    """Sort sheets, given with their repositories, and collect what stands on those to train on."""
    owners = sorted({name for name, _ in sheets})
    held = {owner for i, owner in enumerate(owners) if i % _HELD_OUT == 3}
    train = [sheet for name, sheet in sheets if name not in held]
    symbols: dict[str, dict[LibSymbol, None]] = {}
    values: dict[str, Counter[str]] = {}
    power, labels, pins, words = (Counter[str]() for _ in range(4))
    for sheet in train:
        for placed in sheet.symbols:
            symbol = sheet.lib_symbols.get(placed.lib_name or placed.lib_id)
            if symbol is None:
                continue
            if symbol.power:
                power[placed.value] += 1
                continue
            prefix = prefix_of(placed.reference)
            values.setdefault(prefix, Counter())[placed.value] += 1
            symbols.setdefault(prefix, {})[symbol] = None
        for symbol in sheet.lib_symbols.values():
            pins.update(pin.name for unit in symbol.units for pin in unit.pins if pin.name not in ("", "~"))
        labels.update(label.text for label in sheet.labels)
        labels.update(pin.name for box in sheet.sheets for pin in box.pins)
        for item in sheet.graphics:
            if isinstance(item, Text | TextBox):
                words.update(re.findall(r"\S+", item.text))
    return Material(
        sheets=tuple(train),
        held_out=tuple(sheet for name, sheet in sheets if name in held),
        symbols={prefix: tuple(found) for prefix, found in symbols.items()},
        values={prefix: tuple(found) for prefix, found in values.items()},
        power=_short(power),
        labels=_short(labels),
        pins=_short(pins),
        words=_short(words),
        library=library,
    )


def without_colors(item: Any) -> Any:
    """The sheet or symbol in the theme's colours alone, without those that single items have of their own.

    A picture in training is one of palette indices, which get their colours later.
    """
    if isinstance(item, tuple):
        return tuple(map(without_colors, item)) if item and not isinstance(item[0], float | str) else item
    if isinstance(item, dict):
        return {key: without_colors(value) for key, value in item.items()}
    if not is_dataclass(item) or isinstance(item, type):
        return item
    changed = {}
    for field in fields(item):
        old = getattr(item, field.name)
        colored = field.name == "color" or field.name.endswith("_color")
        new = None if colored else () if field.name == "junction_colors" else without_colors(old)
        if new is not old and new != old:
            changed[field.name] = new
    return replace(item, **changed) if changed else item


def _short(texts: Iterable[str]) -> tuple[str, ...]:
    """The texts that are no longer than what is printed beside a symbol."""
    return tuple(text for text in texts if text and len(text) < _LONGEST)


def read_rows(folder: Path) -> Iterator[tuple[str, Sheet]]:
    """The sheets of parquet files with the data set's columns; the log counts those that cannot be read.

    Embedded pictures, which have no place in a palette, are left out.
    """
    import pyarrow.parquet as pq  # here, because a machine that trains need not have it

    failed = 0
    for file in sorted(folder.glob("train-*.parquet")):
        table = pq.read_table(file, columns=["name", "schematic"])
        for row in table.to_pylist():
            try:
                sheet = read_sheet(row["schematic"])
            except KicadError:
                failed += 1
                continue
            if 0 < len(sheet.symbols) <= _MOST_SYMBOLS:
                yield row["name"], without_colors(replace(sheet, pictures=()))
    if failed:
        LOG.warning("%d sheets of %s cannot be read", failed, folder)


def write(material: Material, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with lzma.open(part, "wb", preset=6) as file:
        pickle.dump(material, file, protocol=5)
    part.replace(path)


def check_file(path: Path) -> None:
    """Raises UserError where there is no file of material."""
    if not path.is_file():
        raise UserError(f"{path} is missing: make it with python -m pretraining.material")


def read(path: Path) -> Material:
    """What ``write`` wrote; only for files of one's own making, since reading one can run code.

    Raises:
        UserError: there is no such file, or it holds something else.
    """
    check_file(path)
    gc.disable()  # it would look at millions of new objects again and again, none of which is garbage
    try:
        with lzma.open(path, "rb") as file:
            material = pickle.loads(file.read())  # noqa: S301
    except _UNREADABLE:
        material = None
    finally:
        gc.freeze()
        gc.enable()
    if not isinstance(material, Material):
        raise UserError(f"{path} holds no material: make it anew with python -m pretraining.material")
    return material


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, required=True, help="folder of parquet with real sheets")
    parser.add_argument("--library", type=Path, required=True, help="folder of .kicad_sym files")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Pickled classes carry the name of their module, which is not __main__ for those who read them.
    from pretraining import material as module

    sheets = list(read_rows(args.rows))
    if not sheets:
        raise UserError(f"{args.rows} holds no train-*.parquet with sheets that can be read")
    material = module.gather(sheets, load(args.library))
    if not material.held_out:
        raise UserError(f"{args.rows} has sheets of less than four repositories: none can be held out")
    write(material, args.out)
    LOG.info("%d sheets, %d held out", len(material.sheets), len(material.held_out))


if __name__ == "__main__":
    run(main)

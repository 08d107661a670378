"""One task's answer as the answer to another: a structured one tells what any other asks for."""

from __future__ import annotations

from collections.abc import Sequence

from schematic_reader.cli import UserError
from schematic_reader.kicad.bom import ListedSymbol
from schematic_reader.predict.parts import Part
from schematic_reader.scoring.symbol_confidence import name_confidences
from schematic_reader.tasks.contract import EMPTY, Task
from schematic_reader.tasks.description import DescriptionTask
from schematic_reader.tasks.untrusted import unfenced


def check_conversion(asked: Task, shown: Task, reader: str) -> None:
    """Refuse to show answers to a task that those to the task ``asked`` do not tell.

    Raises:
        UserError: one line with the name of the reader.
    """
    if asked is not shown and not isinstance(asked, DescriptionTask):
        raise UserError(
            f"{reader} was trained for the task {asked.name}, whose answers are names alone, without what "
            f"{shown.name} asks for: name by --adapter one that was trained for json, yaml or schematic"
        )


def converted(answer: str, asked: DescriptionTask, shown: Task) -> str:
    """What an answer says, in the compact form of the task ``shown``; empty where it is not valid.

    Of an answer that was cut off it is what stands before the cut.
    """
    found = asked.description(answer) or asked.description(asked.closed(unfenced(answer)))
    if found is None:
        return ""
    if isinstance(shown, DescriptionTask):
        return shown.write(found) if found.items() else EMPTY[shown.name]
    return shown.target({"components": list(named_parts(asked.symbols(answer)))}, form="compact") or ""


def named_parts(symbols: Sequence[ListedSymbol]) -> dict[str, Part]:
    """The library symbols by name, each once with the highest confidence of its placed ones."""
    highest = name_confidences(symbols)
    return {symbol.name: Part(symbol.name, highest.get(symbol.name)) for symbol in symbols if symbol.name}

"""The sheets of a KiCad project as pictures, each as one use has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from schematic_reader.cli import UserError
from schematic_reader.predict.kicad_file import KicadTexts
from schematic_reader.predict.opened_sheet import OpenedSheet, SheetLimits, open_sheets


def drawn_sheets(texts: KicadTexts, limits: SheetLimits) -> Iterator[OpenedSheet | UserError]:
    """Each sheet in its order, or why it cannot be drawn, in a line that names it."""
    for origin, text in texts.sheets:
        try:
            (sheet,) = open_sheets(str(origin), text.encode(), limits, texts.variables)
        except UserError as error:
            yield error
        else:
            yield replace(sheet, origin=origin)


def project_pictures(texts: KicadTexts, limits: SheetLimits) -> tuple[list[OpenedSheet], list[str]]:
    """The pictures for the model to be asked about, and in a line each what is not among them or small.

    Raises:
        UserError: the root sheet cannot be drawn.
    """
    drawn: list[OpenedSheet] = []
    notes = list(texts.notes)
    for sheet in drawn_sheets(texts, limits):
        if isinstance(sheet, OpenedSheet):
            drawn.append(sheet)
            notes += sheet.notes
        elif drawn:
            notes.append(str(sheet))
        else:
            raise sheet
    return drawn, notes

"""Read the files of a command line in batches; the model is loaded once a sheet is open."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from schematic_reader.cli import UserError
from schematic_reader.predict.input_files import named_files, read_file
from schematic_reader.predict.opened_sheet import OpenedSheet, SheetLimits, open_sheets
from schematic_reader.predict.parts import Reading
from schematic_reader.predict.sheet_reader import SheetReader

log = logging.getLogger(__name__)


def read_files(
    arguments: Sequence[str], limits: SheetLimits, load: Callable[[], SheetReader], *, batch_size: int
) -> tuple[list[Reading], int]:
    """The readings of all sheets of ``arguments``, and the number of files that could not be read.

    The model is loaded when the first sheet is open, so that bad files are reported at once.
    """
    readings: list[Reading] = []
    waiting: list[OpenedSheet] = []
    failed, reader = 0, None
    for found in chain(opened(arguments, limits), [None]):
        if isinstance(found, UserError):
            print(f"error: {found}", file=sys.stderr)
            failed += 1
        elif found:
            for note in chain.from_iterable(sheet.notes for sheet in found):
                log.warning("%s", note)
            waiting += found
        while len(waiting) >= batch_size or (found is None and waiting):
            reader = reader or load()
            start = time.perf_counter()
            batch, waiting = waiting[:batch_size], waiting[batch_size:]
            readings += reader.read(batch)
            log.info("%d read, %.1f s a sheet", len(batch), (time.perf_counter() - start) / len(batch))
    for reading in readings:
        if reading.empty:
            log.warning("%s: nothing was read: the answer names no part", reading.origin)
        if reading.cut:
            log.warning("%s: answer truncated at evaluate.max_new_tokens, may be incomplete", reading.origin)
    return readings, failed


def opened(arguments: Sequence[str], limits: SheetLimits) -> Iterator[list[OpenedSheet] | UserError]:
    """The sheets of each file, or what is wrong with it."""
    for name in named_files(arguments):
        if isinstance(name, UserError):
            yield name
            continue
        try:
            yield open_sheets(*read_file(name), limits)
        except UserError as error:
            yield error

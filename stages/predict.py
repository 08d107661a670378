"""``python -m stages.predict SHEET...`` or ``schematic-reader SHEET...``: read sheets and print their parts.

A sheet is a PNG, JPEG, WebP, GIF, BMP, TIFF, SVG or PDF (every page of a TIFF or PDF is one), a folder of
them, or - for standard input. A .kicad_sch is read as it is, with its sub-sheets, and so is the root sheet of
a .kicad_pro; with --ask it is drawn and the model is asked. That is the reader that ships, or another by
--adapter, with the prompt and the picture size of its training. Prints the list of parts as CSV (or JSON, or
a table); for the tasks yaml, json and schematic, the answer itself. --format bom prints the bill of materials
as CSV, grouped as KiCad does, and --format kicad every symbol, for a script to place. A file that cannot be
read is one line on stderr, and the exit status is their number (at most 125). With --serve, a local page does
the same for sheets that are dropped on it.
"""

from __future__ import annotations

import argparse
import logging
import sys
from functools import partial
from pathlib import Path
from typing import get_args

from schematic_reader.cli import UserError, run, say
from schematic_reader.config import TaskName, load_params
from schematic_reader.predict.batches import read_files
from schematic_reader.predict.bom import bom_notes
from schematic_reader.predict.home import PARAMS, find_home
from schematic_reader.predict.kicad_file import read_kicad
from schematic_reader.predict.loading import load_reader
from schematic_reader.predict.model_source import OWN, SHIPPED, find_model, followed, settings_of
from schematic_reader.predict.opened_sheet import SheetLimits, render_scale
from schematic_reader.predict.output import formatted
from schematic_reader.predict.sheet_reader import SheetReader
from schematic_reader.tasks import task as task_named

MAX_EXIT_STATUS = 125  # shells reserve greater ones
COMMAND = "schematic-reader"
TASK_HELP = "what to print; if not given, components, with --adapter the task that it was trained for"
FORMATS = ("csv", "json", "table", "bom", "kicad")
log = logging.getLogger(__name__)


def main() -> None:
    """Read the sheets of the command line, or serve the page."""
    parser = command_line()
    args = parser.parse_args()
    if bool(args.sheets) == args.serve:
        parser.error("name a sheet, or --serve" if args.sheets == [] else "--serve takes no sheets")
    home = find_home(Path())
    settings = settings_of(args.adapter, home)
    params = followed(settings, load_params(home / PARAMS))
    in_columns = args.format in ("csv", "table")
    lists = settings is not None and (args.adapter is None or in_columns)
    task = args.task or ("components" if lists else params.task)
    if task != "components" and in_columns:
        raise UserError(f"an answer to the task {task} has no columns: leave --format out, or --format bom")

    def load() -> SheetReader:
        return load_reader(find_model(args.adapter, params, home), task, params)

    limits = SheetLimits(params.active.image, params.clean.max_pixels, render_scale(params, settings))
    kicad = None if args.ask else partial(read_kicad, task=task_named(task), form=params.messages.form)
    if args.serve:
        from schematic_reader.predict.server import serve

        serve(load, limits, host=args.host, port=args.port, kicad=kicad)
        return
    readings, failed, reader = read_files(args.sheets, limits, load, kicad=kicad)
    for note in bom_notes(readings) if args.format == "bom" else ():
        log.warning("%s", note)
    if readings:
        calibrated = reader is None or reader.calibrated
        utf8 = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
        say(formatted(readings, args.format, task, calibrated=calibrated, utf8=utf8), end="")
    sys.exit(min(failed, MAX_EXIT_STATUS))


def command_line() -> argparse.ArgumentParser:
    """The options; ``--help`` needs neither a model nor torch."""
    formatter = argparse.RawDescriptionHelpFormatter
    name = Path(sys.argv[0]).stem
    program = name if name == COMMAND else "python -m stages.predict"
    parser = argparse.ArgumentParser(program, description=__doc__, formatter_class=formatter)
    parser.add_argument("sheets", nargs="*", metavar="SHEET", help="a file, a folder, or -")
    parser.add_argument("--task", choices=get_args(TaskName), help=TASK_HELP)
    parser.add_argument("--format", choices=FORMATS, help="csv if not given")
    parser.add_argument("--ask", action="store_true", help="draw KiCad files and ask the model")
    parser.add_argument("--adapter", metavar="PATH_OR_ID", help=f"{SHIPPED} if not given; {OWN}: your own")
    parser.add_argument("--serve", action="store_true", help="a page to drop sheets on, until Ctrl-C")
    parser.add_argument("--host", default="127.0.0.1", help="address of the page; this machine alone sees it")
    parser.add_argument("--port", type=int, default=8000, help="of the page; 0: any that is free")
    return parser


def command() -> None:
    """Run as the script that pip installs."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    run(main)


if __name__ == "__main__":
    command()

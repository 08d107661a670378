"""``python -m stages.import_folder FOLDER --out own.parquet``: own sheets in the data set's columns.

FOLDER holds KiCad projects (.kicad_pro, .kicad_sch of KiCad 6 to 10): every sheet is drawn as often as it is
used, with the references of each use, and its components, JSON and YAML come from its text. Or it holds
pictures (PNG, JPEG, WebP, GIF, BMP, TIFF) with a list beside each, of the same name: .txt with one part a
line, or .csv, such as KiCad's bill of materials. Each folder in FOLDER is a project, which splits keep
together; a single .kicad_pro or root sheet goes too. A line on stderr names each file left out.

``profiles.X.data.source=local`` reads the result, ``path`` being its folder.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from schematic_reader.cli import run, say
from schematic_reader.importing.folder import import_folder


def main() -> None:
    """Import the folder of the command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m stages.import_folder", description=__doc__, formatter_class=formatter
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="with projects or pictures, or one project"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.parquet", help="made or replaced")
    arguments = parser.parse_args()
    summary = import_folder(arguments.folder, arguments.out)
    say(
        f"{arguments.out}: {summary.projects.total()} rows of {len(summary.projects)} projects; "
        f"{summary.left_out} files left out"
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    run(main)

"""Load a ``.kicad_sch`` file with what it takes from the project file beside it."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path

from schematic_reader.kicad.model import ALIASES_IN_PROJECT, Sheet
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_file import project_beside, read_project, with_project
from schematic_reader.kicad.reader import read_sheet

LOG = logging.getLogger(__name__)

# A bus group with one member, ``A{I2C}``, which is of use only where that is an alias; no markup.
_LONE_MEMBER = re.compile(r"(?![~_^]\{)(?:[^{}]*[^{}~_^])?\{[^ ,\[\]{}]+\}")


def load_sheet(path: Path) -> Sheet:
    """Read a sheet; its text variables and, from KiCad 10 on, bus aliases come from its project file.

    A project file that cannot be read, and bus labels that may need a missing one, are named in the log.

    Raises:
        KicadError: the file is no KiCad 6 to 10 sheet.
        UnicodeDecodeError: it is not UTF-8.
    """
    sheet = replace(read_sheet(path.read_text(encoding="utf-8-sig")), file_name=path.name)
    project = project_beside(path)
    if project is not None:
        try:
            return with_project(sheet, read_project(project.read_text(encoding="utf-8-sig")))
        except (KicadError, UnicodeDecodeError) as error:
            LOG.warning("%s is passed over: %s", project.name, error)
    groups = [label.text for label in sheet.labels if _LONE_MEMBER.fullmatch(label.text)]
    if sheet.version >= ALIASES_IN_PROJECT and groups:
        LOG.warning(
            "%s: no project file beside it defines what the bus label %s may name", path.name, groups[0][:80]
        )
    return sheet

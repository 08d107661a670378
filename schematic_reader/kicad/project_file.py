"""What a sheet takes from the project file beside it: text variables and, from KiCad 10 on, bus aliases."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from schematic_reader.kicad.model import ALIASES_IN_PROJECT, Sheet
from schematic_reader.kicad.nodes import KicadError

_MAX_CHARS = 20_000_000

_HALF_PAIR = re.compile("[\ud800-\udfff]")

# A bus group with one member, ``A{I2C}``, which is of use only where that is an alias; no markup.
_LONE_MEMBER = re.compile(r"(?![~_^]\{)(?:[^{}]*[^{}~_^])?\{[^ ,\[\]{}]+\}")


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """What a sheet shows or connects by: text variables with their values, bus aliases with their members.

    ``root_sheets`` are the files that it lists as such (KiCad 10).
    """

    text_variables: tuple[tuple[str, str], ...] = ()
    bus_aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    root_sheets: tuple[str, ...] = ()


def read_project(text: str) -> ProjectFile:
    """Read the text of a ``.kicad_pro`` file. Raises KicadError; entries of another kind are passed over.

    U+FFFD stands in the place of half a surrogate pair, which JSON can escape and no text file can hold.
    """
    if len(text) > _MAX_CHARS:
        raise KicadError(f"the project file has {len(text)} characters; at most {_MAX_CHARS} are read")
    try:
        root = json.loads(text)
    except (ValueError, RecursionError):
        raise KicadError("not a KiCad 6 to 10 project file: no JSON") from None
    if not isinstance(root, dict):
        raise KicadError("not a KiCad 6 to 10 project file: no mapping")
    schematic = root.get("schematic")
    variables = root.get("text_variables")
    aliases = schematic.get("bus_aliases") if isinstance(schematic, dict) else None
    return ProjectFile(
        text_variables=tuple(
            (_whole(name), _whole(value))
            for name, value in (variables if isinstance(variables, dict) else {}).items()
            if isinstance(value, str)
        ),
        bus_aliases=tuple(
            (_whole(name), tuple(_whole(member) for member in members if isinstance(member, str)))
            for name, members in (aliases if isinstance(aliases, dict) else {}).items()
            if isinstance(members, list)
        ),
        root_sheets=tuple(map(_whole, listed_root_sheets(root))),
    )


def listed_root_sheets(document: object) -> list[str]:
    """The files of the root sheets that a project file lists, of which ``document`` is the JSON."""
    schematic = document.get("schematic") if isinstance(document, dict) else None
    listed = schematic.get("top_level_sheets") if isinstance(schematic, dict) else None
    return [
        sheet["filename"]
        for sheet in (listed if isinstance(listed, list) else [])
        if isinstance(sheet, dict) and isinstance(sheet.get("filename"), str)
    ]


def _whole(text: str) -> str:
    return _HALF_PAIR.sub("\ufffd", text)


def with_project(sheet: Sheet, project: ProjectFile) -> Sheet:
    """The sheet with its project's text variables, and its bus aliases where its format keeps them there."""
    aliases = project.bus_aliases if sheet.version >= ALIASES_IN_PROJECT else ()
    return replace(
        sheet,
        text_variables=project.text_variables,
        bus_aliases=(*sheet.bus_aliases, *aliases),
    )


def label_of_missing_alias(sheet: Sheet) -> str | None:
    """A bus label of a sheet without a project file that may name an alias which only that would define."""
    if sheet.version < ALIASES_IN_PROJECT:
        return None
    return next((label.text for label in sheet.labels if _LONE_MEMBER.fullmatch(label.text)), None)

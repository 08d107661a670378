"""Read KiCad files as they are, without a model: parts, references and values, through all sub-sheets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from schematic_reader.cli import UserError
from schematic_reader.kicad.bom import listed_symbols, natural
from schematic_reader.kicad.hierarchy import FindFile, Hierarchy, UsedSheet, follow_sheets
from schematic_reader.kicad.kiutils import to_json, to_mapping, to_yaml
from schematic_reader.kicad.model import PlacedSymbol, Sheet
from schematic_reader.kicad.nets.project_nets import project_nets
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_file import ProjectFile, label_of_missing_alias, read_project
from schematic_reader.kicad.project_folder import project_text, sheet_text, spelled_alike
from schematic_reader.kicad.sheet_use import text_of_use
from schematic_reader.predict.opened_sheet import SheetOrigin
from schematic_reader.predict.parts import Part, Reading
from schematic_reader.tasks.contract import Form, Task
from schematic_reader.tasks.description import DescriptionTask, from_mapping

_MAX_NAMED = 12  # references in a line

ReadBytes = Callable[[str], bytes | None]
"""A file of the project by its path from the root sheet's folder; None where there is none."""


@dataclass(frozen=True)
class KicadTexts:
    """The sheets of a project as texts, each as one use has it, and in a line each what is not followed.

    ``variables`` are the project's text variables, with their values.
    """

    sheets: list[tuple[SheetOrigin, str]]
    variables: tuple[tuple[str, str], ...]
    notes: list[str]


@dataclass(frozen=True)
class KicadReading:
    """The readings of a root sheet and its sub-sheets, and in a line each what is not in them.

    ``texts`` makes the texts of the same sheets for a renderer, without reading them again.
    """

    readings: list[Reading]
    notes: list[str]
    texts: Callable[[], KicadTexts]


def read_kicad(
    name: str,
    read: ReadBytes,
    *,
    project: str | None,
    task: Task,
    form: Form,
    find: FindFile = str,
) -> KicadReading:
    """Read the sheet ``name`` and its sub-sheets, each as often as it is used.

    Args:
        name: the file of the root sheet in its folder.
        read: reads the files of that folder.
        task: what is answered, in the layout of ``form``.
        project: the file of the project, with text variables and bus aliases; None where there is none.
        find: finds the files of that folder by the names in sheet boxes.

    Raises:
        UserError: it is no sheet of KiCad 6 to 10; one line that does not name the file.
    """
    notes: list[str] = []
    defined = _project(project, read, notes)
    found, texts = _followed(name, read, find, defined)
    origins = _origins(found, project, defined)
    readings = [
        _reading(origin, used, texts[used.file], task, form)
        for origin, used in zip(origins, found.sheets, strict=True)
    ]
    readings[0] = replace(readings[0], nets=tuple(project_nets(found.sheets)))
    notes += found.unread
    for used in found.sheets:
        notes += _assembly_notes(used)
        if defined is None and (label := label_of_missing_alias(used.sheet)):
            notes.append(
                f"{used.name}: no project file beside it defines what the bus label {label[:80]} may name"
            )
    lines = [f"{name}: {note}" for note in notes]
    return KicadReading(readings, lines, partial(_texts, found, texts, origins, defined, lines))


class ReadKicad(Protocol):
    """``read_kicad`` with the task and the form of the answer."""

    def __call__(
        self, name: str, read: ReadBytes, *, project: str | None, find: FindFile
    ) -> KicadReading: ...


def kicad_texts(name: str, read: ReadBytes, *, project: str | None, find: FindFile = str) -> KicadTexts:
    """The texts of the sheet ``name`` and its sub-sheets, each as often as it is used, for a renderer.

    Args, Raises: see ``read_kicad``.
    """
    notes: list[str] = []
    defined = _project(project, read, notes)
    found, texts = _followed(name, read, find, defined)
    lines = [f"{name}: {note}" for note in notes + found.unread]
    return _texts(found, texts, _origins(found, project, defined), defined, lines)


def _origins(found: Hierarchy, project: str | None, defined: ProjectFile | None) -> list[SheetOrigin]:
    """Where the sheets come from; their project where its file lists the root among several."""
    roots = defined.root_sheets if defined else ()
    of = project if project and len(roots) > 1 and spelled_alike(found.sheets[0].file, roots) else ""
    return [SheetOrigin(used.file, sheet=used.name, project=of) for used in found.sheets]


def _texts(
    found: Hierarchy,
    texts: dict[str, str],
    origins: list[SheetOrigin],
    project: ProjectFile | None,
    notes: list[str],
) -> KicadTexts:
    sheets = [
        (origin, text_of_use(texts[used.file], used.use))
        for origin, used in zip(origins, found.sheets, strict=True)
    ]
    return KicadTexts(sheets, project.text_variables if project else (), notes)


def _followed(
    name: str, read: ReadBytes, find: FindFile, project: ProjectFile | None
) -> tuple[Hierarchy, dict[str, str]]:
    """The sheets of a project, and the texts of their files. Raises UserError, as ``read_kicad``."""
    texts: dict[str, str] = {}

    def text(file: str) -> str | None:
        data = read(file) if file not in texts else None
        if data is not None:
            texts[file] = sheet_text(data)
        return texts.get(file)

    try:
        return follow_sheets(name, text, project or ProjectFile(), find), texts
    except KicadError as error:
        raise UserError(str(error)) from None


def _project(file: str | None, read: ReadBytes, notes: list[str]) -> ProjectFile | None:
    """What the project file defines; None where there is none that can be read."""
    data = read(file) if file else None
    if data is None:
        return None
    try:
        return read_project(project_text(data))
    except KicadError as error:
        notes.append(f"{file} is passed over: {error}")
        return None


def _reading(origin: SheetOrigin, used: UsedSheet, text: str, task: Task, form: Form) -> Reading:
    parts = sheet_parts(used.sheet)
    answer = ", ".join(part.name for part in parts)
    if isinstance(task, DescriptionTask):
        parts, answer = (), _answer(used.sheet, text, task, form)
    symbols = listed_symbols(used.sheet)
    return Reading(
        origin,
        answer,
        parts,
        cut=False,
        from_file=True,
        symbols=symbols,
        sub_sheets=tuple(box.name for box in used.sheet.sheets),
    )


def sheet_parts(sheet: Sheet) -> tuple[Part, ...]:
    """Each component that is placed, named as in the data set, with its references and values.

    They come in the order of ``lib_symbols``; symbols that are missing there come last.
    """
    named: dict[str, dict[tuple[str, str], None]] = {name: {} for name in sheet.component_names}
    for symbol in sheet.symbols:
        placed = named.setdefault(_component(sheet, symbol), {})
        if not symbol.reference.startswith("#"):  # KiCad's hidden references of power symbols
            placed[symbol.reference, symbol.value] = None  # once for all units
    return tuple(
        Part(name, 1.0, tuple(sorted(placed, key=lambda one: natural(one[0]))))
        for name, placed in named.items()
    )


def _component(sheet: Sheet, symbol: PlacedSymbol) -> str:
    library = sheet.lib_symbols.get(symbol.library_key)
    return library.name if library else symbol.lib_id.split(":", 1)[-1]


def _answer(sheet: Sheet, text: str, task: DescriptionTask, form: Form) -> str:
    """The answer to a structured task."""
    if form == "verbatim":
        return {"json": to_json, "yaml": to_yaml}.get(task.name, lambda _: text.strip())(sheet)
    return task.write(from_mapping(to_mapping(sheet)).in_reading_order())


def _assembly_notes(used: UsedSheet) -> Iterable[str]:
    """What the list of parts does not follow: who is not populated, who is not to be listed, variants."""
    parts = [symbol for symbol in used.sheet.symbols if not symbol.reference.startswith("#")]
    for said, left_out in (
        ("do not populate", {symbol.reference for symbol in parts if symbol.dnp}),
        ("not in the bill of materials:", {symbol.reference for symbol in parts if not symbol.in_bom}),
    ):
        if left_out:
            references = sorted(left_out, key=natural)
            more = f" and {len(references) - _MAX_NAMED} more" if len(references) > _MAX_NAMED else ""
            named = f"{', '.join(references[:_MAX_NAMED])}{more}"
            yield f"{used.name}: {said} {named}: only the bill of materials follows that"
    variants = {variant.name for symbol in used.sheet.symbols for variant in symbol.variants}
    if variants:
        yield f"{used.name}: variants {', '.join(sorted(variants))} are not read: the parts are those of none"

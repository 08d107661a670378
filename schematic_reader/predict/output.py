"""Readings as CSV for a spreadsheet, JSON for programs, KiCad text for scripts, a table for the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from schematic_reader.io.display import ellipsized, printable
from schematic_reader.kicad.bom import ListedSymbol
from schematic_reader.kicad.sexpr import Node, Symbol, dump
from schematic_reader.predict.bom import BomLine, bill_of_materials, listed
from schematic_reader.predict.parts import Reading, is_doubtful, part_list

COLUMNS = ("part", "kind", "seen in", "confidence")
FILE_COLUMNS = ("references", "values", "read from")
"""Further columns where a sheet was read from its KiCad file; values in the order of the references."""

BOM_COLUMNS = ("Reference", "Value", "Qty", "Symbol", "Kind", "Sheet", "Confidence", "DNP")
"""The first three and the last as in KiCad's own export."""

DOUBT = "doubtful"
"""Name and content of a further column of both, behind the confidence, where confidences are calibrated."""

NOTHING = "nothing read"
UNLIKE = "not readable"
"""In the column of kinds, of a sheet on which all that was read is doubtful."""

SUB_SHEETS = "sub-sheets alone"
"""There too, of a sheet on which sub-sheets were read, and no part."""

BYTE_ORDER_MARK = "\ufeff"
"""By which Excel detects UTF-8."""

_FORMULA_START = re.compile(r"((?:^|[,;|])\s*)(?=[=+@＝＋－＠-])")
_QUOTED = re.compile("[,;|\"'=+@]")
"""Separators, and what a formula starts with; control characters are replaced before."""

_OUTSIDE_ASCII = re.compile("[^\n -~]")
_MAX_CELL_WIDTH = 60  # of a column of the table


def formatted(
    readings: Sequence[Reading], format: str | None, task: str, *, calibrated: bool, utf8: bool
) -> str:
    """The output in that format; None is CSV, or plain text for the structured tasks.

    Args:
        utf8: whether it will be encoded in UTF-8; if not, CSV has no byte order mark, and JSON is ASCII.
    """
    if format == "json":
        return as_json(readings, task=task, calibrated=calibrated, ascii=not utf8)
    if format == "kicad":
        return as_kicad(readings)
    if format == "bom":
        return as_bom(readings) if utf8 else as_bom(readings).removeprefix(BYTE_ORDER_MARK)
    if task != "components":
        return as_text(readings)
    if format == "table":
        return as_table(readings)
    return as_csv(readings) if utf8 else as_csv(readings).removeprefix(BYTE_ORDER_MARK)


def as_csv(readings: Sequence[Reading]) -> str:
    """The list of parts as CSV, which a spreadsheet opens by a double click.

    A spreadsheet evaluates a cell that starts with ``=``, ``+``, ``-`` or ``@`` as a formula, which a sheet's
    author could have written (OWASP, CSV Injection). Such a cell gets a leading apostrophe, names like
    ``+3V3`` included, and so does what follows a semicolon or another separator within a cell, at which a
    program may split; cells with separators are quoted.
    """
    return _csv([_columns(readings), *_rows(readings)])


def as_bom(readings: Sequence[Reading]) -> str:
    """The bill of materials as CSV, its cells as those of ``as_csv``."""
    lines = bill_of_materials(readings)
    rows = [BOM_COLUMNS, *map(_bom_row, lines)]
    doubts = [DOUBT.capitalize(), *(_doubt(line.doubtful) for line in lines)]
    unlike = [reading for reading in readings if reading.unlike]
    rows += [("", "", "", "", UNLIKE, str(reading.origin), "", "") for reading in unlike]
    doubts += [DOUBT for _ in unlike]
    if _calibrated(readings):
        place = BOM_COLUMNS.index("DNP")
        rows = [(*row[:place], doubt, *row[place:]) for row, doubt in zip(rows, doubts, strict=True)]
    return _csv(rows)


def as_kicad(readings: Sequence[Reading]) -> str:
    """Every placed symbol, power symbols included, in the words of a ``.kicad_sch`` but without a place.

    A doubtful one has a property that says so.
    """
    calibrated = _calibrated(readings)
    nodes = (
        _symbol_node(symbol, doubtful=is_doubtful(symbol.confidence, calibrated=calibrated))
        for symbol in listed(readings)
    )
    return dump([Symbol("symbols"), *nodes])


def as_table(readings: Sequence[Reading]) -> str:
    """The same rows in columns."""
    rows = [_columns(readings), *(tuple(map(_cell, row)) for row in _rows(readings))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def as_json(readings: Sequence[Reading], *, task: str, calibrated: bool, ascii: bool = False) -> str:
    """``task``, ``calibrated``, ``sheets`` and ``bom``, the bill of materials of all of them.

    ``calibrated`` is false where confidences are uncalibrated token probabilities; where they are not, parts
    and lines tell whether they are ``doubtful``. What a terminal would obey is escaped, so that nothing is
    lost.
    """
    known = _calibrated(readings)
    bom = [_bom_entry(line, calibrated=known) for line in bill_of_materials(readings)]
    found = {"task": task, "calibrated": calibrated, "sheets": sheets(readings), "bom": bom}
    text = json.dumps(found, indent=2, ensure_ascii=ascii)
    return _OUTSIDE_ASCII.sub(lambda found: _escaped(found[0]), text) + "\n"


def as_text(readings: Sequence[Reading]) -> str:
    """The answers, printable; where there are several, each under a line with its sheet's name."""
    answers = [f"({NOTHING})" if reading.empty else _lines(reading.answer) for reading in readings]
    if len(answers) == 1:
        return f"{answers[0]}\n"
    named = zip(readings, answers, strict=True)
    return "\n".join(f"==> {_cell(str(reading.origin))} <==\n{answer}\n" for reading, answer in named)


def sheets(readings: Sequence[Reading]) -> list[dict[str, Any]]:
    """An object a sheet: ``file``, ``page`` (null but in a PDF or TIFF), ``answer``, ``cut`` and ``parts``.

    ``readable``, where confidences of parts are calibrated, is false where none is likely to be right, and
    ``sub-sheets`` has the names of those that are read.
    One that was read from its KiCad file has ``read from: file`` and its place in the project as ``sheet``
    too, and its parts their ``placed`` symbols. The root sheet has the project's ``nets``, each with its pins
    as reference and number.
    """
    return [_sheet(reading) for reading in readings]


def _sheet(reading: Reading) -> dict[str, Any]:
    found: dict[str, Any] = {
        "file": reading.origin.file,
        "page": reading.origin.page,
        "answer": reading.answer,
        "cut": reading.cut,
        "parts": [
            {"part": part.name, "kind": part.kind, "confidence": _rounded(part.confidence)}
            | ({DOUBT: is_doubtful(part.confidence, calibrated=True)} if reading.calibrated else {})
            for part in reading.parts
        ],
    }
    if reading.readable is not None:
        found["readable"] = reading.readable
    if reading.sub_sheets:
        found["sub-sheets"] = list(reading.sub_sheets)
    if reading.from_file:
        found |= {"read from": "file", "sheet": reading.origin.sheet}
        for entry, part in zip(found["parts"], reading.parts, strict=True):
            entry["placed"] = [{"reference": reference, "value": value} for reference, value in part.placed]
    if reading.nets:
        found["nets"] = [
            {
                "net": net.name,
                "pins": [{"reference": reference, "pin": number} for reference, number in sorted(net.pins)],
            }
            for net in reading.nets
        ]
    return found


def _columns(readings: Sequence[Reading]) -> tuple[str, ...]:
    doubt = (DOUBT,) if _calibrated(readings) else ()
    return (*COLUMNS, *doubt, *(FILE_COLUMNS if any(reading.from_file for reading in readings) else ()))


def _calibrated(readings: Sequence[Reading]) -> bool:
    return any(reading.calibrated for reading in readings)


def _doubt(doubtful: bool) -> str:
    return DOUBT if doubtful else ""


def _rows(readings: Sequence[Reading]) -> list[tuple[str, ...]]:
    """A row a part, then one for each sheet on which nothing was read, or nothing that is likely right."""
    calibrated = _calibrated(readings)
    rows = [
        (
            line.part,
            line.kind,
            "; ".join(line.seen_in),
            "" if line.confidence is None else f"{line.confidence:.3f}",
            *((_doubt(line.doubtful),) if calibrated else ()),
            "; ".join(reference for reference, _ in line.placed),
            "; ".join(value for _, value in line.placed),
            " and ".join(line.read_from),
        )
        for line in part_list(readings)
    ]
    rows += [
        (
            *("", _why_no_part(reading), str(reading.origin), ""),
            *((_doubt(reading.unlike),) if calibrated else ()),
            *("", "", _source(reading)),
        )
        for reading in readings
        if reading.unlike or not reading.parts
    ]
    return [row[: len(_columns(readings))] for row in rows]


def _why_no_part(reading: Reading) -> str:
    if reading.unlike:
        return UNLIKE
    return SUB_SHEETS if reading.has_sub_sheets_alone else NOTHING


def _source(reading: Reading) -> str:
    return "file" if reading.from_file else "picture"


def _bom_row(line: BomLine) -> tuple[str, ...]:
    return (
        line.ranges,
        line.value,
        "" if line.quantity is None else str(line.quantity),
        line.symbol,
        line.kind,
        "; ".join(line.sheets),
        "" if line.confidence is None else f"{line.confidence:.3f}",
        "DNP" if line.dnp else "",
    )


def _bom_entry(line: BomLine, *, calibrated: bool) -> dict[str, Any]:
    entry = {
        "references": list(line.references),
        "value": line.value,
        "quantity": line.quantity,
        "symbol": line.symbol,
        "kind": line.kind,
        "sheets": list(line.sheets),
        "confidence": _rounded(line.confidence),
        "dnp": line.dnp,
    }
    return entry | ({DOUBT: line.doubtful} if calibrated else {})


def _symbol_node(symbol: ListedSymbol, *, doubtful: bool) -> Node:
    return [
        Symbol("symbol"),
        [Symbol("lib_id"), printable(symbol.lib_id)],
        [Symbol("unit"), Symbol(str(symbol.unit))],
        [Symbol("in_bom"), Symbol("yes" if symbol.in_bom else "no")],
        [Symbol("dnp"), Symbol("yes" if symbol.dnp else "no")],
        *(
            [Symbol("property"), key, printable(value)]
            for key, value in (
                ("Reference", symbol.reference),
                ("Value", symbol.value),
                ("Sheet", symbol.sheet),
                *([(DOUBT.capitalize(), "yes")] if doubtful else []),
            )
        ),
    ]


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 4)


def _escaped(char: str) -> str:
    """A character as JSON has it in ASCII, where it is not printable."""
    return char if printable(char) == char else json.dumps(char)[1:-1]


def _lines(answer: str) -> str:
    return printable(answer.replace("\r\n", "\n"), keep="\t\n")


def _csv(rows: Iterable[Sequence[str]]) -> str:
    return BYTE_ORDER_MARK + "".join(",".join(map(_csv_cell, row)) + "\n" for row in rows)


def _csv_cell(cell: str) -> str:
    text = printable(cell)
    text = _FORMULA_START.sub(r"\1'", text)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def _cell(text: str) -> str:
    return ellipsized(printable(text), _MAX_CELL_WIDTH)

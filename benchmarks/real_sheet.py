"""``python -m benchmarks.real_sheet``: README's table of what the reader that ships says of a real sheet.

Reads ``docs/real-sheet.png`` for a bill of materials as ``stages.predict`` does, holds it against KiCad's own
in ``docs/real-sheet.csv``, and writes the table between README's marks anew. docs/real-sheet.md says where
the sheet is from.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.shipped_reader import shipped_reader
from schematic_reader.cli import UserError, parse_no_arguments, run
from schematic_reader.io.files import write_text
from schematic_reader.kicad.bom import reference_ranges
from schematic_reader.predict.bom import bill_of_materials
from schematic_reader.predict.opened_sheet import open_sheets

PICTURE, TRUTH = Path("docs/real-sheet.png"), Path("docs/real-sheet.csv")
_BLOCK = re.compile(r"(?<=<!-- real sheet -->\n).*?(?=<!-- /real sheet -->)", re.DOTALL)


@dataclass(frozen=True)
class Line:
    """A line of a bill of materials; ``doubtful`` where the reader says so itself."""

    references: frozenset[str]
    value: str
    symbol: str
    doubtful: bool = False

    @property
    def content(self) -> tuple[frozenset[str], str, str]:
        """What is right or wrong."""
        return self.references, self.value, self.symbol

    def row(self, verdict: str) -> str:
        """A row of the table."""
        cells = (reference_ranges(self.references), _code(self.value), str(len(self.references)))
        return f"| {' | '.join((*cells, _code(self.symbol), verdict))} |"


def _code(text: str) -> str:
    return f"`{text}`".replace("|", r"\|") if text else ""


def said_lines(picture: Path) -> list[Line]:
    """The lines that the reader that ships says of a picture."""
    reader, limits = shipped_reader()
    readings = reader.read(list(open_sheets(picture.name, picture.read_bytes(), limits)))
    return [
        Line(frozenset(line.references), line.value, line.symbol, line.doubtful)
        for line in bill_of_materials(readings)
    ]


def true_lines(path: Path) -> list[Line]:
    """The lines of KiCad's export, whose references are joined by commas."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Line(frozenset(row["Reference"].split(",")), row["Value"], row["Symbol"])
            for row in csv.DictReader(file)
        ]


def table(said: Sequence[Line], true: Sequence[Line]) -> str:
    """The lines as they are said, each right or wrong, then those missed; how many are right or beside.

    A line is right with the references, the value and the library symbol of a true one. A true line is missed
    where no line names any of its references.
    """
    rows = list(_rows(said, true))
    right = sum(line.content in {one.content for one in true} for line in said)
    beside = sum(not _meant(line, true) for line in said)
    extra = f", and {beside} more that KiCad's has not" if beside else ""
    return "\n".join(
        [
            "| reference | value | quantity | library symbol | |",
            "| --- | --- | ---: | --- | --- |",
            *rows,
            "",
            f"{right} of {len(true)} lines right{extra}.",
            "",
        ]
    )


def _rows(said: Sequence[Line], true: Sequence[Line]) -> Iterator[str]:
    contents = {one.content for one in true}
    for line in said:
        verdict = "right" if line.content in contents else _wrong(line, true)
        yield line.row(f"{verdict}, marked as doubtful" if line.doubtful else verdict)
    named = frozenset[str]().union(*(line.references for line in said))
    for one in true:
        if not one.references & named:
            yield one.row("missed")


def _meant(line: Line, true: Sequence[Line]) -> list[Line]:
    """The true lines with any of its references."""
    return [one for one in true if one.references & line.references]


def _wrong(line: Line, true: Sequence[Line]) -> str:
    meant = _meant(line, true)
    if not meant:
        return "wrong, in no line of KiCad's"
    told = ((reference_ranges(one.references), _code(one.value), _code(one.symbol)) for one in meant)
    return f"wrong, should be {'; '.join(map(', '.join, told))}"


def with_table(readme: str, shown: str) -> str:
    """README with this table.

    Raises:
        UserError: README has no place for it.
    """
    text, count = _BLOCK.subn(lambda _: shown, readme)
    if count != 1:
        raise UserError("README.md has not one <!-- real sheet --> ... <!-- /real sheet -->: put it back")
    return text


def main() -> None:
    """Write README anew."""
    parse_no_arguments(__doc__)
    shown = table(said_lines(PICTURE), true_lines(TRUTH))
    readme = Path("README.md")
    write_text(readme, with_table(readme.read_text(encoding="utf-8"), shown))
    print(shown)


if __name__ == "__main__":
    run(main)

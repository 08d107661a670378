"""The reader that ships, on the sheet that README shows."""

from __future__ import annotations

import csv
import io
import re

from schematic_reader.kicad.bom import reference_ranges
from tests.support.commands import documented
from tests.support.paths import ROOT

ROW = re.compile(r"\| (.*) \| `?(.*?)`? \| (\d+) \| `(.*)` \| (right|wrong|missed)(.*) \|")
DOUBT = ", marked as doubtful"


def test_it_reads_the_sheet_of_readme_as_readme_says() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("<!-- real sheet -->\n")[2].partition("<!-- /real sheet -->")[0]
    rows = [found.groups() for found in map(ROW.fullmatch, shown.splitlines()) if found]
    assert len(rows) == shown.count("\n| ") - 1  # but for the heading, which is the first line, and its rule
    with (ROOT / "docs" / "real-sheet.csv").open(encoding="utf-8") as file:
        kicad = [
            (reference_ranges(row["Reference"].split(",")), row["Value"], row["Qty"], row["Symbol"])
            for row in csv.DictReader(file)
        ]

    printed = documented(
        "python -m stages.predict docs/real-sheet.png --format bom", ROOT, OMP_NUM_THREADS="2"
    )

    lines = csv.DictReader(io.StringIO(printed.removeprefix("\N{BYTE ORDER MARK}")))
    own = [line for line in lines if line["Sheet"] == "docs/real-sheet.png"]  # what stands on stderr follows
    columns = ("Reference", "Value", "Qty", "Symbol", "Doubtful")
    said = [(*line, DOUBT in note) for *line, verdict, note in rows if verdict != "missed"]
    assert said == [(*map(line.get, columns[:4]), bool(line["Doubtful"])) for line in own], (
        "run python -m benchmarks.real_sheet, which writes README's table anew"
    )
    assert [verdict == "right" for *_, verdict, _ in rows] == [
        verdict != "missed" and tuple(line) in kicad for *line, verdict, _ in rows
    ]
    assert {tuple(line) for *line, verdict, _ in rows if verdict == "missed"} <= set(kicad)
    right = sum(verdict == "right" for *_, verdict, _ in rows)
    beside = sum("in no line" in note for *_, note in rows)
    extra = f", and {beside} more that KiCad's has not" if beside else ""
    assert f"{right} of {len(kicad)} lines right{extra}.\n" in shown

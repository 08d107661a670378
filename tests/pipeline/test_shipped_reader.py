"""The reader that ships, on the sheet that README shows."""

from __future__ import annotations

import csv
import io

from tests.support.commands import documented
from tests.support.paths import ROOT


def test_it_reads_the_sheet_of_readme_as_readme_says() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("docs/sheet.png --format bom\n")[2].partition("```text\n")[2].partition("```")[0]
    told = [line.partition("wrong:")[0].split("  ") for line in shown.splitlines()]
    lines = [[cell.strip() for cell in line if cell.strip()] for line in told]
    assert len(lines) > 5

    printed = documented("python -m stages.predict docs/sheet.png --format bom", ROOT, OMP_NUM_THREADS="2")

    rows = csv.DictReader(io.StringIO(printed.removeprefix("\N{BYTE ORDER MARK}")))
    own = [row for row in rows if row["Sheet"] == "docs/sheet.png"]  # what stands on stderr follows
    columns = ("Reference", "Value", "Qty", "Symbol", "Doubtful")
    read = [[row[name] for name in columns if row[name]] for row in own]
    assert read == lines

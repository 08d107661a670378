"""README's table of a real sheet: how lines are judged, and where it is put."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.real_sheet import PICTURE, TRUTH, Line, table, true_lines, with_table
from schematic_reader.cli import UserError
from tests.support.paths import ROOT


def line(references: str, value: str, symbol: str, *, doubtful: bool = False) -> Line:
    return Line(frozenset(references.split()), value, symbol, doubtful)


def test_lines_are_right_wrong_or_missed() -> None:
    true = [
        line("C1 C2 C3", "1u|2", "C"),
        line("R1", "1k", "R"),
        line("R2 R3", "2k", "R"),
        line("U1", "", "X"),
    ]
    said = [
        line("C1 C2 C3", "1u|2", "C"),
        line("Q1", "BC547", "BC547", doubtful=True),
        line("R1 R2", "1k", "R", doubtful=True),
    ]
    assert table(said, true).splitlines()[2:] == [
        r"| C1-C3 | `1u\|2` | 3 | `C` | right |",
        "| Q1 | `BC547` | 1 | `BC547` | wrong, in no line of KiCad's, marked as doubtful |",
        "| R1, R2 | `1k` | 2 | `R` | wrong, should be R1, `1k`, `R`; R2, R3, `2k`, `R`, marked as doubtful |",
        "| U1 |  | 1 | `X` | missed |",
        "",
        "1 of 4 lines right, and 1 more that KiCad's has not.",
    ]


@pytest.mark.parametrize("said", [line("R1", "2k", "R"), line("R1", "1k", "R_US"), line("R1 R2", "1k", "R")])
def test_a_line_is_right_with_references_value_and_symbol(said: Line) -> None:
    assert "0 of 1 lines right." in table([said], [line("R1", "1k", "R")])


def test_the_export_of_kicad_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bom.csv"
    path.write_text('"Reference","Value","Qty","Symbol"\n"C1,C2","10uF","2","C_Small"\n', encoding="utf-8")
    assert true_lines(path) == [line("C1 C2", "10uF", "C_Small")]
    committed = true_lines(ROOT / TRUTH)
    assert len(committed) == 8 and sum(len(one.references) for one in committed) == 12
    assert (ROOT / PICTURE).is_file()


def test_the_table_takes_the_place_of_the_old_one() -> None:
    readme = "a\n<!-- real sheet -->\nold\n<!-- /real sheet -->\nb\n"
    shown = table([], [line("R1", "\\1", "R")])
    assert with_table(readme, shown) == f"a\n<!-- real sheet -->\n{shown}<!-- /real sheet -->\nb\n"
    with pytest.raises(UserError, match="put it back"):
        with_table("a\n", shown)

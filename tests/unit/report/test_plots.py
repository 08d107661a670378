"""The rows behind the plots."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from schematic_reader.report.plots import gains, known, lengths, names, reliability_table, write_plots
from schematic_reader.scoring.confidence import Calibration
from schematic_reader.scoring.predictions import PredictionRow, prediction_row
from schematic_reader.tasks import task
from schematic_reader.tasks.contract import ModelAnswer


def row(id: str, target: str, prediction: str) -> PredictionRow:
    return prediction_row(
        task("components"),
        {"id": id, "name": "o/r", "prompt": "", "target": target},
        ModelAnswer(prediction, 1, "stop"),
    )


MANY = ", ".join(f"N{i}" for i in range(70))
BASELINE = [row("1", "R, C", "X"), row("2", "R, C, GND, L", "R"), row("3", MANY, "R")]
TUNED = [row("1", "R, C", "R, X"), row("2", "R, C, GND, L", "R, C, X, A"), row("3", MANY, MANY)]


SEEN = {"seen": 30, "unseen": 10, "recall_unseen": 0.0}
BEFORE = {"names": SEEN | {"recall_seen": 0.25}}
AFTER = {"names": SEEN | {"recall_seen": 0.5}}


def test_gains_by_hand() -> None:
    text = gains(BASELINE[:2], TUNED[:2], task("components"))
    # Baseline: X invented, R found on 2. Tuned: R found on 1, X invented; R, C found and X, A invented on 2.
    assert text == (
        "kind\tname\tchange\ttrue\tbaseline_found\ttuned_found\tbaseline_invented\ttuned_invented\n"
        "gain\tC\t1\t2\t0\t1\t0\t0\n"
        "gain\tR\t1\t2\t1\t2\t0\t0\n"
        "loss\tA\t-1\t0\t0\t0\t0\t1\n"
        "loss\tX\t-1\t0\t0\t0\t1\t2\n"
    )


def test_lengths_by_hand() -> None:
    tokens = [8, 9, 16, 17]
    rows = [replace(row("1", "R, C", "R, X, Y"), tokens=n) for n in tokens]
    rows[1] = replace(row("1", "R, C", "R"), tokens=9)
    assert lengths(rows, task("components")) == (
        "answer\ttokens\tsheets\tprecision\trecall\n"
        "000000-000008\t8.00\t1\t0.333333\t0.500000\n"
        "000009-000016\t12.50\t2\t0.500000\t0.500000\n"
        "000017-000032\t17.00\t1\t0.333333\t0.500000\n"
    )


def test_known_names_by_hand() -> None:
    header = "names\tshare\ttrue\tbaseline\ttuned\n"
    seen = "seen\t0.750000\t30\t0.250000\t0.500000\nunseen\t0.250000\t10\t0.000000\t0.000000\n"
    assert known(BEFORE, AFTER) == header + seen
    printed = {"printed": 4, "unprinted": 0, "recall_printed": 1.0, "recall_unprinted": 0.0}
    more = "printed\t1.000000\t4\t1.000000\t1.000000\nunprinted\t0.000000\t0\t0.000000\t0.000000\n"
    sides = [{"names": side["names"] | printed} for side in (BEFORE, AFTER)]
    assert known(*sides) == header + seen + more


def test_plots_by_hand(tmp_path: Path) -> None:
    write_plots(
        tmp_path, BASELINE, TUNED, task("components"), before=BEFORE, after=AFTER, calibration=Calibration()
    )
    # 1 to 4 components: before 1 found of 2 said and 6 there; after 3 of 6 and 6.
    assert (tmp_path / "components.tsv").read_text() == (
        "components\titems\tsheets\tbaseline\ttuned\n"
        "01-04\t3.00\t2\t0.250000\t0.500000\n65+\t70.00\t1\t0.000000\t1.000000\n"
    )
    assert (tmp_path / "names.tsv").read_text() == (
        "kind\tname\ttimes\ttrue\n"
        "missed\tC\t1\t2\nmissed\tGND\t1\t1\nmissed\tL\t1\t1\n"
        "invented\tX\t2\t0\ninvented\tA\t1\t0\n"
    )
    assert (tmp_path / "sheets.tsv").read_text() == (
        "model\tid\trecall\tprecision\tf1\n"
        "baseline\t1\t0.000000\t0.000000\t0.000000\n"
        "baseline\t2\t0.250000\t1.000000\t0.400000\n"
        "baseline\t3\t0.000000\t0.000000\t0.000000\n"
        "tuned\t1\t0.500000\t0.500000\t0.500000\n"
        "tuned\t2\t0.500000\t0.500000\t0.500000\n"
        "tuned\t3\t1.000000\t1.000000\t1.000000\n"
    )


def test_a_name_with_line_breaks_stays_on_its_line() -> None:
    target = '{"labels":["two\\n\\tlines"]}'
    rows = [
        prediction_row(
            task("json"),
            {"id": "1", "name": "o/r", "prompt": "", "target": target},
            ModelAnswer("", 0, "stop"),
        )
    ]
    assert names(rows, task("json")) == "kind\tname\ttimes\ttrue\nmissed\ttwo lines\t1\t1\n"


@pytest.mark.parametrize("name", ["</script>", "</SCRIPT>", "<!--", "<script>x", "a</b"])
def test_no_cell_ends_the_script_that_dvc_writes_it_into(name: str) -> None:
    text = names([row("1", name, "R")], task("components"))
    assert not re.search("<[/!s]", text, re.IGNORECASE)
    assert name.replace("<", "\u2039") in text


def test_no_cell_has_what_a_terminal_obeys() -> None:
    text = names([row("1", "\x1b[2Jname\u202e\x9b", "R")], task("components"))
    assert "\ufffd[2Jname\ufffd\ufffd" in text
    assert text.translate({9: None, 10: None}).isprintable()


def test_only_the_top_names_are_listed(tmp_path: Path) -> None:
    write_plots(
        tmp_path,
        BASELINE,
        BASELINE,
        task("components"),
        before=BEFORE,
        after=AFTER,
        calibration=Calibration(),
    )
    assert (tmp_path / "gains.tsv").read_text().count("\n") == 1
    lines = (tmp_path / "names.tsv").read_text().splitlines()
    assert [line.split("\t")[1] for line in lines if line.startswith("missed")][:3] == ["C", "GND", "L"]
    assert sum(line.startswith("missed") for line in lines) == 20


def test_reliability_by_hand() -> None:
    assert reliability_table([(0.25, False), (0.2, False), (0.24, True), (0.27, True), (0.91, True)]) == (
        "confidence\tright\titems\n0.200000\t0.000000\t1\n0.253333\t0.666667\t3\n0.910000\t1.000000\t1\n"
    )

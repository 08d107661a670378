"""Two results side by side, as text and as a page, with answers that try to get out of their place."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from schematic_reader.cli import UserError
from schematic_reader.report.comparison import MOST, compare, comparison_page, comparison_text
from schematic_reader.report.revisions import Evaluated
from schematic_reader.scoring.metrics import score
from schematic_reader.scoring.predictions import PredictionRow
from tests.unit.report.test_page import COMPONENTS, EVIL, png, row


def evaluated(name: str, answers: list[str]) -> Evaluated:
    """Results on as many sheets as there are answers, each of which has the parts R and C."""
    rows = [row(i, "R, C", answer) for i, answer in enumerate(answers)]
    metrics = score(
        rows, task=COMPONENTS, train_items=[Counter(["R"])], printed={}, bootstrap_samples=20, seed=1
    )
    return Evaluated(name, "components", metrics, rows)


def compared(before: list[str], after: list[str], name: str = "b") -> str:
    return comparison_text(
        compare(evaluated("a", before), evaluated(name, after), bootstrap_samples=200, seed=1)
    )


def test_the_text_has_both_the_gain_and_what_changed_on_which_sheet() -> None:
    said = compared(["R", "R, C", "R, C", "X"], ["R, C", "R, C", "C, LED", "X, Y"]).splitlines()
    # Found 5 of 6 said and 8 true items before, 5 of 8 afterwards.
    assert [line.split()[:4] for line in said if line[:2] in ("a ", "b ")] == [
        ["a", "0.833", "0.625", "0.714"],
        ["b", "0.625", "0.625", "0.625"],
    ]
    gain = next(line for line in said if line.startswith("gain")).split()
    assert float(gain[1]) == pytest.approx(-0.089, abs=1e-3)
    assert "3 answers differ; F1 is higher on 1 sheets and lower on 1" in said
    first = next(i for i, line in enumerate(said) if line.startswith("1.000 to 0.500"))
    assert said[first].endswith("<i>o</i>/2  02")
    assert said[first + 1 :] == [
        "    now missed: R",
        "    now invented: LED",
        "0.667 to 1.000  <i>o</i>/0  00",
        "    now found: C",
    ]


def test_the_gain_is_paired() -> None:
    """Of two models that differ by a right sheet each time, whatever the sheets, the interval excludes 0."""
    before = ["R", "R, C, X, Y, Z", "R", "R, C, X, Y, Z", "R, C"]
    found = compare(evaluated("a", before), evaluated("b", ["R, C"] * 5), bootstrap_samples=500, seed=1)
    assert 0 <= found.gain["f1_low"] < found.gain["f1"] < found.gain["f1_high"]
    assert [one.after.id for one in found.changed] == ["01", "03", "00", "02"]


def test_nothing_changed() -> None:
    said = compared(["R"], ["R"])
    assert "0 answers differ; F1 is higher on 0 sheets and lower on 0" in said
    found = compare(evaluated("a", ["R"]), evaluated("b", ["R"]), bootstrap_samples=20, seed=1)
    page = comparison_page(found, lambda _: pytest.fail("no sheet is shown"))
    assert "No sheet" in page and "<article" not in page


def test_the_page_marks_both_answers_and_shows_the_largest_changes() -> None:
    many = MOST + 3
    found = compare(
        evaluated("a", ["R, LED"] * many), evaluated("b", ["R, C"] * many), bootstrap_samples=20, seed=1
    )
    page = comparison_page(found, lambda id: png((60, 40)) if id == "00" else None)
    assert page.count('<article class="sheet">') == MOST and page.count("<img") == 1
    sheet = " ".join(page.split("<article")[1].split())
    a, b = sheet.split("<h5>b: F1 1.000</h5>")
    assert "<h5>a: F1 0.500</h5>" in a
    for kind, text in (("right", "R"), ("missed", "C"), ("invented", "LED")):
        assert f'<li class="{kind}">{text}</li>' in a
    assert '<li class="right">C</li>' in b and "invented" not in b.split("<details>")[0]


def test_answers_and_names_stay_text() -> None:
    found = compare(
        evaluated("<script>a</script>", ["R"] * len(EVIL)),
        evaluated("b", [f"R, {text}" for text in EVIL]),
        bootstrap_samples=20,
        seed=1,
    )
    page = comparison_page(found, lambda _: None)
    assert "<script" not in page and "<img" not in page and "\u202e" not in page
    assert "\u202e" not in comparison_text(found)


def test_another_task_or_other_sheets_are_refused() -> None:
    one, other = evaluated("main", ["R", "R"]), evaluated("rank-8", ["R", "R"])
    with pytest.raises(UserError, match="main has task components and rank-8 task yaml"):
        compare(one, replace(other, task="yaml"), bootstrap_samples=20, seed=1)

    def refused(rows: list[PredictionRow]) -> str:
        with pytest.raises(UserError) as caught:
            compare(one, replace(other, predictions=rows), bootstrap_samples=20, seed=1)
        return str(caught.value)

    assert "(1 of 2 and 1 are the same)" in refused(other.predictions[:1])
    assert "(1 of 2 and 2 are the same)" in refused([row(0, "R, D", "R"), other.predictions[1]])
    assert "(2 of 2 and 2 are the same)" in refused(other.predictions[::-1])

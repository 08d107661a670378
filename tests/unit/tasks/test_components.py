"""The components task: prompts, targets and tolerant reading of lists."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schematic_reader.tasks import task

COMPONENTS = task("components")
ROW = {"name": "owner/board", "type": ".kicad_sch", "components": ["R", "C_Small", "PCA9517DP,118", "-12V"]}


def test_target_lists_the_names_in_order_and_quotes_a_comma() -> None:
    assert COMPONENTS.target(ROW, form="compact") == 'R, C_Small, "PCA9517DP,118", -12V'
    assert COMPONENTS.target(ROW, form="verbatim") == COMPONENTS.target(ROW, form="compact")


def test_prompt_has_the_project_only_when_asked() -> None:
    plain = COMPONENTS.prompt(ROW, form="compact", with_name=False)
    named = COMPONENTS.prompt(ROW, form="compact", with_name=True)
    assert "owner/board" not in plain
    assert named == "Project: owner/board\nFormat: .kicad_sch\n" + plain


@pytest.mark.parametrize("components", [None, [], ["", "  "], ["bad\ud800name"], ["nul\0"]])
def test_no_target_without_usable_names(components: list[str] | None) -> None:
    assert COMPONENTS.target({"components": components}, form="compact") is None


@pytest.mark.parametrize(
    "answer",
    [
        "R, C_Small, GND",
        "R,C_Small,GND",
        "R\nC_Small\nGND\n",
        "R, C_Small, GND.",
        "- R\n• C_Small\n* GND",
        "1. R\n2) C_Small\n10. GND",
        "```\nR, C_Small, GND\n```",
        "Here they are:\n```text\nR, C_Small,\nGND\n```\nAnything else?",
        '["R", "C_Small", "GND"]',
        "['R', 'C_Small', 'GND']",
        "`R`, `C_Small`, `GND`",
        '- "R"\n- "C_Small"\n- "GND".',
        " R ,, C_Small ,\r\n GND ,",
    ],
)
def test_lists_in_every_common_dress_read_the_same(answer: str) -> None:
    parsed = COMPONENTS.parse(answer)
    assert parsed.valid
    assert parsed.items == Counter(["R", "C_Small", "GND"])


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ('"PCA9517DP,118", R', ["PCA9517DP,118", "R"]),
        ("PCA9517DP,118", ["PCA9517DP", "118"]),
        ('"say ""hi"", you", R', ['say "hi", you', "R"]),
        ('"open, R', ['"open', "R"]),
        ('5" LCD, R', ['5" LCD', "R"]),
        ("-12V, -5V", ["-12V", "-5V"]),
        ("74LS00, 1N4148", ["74LS00", "1N4148"]),
        ('R, "LED."', ["R", "LED."]),
        ("AMS1117-3.3, 0805G(Green).", ["AMS1117-3.3", "0805G(Green)"]),
    ],
)
def test_names_keep_what_belongs_to_them(answer: str, names: list[str]) -> None:
    assert COMPONENTS.parse(answer).items == Counter(names)


def test_repeated_names_are_counted_and_judged_once() -> None:
    parsed = COMPONENTS.parse("R, R, R, C, r")
    assert parsed.items == Counter({"R": 3, "C": 1, "r": 1})
    assert COMPONENTS.normalize(parsed.items, loose=False) == Counter(["R", "C", "r"])
    assert COMPONENTS.normalize(parsed.items, loose=True) == Counter(["r", "c"])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("```\n```", "empty"),
        (", ,\n,", "empty"),
        ("R, \0", "nul"),
        ("R, \ud83d", "surrogate"),
        ("R, " * 3_500_000, "too_long"),
    ],
)
def test_unusable_answers_have_a_reason(answer: str, reason: str) -> None:
    parsed = COMPONENTS.parse(answer)
    assert (parsed.valid, parsed.reason, parsed.items) == (False, reason, Counter())


@pytest.mark.parametrize("piece", ['"', '""",', "[", "- ", "1. ", ",", '" ', "`", "```\n", "  "])
def test_hostile_lists_are_read_in_linear_time(piece: str) -> None:
    # A quadratic reader would need hours for these 400,000 characters.
    COMPONENTS.parse("R, " + piece * (400_000 // len(piece)))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")), min_size=1))
def test_any_names_survive_the_way_through_the_target(names: list[str]) -> None:
    clean = {" ".join(name.split()) for name in names} - {""}
    target = COMPONENTS.target({"components": names}, form="compact")
    if target is None:
        assert not clean
    else:
        assert COMPONENTS.parse(target).items == Counter(clean)

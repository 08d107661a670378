"""The stroke font and how texts lie around their anchors."""

from __future__ import annotations

import numpy as np
import pytest

from schematic_reader.kicad.drawing.glyphs import METRICS, STROKES
from schematic_reader.kicad.drawing.strokes import layout, line_segments, text_height, text_width, unescape
from schematic_reader.kicad.shapes import TextStyle

PRINTABLE = "".join(map(chr, range(32, 127))) + "µΩ°±"


def bounds(text: str, h_align: str = "left", v_align: str = "center", pen: float = 0.12) -> np.ndarray:
    """Left, top, right, bottom of the axes of the strokes, in em."""
    points = layout(text, TextStyle(1), h_align, v_align, pen).reshape(-1, 2)
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def test_every_printable_character_has_its_own_shape() -> None:
    shapes = {}
    for char in PRINTABLE:
        segments, width = line_segments(char)
        assert width > 0
        shapes.setdefault(segments.tobytes(), []).append(char)
        assert (len(segments) == 0) == (char == " ")
    assert [same for same in shapes.values() if len(same) > 1] == []
    assert METRICS.keys() == STROKES.keys()


@pytest.mark.parametrize("char", [c for c in PRINTABLE if c not in " /_"])
def test_glyphs_stay_within_their_advance(char: str) -> None:
    segments, width = line_segments(char)
    assert segments[:, 0::2].min() > -0.05
    assert segments[:, 0::2].max() < width + 0.05
    assert segments[:, 1::2].min() > -1.3
    assert segments[:, 1::2].max() < 0.5


def test_capitals_are_one_em_high_and_small_letters_two_thirds() -> None:
    for char in "AEHIMTZ":
        _, top, _, bottom = bounds(char)
        assert bottom - top == pytest.approx(1)
    for char in "vwxz":
        _, top, _, bottom = bounds(char)
        assert bottom - top == pytest.approx(2 / 3)


def test_widths_add_up() -> None:
    assert text_width("ABC") == pytest.approx(sum(text_width(char) for char in "ABC"))
    assert text_width("AB\nABCD\nA") == text_width("ABCD")
    assert text_width("") == 0


def test_alignment_moves_the_text_by_its_width_and_height() -> None:
    pen = 0.12
    left, center, right = (bounds("HELLO", h, pen=pen) for h in ("left", "center", "right"))
    width, indent = text_width("HELLO"), pen / 1.52
    assert center[0] - left[0] == pytest.approx(-width / 2 - indent)
    assert right[0] - left[0] == pytest.approx(-width - 2 * indent)
    for text, lines in (("HELLO", 1), ("HELLO\nE", 2), ("HELLO\nE\nE", 3)):
        top, center, bottom = (bounds(text, v_align=v) for v in ("top", "center", "bottom"))
        assert text_height(text) == pytest.approx(1.17 + 1.60994 * (lines - 1))
        assert center[1] - top[1] == pytest.approx(-text_height(text) / 2)
        assert bottom[1] - top[1] == pytest.approx(-text_height(text))


def test_lines_follow_at_kicads_pitch_and_a_last_newline_adds_none() -> None:
    _, top, _, bottom = bounds("E\nE", v_align="top")
    assert bottom - top == pytest.approx(1 + 1.60994)
    assert (bounds("E\n") == bounds("E")).all()
    assert text_height("E\n\n") == text_height("E\nE")


def test_markup() -> None:
    plain, bar = line_segments("RST")[0], line_segments("~{RST}")[0]
    assert (bar[:-1] == plain).all()
    x0, y0, x1, y1 = bar[-1]
    assert y0 == y1 < plain[:, 1::2].min() - 0.15
    assert (x0, x1) == pytest.approx((0.1, text_width("RST") - 0.1))
    assert text_width("x^{2}") == pytest.approx(text_width("x") + 0.8 * text_width("2"))
    raised, lowered = line_segments("^{E}")[0], line_segments("_{E}")[0]
    assert raised[:, 1::2].min() < line_segments("E")[0][:, 1::2].min()
    assert lowered[:, 1::2].max() > line_segments("E")[0][:, 1::2].max()
    assert text_width("~{open") == text_width("open")


def test_tabs_stop_every_four_characters() -> None:
    """Each counts as an em, whatever its width; a stop that the text has passed is skipped."""
    assert text_width("line2\tB") == pytest.approx(7.76 + text_width("B"), abs=0.01)
    assert text_width("MMM\tB") == pytest.approx(3.76 + text_width("B"), abs=0.01)
    wide = text_width("\u4e00\u4e00\u4e00")
    assert wide > 3.76
    assert text_width("\u4e00\u4e00\u4e00\tB") == pytest.approx(7.76 + text_width("B"), abs=0.01)
    assert text_width("A\tB") == pytest.approx(3.76 + text_width("B"), abs=0.01)
    assert text_width("\t\t") == pytest.approx(7.76, abs=0.01)


@pytest.mark.parametrize("char", "äßØ≥²πЖи→½電源")
def test_letters_of_other_scripts_and_signs_have_newstrokes_glyphs(char: str) -> None:
    segments, width = line_segments(char)
    assert segments.tobytes() != line_segments("?")[0].tobytes()
    assert 0.3 < width < 2.2
    assert segments[:, 0::2].min() > -0.15
    assert segments[:, 0::2].max() < width + 0.15
    assert segments[:, 1::2].min() > -1.5
    assert segments[:, 1::2].max() < 0.6


def test_newstrokes_letters_stand_on_the_baseline_of_ours() -> None:
    """Cyrillic capitals of the shape of Latin ones are drawn by the other font, as large and as high."""
    for ours, newstroke in zip("AEHMT", "АЕНМТ", strict=True):
        assert bounds(newstroke)[[1, 3]] == pytest.approx(bounds(ours)[[1, 3]], abs=0.05)
        assert text_width(newstroke) == pytest.approx(text_width(ours), abs=0.1)


def test_letters_may_be_wider_or_narrower_than_high() -> None:
    wide, plain = (
        layout("AB", TextStyle(1, width=width), "left", "center", 0.12).reshape(-1, 2) for width in (2.0, 0.0)
    )
    assert np.ptp(wide[:, 0]) == pytest.approx(2 * np.ptp(plain[:, 0]))
    assert np.ptp(wide[:, 1]) == pytest.approx(np.ptp(plain[:, 1]))
    right = layout("AB", TextStyle(1, width=2.0), "right", "center", 0.12).reshape(-1, 2)
    assert right[:, 0].max() < 0


def test_unknown_characters_are_question_marks_and_twins_share_a_glyph() -> None:
    assert (line_segments("\U0001f50b")[0] == line_segments("?")[0]).all()
    assert (line_segments("\u03bcH\u2126")[0] == line_segments("µHΩ")[0]).all()


def test_italic_leans_right_on_the_baseline() -> None:
    upright = layout("I", TextStyle(1), "left", "center", 0.1)
    leaning = layout("I", TextStyle(1, italic=True), "left", "center", 0.1)
    shift = leaning[:, 0::2] - upright[:, 0::2]
    assert shift.max() - shift.min() == pytest.approx(1 / 8)
    assert (leaning[:, 1::2] == upright[:, 1::2]).all()


def test_escapes() -> None:
    assert unescape("A{slash}B{brace}{space}{colon}") == "A/B{ :"
    assert unescape("{unknown} {") == "{unknown} {"

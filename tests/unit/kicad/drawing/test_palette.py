"""The colours of a drawn sheet."""

from __future__ import annotations

import numpy as np

from schematic_reader.kicad.drawing.palette import COLORS, PAPER, Ink, cell, mixtures, palette


def test_colours_are_few_and_no_two_lie_in_one_cell():
    colors = np.array(palette(), np.uint8)
    assert palette()[0] == PAPER and len(colors) <= 256
    assert len(np.unique(cell(colors))) == len(colors)
    assert {color for ink, color in COLORS.items() if ink != Ink.BODY} <= set(palette())


def test_mixtures_mix_back_to_the_palette():
    """Each colour is its ground covered by its share of the ink, rounded half up."""
    assert len(mixtures()) == len(palette())
    for color, (ground, share, ink) in zip(palette(), mixtures(), strict=True):
        assert ground in (PAPER, COLORS[Ink.BODY]) and 0 <= share <= 1
        mixed = np.array(ground) * (1 - share) + np.array(ground if ink is None else ink) * share
        assert tuple(np.floor(mixed + 0.5 + 1e-9).astype(int)) == color
        assert ink is None or ink in COLORS.values()
    assert [ink for _, _, ink in mixtures()].count(None) == 1

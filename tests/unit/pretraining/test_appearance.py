"""Colour themes, and what is done to pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from pretraining.appearance import THEMES, Appearance, themes
from schematic_reader.kicad.drawing import palette as inks

LUMINANCE = np.array([0.299, 0.587, 0.114])


def test_the_first_theme_is_kicads_palette():
    table = themes(5)
    assert table.shape == (THEMES, 256, 3) and table.dtype == np.float32
    colors = (table[0] + 1) * 127.5
    np.testing.assert_allclose(colors[: len(inks.palette())], inks.palette(), atol=1e-4)


def test_every_ink_stands_out_from_the_ground_in_every_theme():
    table = ((themes(5) + 1) * 127.5) @ LUMINANCE
    bodies = {inks.COLORS[inks.Ink.BODY], inks.COLORS[inks.Ink.DIMMED_BODY]}
    # Of symbols that are not populated KiCad itself draws the outlines faintly.
    faint = {inks.COLORS[inks.Ink.DIMMED]}
    pure = {
        ink: index
        for index, (ground, share, ink) in enumerate(inks.mixtures())
        if ground == inks.PAPER and share == 1 and ink not in bodies
    }
    assert len(pure) > 8
    for number, luminance in enumerate(table):
        for ink, index in pure.items():
            least = 79.9 if ink not in faint or number > 41 else 50
            assert abs(luminance[index] - luminance[0]) > least, (number, ink)


def test_themes_are_light_and_dark_and_depend_on_the_seed():
    table = themes(5)
    grounds = ((table[:, 0] + 1) * 127.5) @ LUMINANCE
    assert (grounds < 100).sum() >= 8 and (grounds > 150).sum() >= 40
    np.testing.assert_array_equal(table, themes(5))
    assert not np.array_equal(table, themes(6))
    assert len({theme.tobytes() for theme in table}) > 20


def picture(count=1):
    """Dark blocks and lines on white, float32 (count, 48, 72, 3)."""
    x = torch.ones(count, 48, 72, 3)
    x[:, 8:20, 10:30] = torch.tensor([-1.0, 0.2, 0.4])
    x[:, 30, :] = -1
    return x


def test_changed_pictures_keep_their_shape_and_range():
    torch.manual_seed(1)
    x = picture(200)
    changed = Appearance()(x)
    assert changed.shape == x.shape and changed.dtype == torch.float32
    assert changed.min() >= -1 and changed.max() <= 1
    far = (changed - x).abs().flatten(1).mean(1)
    assert 0.02 < (far < 1e-3).float().mean() < 0.5  # some stay as they are, up to rounding
    assert far.max() < 0.5 and (far > 0.01).float().mean() > 0.4


def test_jpeg_of_strength_0_changes_nothing():
    x = picture(2).permute(0, 3, 1, 2).contiguous()
    assert torch.equal(Appearance().jpeg(x, torch.zeros(2)), x)


@pytest.mark.parametrize("quality", [50, 25])
def test_jpeg_does_what_a_jpeg_file_does(quality):
    """A grey picture: the file's tables at quality 50 are those of the standard, at 25 twice as coarse."""
    noise = torch.randn(48, 72, generator=torch.Generator().manual_seed(1))
    pixels = ((0.6 * picture().mean(3)[0] + 0.1 * noise + 1) * 127.5).round().clamp(0, 255)
    data = io.BytesIO()
    Image.fromarray(pixels.byte().numpy()).save(data, "jpeg", quality=quality)
    expected = torch.tensor(np.asarray(Image.open(data))).float()
    x = ((pixels - 128) / 127.5)[None, None]  # JPEG subtracts 128, and so does not the class
    found = Appearance().jpeg(x, torch.tensor([50 / quality]))[0, 0] * 127.5 + 128
    lost = (expected - pixels).abs().mean()
    assert lost > 1
    assert (found.round().clamp(0, 255) - expected).abs().mean() < 0.1 * lost

"""Pictures that are enlarged, as tiles of a sheet are."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from pretraining.enlarged import FACTORS, Enlargement


def noise(count: int = 1) -> torch.Tensor:
    """Pictures of 72 x 48 px, float32 (count, 48, 72, 3) in -1..1."""
    return torch.rand(count, 48, 72, 3, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_the_first_factor_leaves_a_picture_as_it_is():
    x = noise(2)
    assert FACTORS[0] == 1
    torch.testing.assert_close(Enlargement()(x, torch.zeros(2, dtype=torch.int64)), x)


def test_each_picture_is_as_pillow_shrinks_and_enlarges_it():
    x = noise(len(FACTORS))
    changed = Enlargement()(x, torch.arange(len(FACTORS)))
    assert changed.shape == x.shape and changed.dtype == torch.float32
    for number, factor in enumerate(FACTORS):
        for channel in range(3):
            image = Image.fromarray(x[number, :, :, channel].numpy())
            few = image.resize((round(72 / factor), round(48 / factor)), Image.Resampling.BOX)
            expected = np.asarray(few.resize((72, 48), Image.Resampling.BICUBIC))
            np.testing.assert_allclose(changed[number, :, :, channel], expected, atol=1e-5)


def test_an_enlarged_picture_has_no_finer_lines_than_before_it_was():
    """Lines of one pixel, every second one, are grey at half the size."""
    x = torch.ones(1, 48, 72, 3)
    x[:, ::2] = -1
    grey = Enlargement()(x, torch.tensor([FACTORS.index(2.0)]))
    assert grey.abs().max() < 1e-5 < Enlargement()(x, torch.tensor([0])).abs().min()

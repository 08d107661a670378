"""What a drawn sheet can look like: colour themes, and what cameras, files and screens do to a picture."""

from __future__ import annotations

import colorsys
import math
import random

import numpy as np
import torch
from torch.nn import functional

from schematic_reader.kicad.drawing import palette as inks

THEMES = 64
_CONTRAST = 80  # least difference in luminance between ground and ink, of 255
_LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green and blue, as in ITU-R BT.601
_KICAD, _WHITE, _GREY = 24, 12, 6  # of the themes; the others are drawn by lot, half of them dark


def themes(seed: int) -> np.ndarray:
    """Colours of palette indices in each theme, float32 (THEMES, 256, 3) in -1..1."""
    rng = random.Random(seed)
    plain = np.array(inks.palette(), np.float32)
    white = np.minimum(plain * (255 / plain[0]), 255)
    grey = np.repeat((white @ _LUMINANCE.astype(np.float32))[:, None], 3, 1)
    grey = np.clip((grey - 60) * (255 / 195), 0, 255)
    found = [plain] * _KICAD + [white] * _WHITE + [grey] * _GREY
    while len(found) < THEMES:
        found.append(_theme(len(found) % 2 == 0, rng))
    table = np.zeros((THEMES, 256, 3), np.float32)
    table[:, : len(plain)] = np.stack(found)
    return table / 127.5 - 1


def _theme(dark: bool, rng: random.Random) -> np.ndarray:
    """The palette with other inks on another ground."""

    def color(light: bool, saturation: float) -> np.ndarray:
        value = rng.uniform(0.75, 1.0) if light else rng.uniform(0.0, 0.6)
        return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, saturation), value)) * 255

    ground = np.array(color(not dark, 0.12)) * (0.25 if dark else 1.0)

    def ink() -> np.ndarray:
        """A colour that stands out from the ground."""
        while True:
            found = color(dark, 1.0)
            if abs((found - ground) @ _LUMINANCE) > _CONTRAST:
                return found

    one = ink()
    single = rng.random() < 0.25
    new = {which: one if single else ink() for which in inks.Ink}
    body = ground if rng.random() < 0.5 else ground + 0.15 * (one - ground)
    new[inks.Ink.BODY] = new[inks.Ink.DIMMED_BODY] = body
    by_color = {color: new[ink] for ink, color in inks.COLORS.items()}
    table = []
    for start, share, end in inks.mixtures():
        low = ground if start == inks.PAPER else by_color[start]
        high = by_color[end] if end is not None else low
        table.append(low + (high - low) * share)
    return np.array(table, np.float32)


class Appearance(torch.nn.Module):
    """Changes pictures a little: shift and zoom by parts of a pixel, blur, noise, contrast, JPEG.

    Each change comes to a part of the pictures; some pictures stay as they are.
    """

    cosines: torch.Tensor  # (8, 8): the discrete cosine transform of 8 values
    steps: torch.Tensor  # (8, 8): quantisation steps of the coefficients

    def __init__(self) -> None:
        super().__init__()
        index = torch.arange(8).float()
        table = torch.cos((2 * index[None] + 1) * index[:, None] * math.pi / 16) / 2
        table[0] /= math.sqrt(2)
        self.register_buffer("cosines", table, persistent=False)
        # Annex K of the JPEG standard (ITU-T T.81), luminance.
        steps = [
            *(16, 11, 10, 16, 24, 40, 51, 61), *(12, 12, 14, 19, 26, 58, 60, 55),
            *(14, 13, 16, 24, 40, 57, 69, 56), *(14, 17, 22, 29, 51, 87, 80, 62),
            *(18, 22, 37, 56, 68, 109, 103, 77), *(24, 35, 55, 64, 81, 104, 113, 92),
            *(49, 64, 78, 87, 103, 121, 120, 101), *(72, 92, 95, 98, 112, 100, 103, 99),
        ]  # fmt: skip
        self.register_buffer("steps", torch.tensor(steps).float().view(8, 8), persistent=False)

    @torch.no_grad()
    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures of float32 (batch, height, width, 3) in -1..1; the same shape comes back."""
        count, device = len(pictures), pictures.device

        def lot(share: float) -> torch.Tensor:
            return (torch.rand(count, device=device) < share).float()

        x = pictures.permute(0, 3, 1, 2)
        zoom = 1 + lot(0.3) * (torch.rand(count, device=device) - 0.5) * 0.03
        shift = lot(0.4)[:, None] * (torch.rand(count, 2, device=device) - 0.5)
        shift = shift * torch.tensor([2 / x.shape[3], 2 / x.shape[2]], device=device)
        matrix = torch.zeros(count, 2, 3, device=device)
        matrix[:, 0, 0] = matrix[:, 1, 1] = zoom
        matrix[:, :, 2] = shift
        grid = functional.affine_grid(matrix, list(x.shape), align_corners=False)
        x = functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
        amount = (lot(0.25) * torch.rand(count, device=device) * 0.5)[:, None, None, None]
        soft = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
        x = x + amount * (soft - x)
        x = self.jpeg(x, lot(0.2) * (0.1 + torch.rand(count, device=device) * 0.9))
        contrast = 1 + lot(0.3) * (torch.rand(count, device=device) - 0.5) * 0.5
        bright = lot(0.3) * (torch.rand(count, device=device) - 0.5) * 0.3
        x = x * contrast[:, None, None, None] + bright[:, None, None, None]
        noise = (lot(0.2) * torch.rand(count, device=device) * 0.08)[:, None, None, None]
        x = x + noise * torch.randn(count, 1, *x.shape[2:], device=device)
        return x.clamp(-1, 1).permute(0, 2, 3, 1)

    def jpeg(self, x: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
        """What quantising the cosines of blocks of 8 x 8 px leaves; strength 0 leaves all.

        Args:
            x: float32 ``(batch, channels, height, width)`` in -1..1, both sides multiples of 8.
            strength: ``(batch,)``, the share of the standard's quantisation steps.
        """
        count, channels, height, width = x.shape
        blocks = (x * 127.5).view(count, channels, height // 8, 8, width // 8, 8)
        waves = torch.einsum("ua,nchawb,vb->nchuwv", self.cosines, blocks, self.cosines)
        step = (self.steps * strength[:, None, None]).clamp(min=0.5)[:, None, None, :, None, :]
        waves = (waves / step).round() * step
        back = torch.einsum("ua,nchuwv,vb->nchawb", self.cosines, waves, self.cosines)
        changed = back.reshape(x.shape) / 127.5
        return torch.where(strength[:, None, None, None] > 0, changed, x)

"""Pictures as they look where a part of a sheet's picture is enlarged: blurred, since it has no finer pixels.

Whoever reads a sheet in tiles, or a window of one, enlarges it; a drawing of the same size is sharper.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

FACTORS = (1.0, 1.25, 1.5, 1.75, 2.0)
"""How much a picture can be enlarged, by ``Chunk.enlarged``; the first one leaves it as it is."""


class Enlargement(torch.nn.Module):
    """Shrinks pictures to the pixels that they had and enlarges them again.

    Both are products with a matrix for each side, so that each picture of a batch has a factor of its own:
    the mean of the pixels that become one, and Pillow's bicubic enlargement, which tiles are made by.
    """

    def __init__(self) -> None:
        super().__init__()
        self._matrices: dict[int, torch.Tensor] = {}

    @torch.no_grad()
    def forward(self, pictures: torch.Tensor, enlarged: torch.Tensor) -> torch.Tensor:
        """Pictures of the same shape.

        Args:
            pictures: float32 ``(batch, height, width, 3)``.
            enlarged: int64 ``(batch,)``, places in ``FACTORS``.
        """
        with torch.autocast(pictures.device.type, enabled=False):
            rows, columns = (self._side(side, pictures.device)[enlarged] for side in pictures.shape[1:3])
            wide = torch.einsum("nyxc,nux->nyuc", pictures, columns)
            return torch.einsum("nyuc,nvy->nvuc", wide, rows)

    def _side(self, side: int, device: torch.device) -> torch.Tensor:
        """What becomes of a side of so many pixels by each factor, float32 ``(factors, side, side)``."""
        if side not in self._matrices:
            self._matrices[side] = torch.from_numpy(np.stack([_there_and_back(side, f) for f in FACTORS]))
        self._matrices[side] = self._matrices[side].to(device)
        return self._matrices[side]


def _there_and_back(side: int, factor: float) -> np.ndarray:
    """Row ``i`` says of which pixels of a side pixel ``i`` is made, float32 ``(side, side)``."""
    few = round(side / factor)
    each = Image.fromarray(np.eye(side, dtype=np.float32))
    shrunk = each.resize((side, few), Image.Resampling.BOX)
    return np.asarray(shrunk.resize((side, side), Image.Resampling.BICUBIC))

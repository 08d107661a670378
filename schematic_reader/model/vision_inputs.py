"""What the vision tower works out from the pictures' grids alone, ahead of its forward pass, on the host.

The tower itself does so on the device, picture by picture: thousands of small operations for a packed batch
of tiles, and several waits for the device, which then has nothing queued.
"""

from __future__ import annotations

import torch
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig
from transformers.vision_utils import get_vision_interpolation_indices_and_weights, get_vision_position_ids


def vision_inputs(grids: torch.Tensor, config: Qwen3VLVisionConfig) -> dict[str, torch.Tensor]:
    """Keyword arguments of the vision tower that replace its own computation of them.

    Args:
        grids: (temporal, height, width) of each image in patches, ``(images, 3)``.

    Returns:
        For N patches of all images ``position_ids``, int64 ``(N, 2)``, of the rotary embedding;
        ``interp_indices``, int32 ``(N, 4)``, and ``interp_weights``, float32 ``(N, 4)``: of the learned
        positions, each patch's four neighbours in their table and the share of each.
    """
    indices, weights = get_vision_interpolation_indices_and_weights(
        grids,
        num_grid_per_side=int(config.num_position_embeddings**0.5),
        mode="bilinear",
        align_corners=True,
        spatial_merge_size=config.spatial_merge_size,
    )
    return {
        "position_ids": get_vision_position_ids(grids, config.spatial_merge_size),
        "interp_indices": indices.int(),
        "interp_weights": weights,
    }

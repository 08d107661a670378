"""What a model is shown of the tiles of a sheet: of each, the part in which its core has something."""

from __future__ import annotations

from PIL import Image

from schematic_reader.io.page_frame import content_box, inside_frame
from schematic_reader.io.picture import Box, resized
from schematic_reader.io.tiles import MARGIN, Tiling


def shown_parts(picture: Image.Image, tiling: Tiling) -> dict[int, Box]:
    """By the number of a tile, what to show of it, in its pixels (``Tiling.cut``).

    It has all that the tile's core shows inside the page's frame, with the usual margin around it; a tile
    whose core shows nothing there is left out.

    Args:
        picture: the sheet's, RGB, of any size.
    """
    scaled = resized(picture, tiling.scaled)
    frame = [share * side for share, side in zip(inside_frame(scaled), tiling.scaled * 2, strict=True)]
    parts = {}
    for tile in range(len(tiling)):
        left, top, right, bottom = tiling.core(tile)
        x, y, to_x, to_y = inner = (
            round(max(left, frame[0])),
            round(max(top, frame[1])),
            round(min(right, frame[2])),
            round(min(bottom, frame[3])),
        )
        content = content_box(scaled.crop(inner)) if x < to_x and y < to_y else None
        if content:
            across, down = x - left + MARGIN, y - top + MARGIN  # from the tile's corner
            parts[tile] = tiling.around(
                (content[0] + across, content[1] + down, content[2] + across, content[3] + down)
            )
    return parts

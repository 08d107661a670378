"""The perceptual hash of a picture, by where its ink lies, and which hashes are alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from schematic_reader.union_find import UnionFind

GRID = 32
"""Cells a side of the perceptual hash, frame included."""

_FRAME = 2  # cells at each edge, which hold the drawing sheet's border on every sheet
_TITLE_ROWS, _TITLE_COLUMNS = 6, 14  # cells of KiCad's title block, 110 x 35 mm of an A4 sheet
_STEP = 2.0  # of 255; a single stroke through a cell of 35 x 25 pixels darkens it by 7 or more

_LEAST_INK = 24  # bits set, below which sheets are alike by chance
_TOLERANCE = 0.12  # differing bits over the bits set in the fuller of two hashes
_BANDS = 8  # parts of a hash, of which near twins must share one exactly
_COMPARED = 64  # latest sheets of a band with which a sheet is compared, so that time stays linear


def edges(length: int, parts: int) -> list[int]:
    """Where ``min(length, parts)`` nearly equal parts of ``length`` begin, and its end."""
    parts = min(length, parts)
    return [length * part // parts for part in range(parts + 1)]


def cell_sums(strips: np.ndarray) -> np.ndarray:
    """Sums over the pixels of each cell: rows x columns x 4, at most ``GRID`` x ``GRID + 1`` x 4, of uint64.

    Args:
        strips: strips x width x 4, the sums of each column of RGBA over the rows of each strip, which lie
            between ``edges(height, GRID)``.
    """
    cells: np.ndarray = np.add.reduceat(
        strips, edges(strips.shape[1], GRID + 1)[:-1], axis=1, dtype=np.uint64
    )
    return cells


def ink_hash(cells: np.ndarray, width: int, height: int) -> int:
    """Where ink begins and ends: a bit for each cell that is darker than its left neighbour.

    A difference hash of the page on white, ``GRID`` cells a side, without the drawing sheet's border and
    title block, which most sheets share.

    Args:
        cells: see ``cell_sums``.
        width, height: of the page in pixels.
    """
    area = np.diff(edges(height, GRID))[:, None] * np.diff(edges(width, GRID + 1))
    means = cells / area[..., None]
    # The mean of a product is not the product of means, but is where a cell is all clear or all opaque.
    ink = (255.0 - means[..., 1]) * means[..., 3] / 255.0
    rows, columns = (
        np.arange(cells) * found // cells for cells, found in zip((GRID, GRID + 1), ink.shape, strict=True)
    )
    darker = np.diff(ink[rows][:, columns], axis=1) > _STEP
    darker[:_FRAME] = darker[-_FRAME:] = False
    darker[:, :_FRAME] = darker[:, -_FRAME:] = False
    darker[-_FRAME - _TITLE_ROWS :, -_FRAME - _TITLE_COLUMNS :] = False
    return int.from_bytes(np.packbits(darker).tobytes(), "big")


def has_ink(bits: int) -> bool:
    """Whether a perceptual hash says enough to tell one sheet from another."""
    return bits.bit_count() >= _LEAST_INK


def similar(hashes: Sequence[int]) -> list[int]:
    """For each hash the index of the first one that it is like, directly or through others, or its own.

    Two are alike when few of their bits differ, against those that are set; hashes with little ink are like
    nothing. Pairs are looked for among hashes that share a whole band of bits.
    """
    clusters: UnionFind[int] = UnionFind()
    seen = _Bands()
    for index, bits in enumerate(hashes):
        for other in seen.candidates(bits):
            if _alike(bits, hashes[other]):
                clusters.union(other, index)
        seen.add(index, bits)
    return [clusters.find(index) for index in range(len(hashes))]


def like_any(known: Sequence[int], hashes: Sequence[int]) -> list[bool]:
    """Whether each of ``hashes`` is like one of ``known``.

    As ``similar`` sees it where ``known`` comes before ``hashes``: what is like nothing known here is tied to
    nothing known there.
    """
    seen = _Bands()
    for index, bits in enumerate(known):
        seen.add(index, bits)
    return [any(_alike(bits, known[other]) for other in seen.candidates(bits)) for bits in hashes]


class _Bands:
    """Hashes by their bands, of which near twins share one exactly; those with little ink are left out."""

    def __init__(self) -> None:
        self._buckets: defaultdict[tuple[int, int], list[int]] = defaultdict(list)

    def add(self, index: int, bits: int) -> None:
        for band in _bands(bits):
            self._buckets[band].append(index)

    def candidates(self, bits: int) -> Iterator[int]:
        """The latest added of each band of ``bits``."""
        for band in _bands(bits):
            yield from self._buckets[band][-_COMPARED:]


def _bands(bits: int) -> list[tuple[int, int]]:
    if not has_ink(bits):
        return []
    width = GRID * GRID // _BANDS
    parts = ((band, bits >> band * width & (1 << width) - 1) for band in range(_BANDS))
    return [(band, part) for band, part in parts if part]


def _alike(one: int, other: int) -> bool:
    most = max(one.bit_count(), other.bit_count())
    return (one ^ other).bit_count() <= _TOLERANCE * most

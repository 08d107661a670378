"""The perceptual hash of a picture (where its ink lies), and the near-duplicates among hashes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from schematic_reader.union_find import UnionFind

GRID = 32
"""Cells a side of the perceptual hash, frame included."""

_FRAME = 2  # cells at each edge, which hold the drawing sheet's border on every sheet
_TITLE_ROWS, _TITLE_COLUMNS = 6, 14  # cells of KiCad's title block, 110 x 35 mm of an A4 sheet
_STEP = 2.0  # grey levels of 255; a single stroke through a cell of 35 x 25 pixels darkens it by 7 or more

_MIN_BITS = 24  # bits set; below it two different sheets may have near hashes by chance
_TOLERANCE = 0.12  # Hamming distance over the larger number of bits set
_BANDS = 8  # bands of a hash, one of which near-duplicates must share exactly
_MAX_CANDIDATES = 64  # latest hashes of a band that a hash is compared with, so that time stays linear


def strip_bounds(length: int, parts: int) -> list[int]:
    """The bounds of ``min(length, parts)`` nearly equal strips of ``length``, the end included."""
    parts = min(length, parts)
    return [length * part // parts for part in range(parts + 1)]


def cell_sums(strips: np.ndarray) -> np.ndarray:
    """Sums over the pixels of each cell: rows x columns x 4, at most ``GRID`` x ``GRID + 1`` x 4, of uint64.

    Args:
        strips: strips x width x 4, the sums of each column of RGBA over the rows of each strip, which lie
            between ``strip_bounds(height, GRID)``.
    """
    cells: np.ndarray = np.add.reduceat(
        strips, strip_bounds(strips.shape[1], GRID + 1)[:-1], axis=1, dtype=np.uint64
    )
    return cells


def ink_of_cells(cells: np.ndarray, width: int, height: int) -> np.ndarray:
    """How dark the green of each cell is on white, 0 to 255.

    Args:
        cells: see ``cell_sums``.
        width, height: of the page in pixels.
    """
    area = np.diff(strip_bounds(height, GRID))[:, None] * np.diff(strip_bounds(width, GRID + 1))
    means = cells / area[..., None]
    # The mean of a product is not the product of means, but is where a cell is all clear or all opaque.
    ink: np.ndarray = (255.0 - means[..., 1]) * means[..., 3] / 255.0
    return ink


def ink_hash(cells: np.ndarray, width: int, height: int) -> int:
    """A difference hash (dHash): a bit for each cell that is darker than its left neighbour.

    The page is laid on white and has ``GRID`` cells a side; the drawing sheet's border and title block, which
    most sheets share, are masked out.

    Args:
        cells: see ``cell_sums``.
        width, height: of the page in pixels.
    """
    ink = ink_of_cells(cells, width, height)
    rows, columns = (
        np.arange(cells) * found // cells for cells, found in zip((GRID, GRID + 1), ink.shape, strict=True)
    )
    darker = np.diff(ink[rows][:, columns], axis=1) > _STEP
    darker[:_FRAME] = darker[-_FRAME:] = False
    darker[:, :_FRAME] = darker[:, -_FRAME:] = False
    darker[-_FRAME - _TITLE_ROWS :, -_FRAME - _TITLE_COLUMNS :] = False
    return int.from_bytes(np.packbits(darker).tobytes(), "big")


def has_ink(bits: int) -> bool:
    """Whether a perceptual hash has enough bits to tell one sheet from another."""
    return bits.bit_count() >= _MIN_BITS


def cluster_near_duplicates(hashes: Sequence[int]) -> list[int]:
    """For each hash the index of the first one in its cluster of near-duplicates.

    Two hashes are near when few of their bits differ, relative to the bits set; hashes with little ink are
    near to none. Candidate pairs share a whole band of bits (locality-sensitive hashing).
    """
    clusters: UnionFind[int] = UnionFind()
    index_of_bands = _BandIndex()
    for index, bits in enumerate(hashes):
        for other in index_of_bands.candidates(bits):
            if _near(bits, hashes[other]):
                clusters.union(other, index)
        index_of_bands.add(index, bits)
    return [clusters.find(index) for index in range(len(hashes))]


def near_any(known: Sequence[int], hashes: Sequence[int]) -> list[bool]:
    """Whether each of ``hashes`` is near to one of ``known``.

    Agrees with ``cluster_near_duplicates([*known, *hashes])``: a hash that is near to no known one is in no
    cluster of a known one.
    """
    index_of_bands = _BandIndex()
    for index, bits in enumerate(known):
        index_of_bands.add(index, bits)
    return [any(_near(bits, known[other]) for other in index_of_bands.candidates(bits)) for bits in hashes]


class _BandIndex:
    """Hashes by their bands, one of which near-duplicates share; those with little ink are left out."""

    def __init__(self) -> None:
        self._buckets: defaultdict[tuple[int, int], list[int]] = defaultdict(list)

    def add(self, index: int, bits: int) -> None:
        for band in _bands(bits):
            self._buckets[band].append(index)

    def candidates(self, bits: int) -> Iterator[int]:
        """The hashes last added under each band of ``bits``."""
        for band in _bands(bits):
            yield from self._buckets[band][-_MAX_CANDIDATES:]


def _bands(bits: int) -> list[tuple[int, int]]:
    if not has_ink(bits):
        return []
    width = GRID * GRID // _BANDS
    parts = ((band, bits >> band * width & (1 << width) - 1) for band in range(_BANDS))
    return [(band, part) for band, part in parts if part]


def _near(one: int, other: int) -> bool:
    most = max(one.bit_count(), other.bit_count())
    return (one ^ other).bit_count() <= _TOLERANCE * most

"""What the page about the data counts of the clean rows and of the message rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from schematic_reader.config import ImageLimits
from schematic_reader.io.parallel import ordered_map
from schematic_reader.io.picture import fitted_size
from schematic_reader.io.tables import SPLITS, RowGroup, clean_parts, readable, row_groups
from schematic_reader.io.tiles import tiling
from schematic_reader.kicad.reader import PAPER_SIZES
from schematic_reader.kicad.text_size import MIN_TEXT, TEXT_MM

NO_TEXT = "no KiCad text"
_PAPER = re.compile(r'\(paper\s+"(\w{1,12})"(?:\s+([\d.]{1,12})\s+([\d.]{1,12}))?(\s+portrait)?\s*\)')
_HEAD_CHARS = 5_000  # of a schematic text, in which the paper stands
_SAME_ASPECT = 0.01

Bars = list[tuple[str, float]]
"""Rows of a chart: a label and a number."""


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """One clean row.

    Attributes:
        symbols: placed on the sheet; None without a KiCad text.
        text_px: height in pixels of KiCad's usual text at the model's size; None where the picture is not
            known to show the whole paper.
    """

    id: str
    repository: str
    names: tuple[str, ...]
    paper: str
    symbols: int | None
    text_px: float | None


def read_facts(clean: Path, limits: ImageLimits, *, workers: int) -> dict[str, list[SheetFacts]]:
    """The facts of every clean row of each split, in order.

    Raises:
        UserError: a clean split is missing or damaged.
    """
    found = {}
    for split in SPLITS:
        groups = row_groups(clean_parts(clean, split), "clean-to-parquet")
        facts = ordered_map(partial(_group_facts, limits=limits), groups, workers=workers)
        found[split] = [one for group in facts for one in group]
    return found


def _group_facts(row_group: RowGroup, limits: ImageLimits) -> list[SheetFacts]:
    path, group = row_group
    columns = ["id", "name", "width", "height", "components", "schematic"]
    with readable(path, "clean-to-parquet"), pq.ParquetFile(path) as file:
        rows = file.read_row_group(group, columns=columns, use_threads=False).to_pylist()
    return [sheet_facts(row, limits) for row in rows]


def sheet_facts(row: Mapping[str, Any], limits: ImageLimits) -> SheetFacts:
    """The facts of a clean row."""
    text = row["schematic"] or ""
    paper, size = paper_of(text)
    return SheetFacts(
        row["id"],
        row["name"].strip().casefold(),
        tuple(row["components"]),
        paper,
        text.count("(lib_id ") if size else None,
        size and text_pixels(size, row["width"], row["height"], limits),
    )


def paper_of(text: str) -> tuple[str, tuple[float, float] | None]:
    """The paper of a KiCad text in words, and its width and height in mm; None where it has none."""
    found = _PAPER.search(text, 0, _HEAD_CHARS)
    if found is None:
        return NO_TEXT, None
    name, width, height, portrait = found.groups()
    if name in PAPER_SIZES:
        size = PAPER_SIZES[name]
        return (f"{name} portrait", (size[1], size[0])) if portrait else (name, size)
    try:
        size = (float(width), float(height))
    except (TypeError, ValueError):
        return NO_TEXT, None
    return (f"{size[0]:g} x {size[1]:g} mm", size) if min(size) > 0 else (NO_TEXT, None)


def text_pixels(paper: tuple[float, float], width: int, height: int, limits: ImageLimits) -> float | None:
    """The height in pixels of KiCad's usual text in the picture as the model gets it.

    Args:
        paper: width and height in mm.
        width, height: of the picture in pixels. None where they are not in the paper's proportion, so that
            the picture may show a part of it.
    """
    if abs(width / height / (paper[0] / paper[1]) - 1) > _SAME_ASPECT:
        return None
    tiles = tiling(width, height, limits)
    fitted = fitted_size(width, height, max_side=limits.max_side, max_pixels=limits.max_pixels)
    return TEXT_MM * (tiles.scaled if tiles else fitted)[0] / paper[0]


def papers(facts: Iterable[SheetFacts]) -> Bars:
    """Sheets by paper, the most frequent first."""
    return _ranked(Counter(one.paper for one in facts))


def symbol_bins(facts: Iterable[SheetFacts]) -> Bars:
    """Sheets by the number of symbols on them."""
    counts = [one.symbols for one in facts if one.symbols is not None]
    return _binned(counts, (0, 1, 5, 9, 17, 33, 65, 129, 257))


def text_bins(facts: Iterable[SheetFacts]) -> Bars:
    """Sheets by the height of their text in whole pixels, up to 12."""
    counts = Counter(min(12, int(one.text_px)) for one in facts if one.text_px is not None)
    return [
        (f"{low} px and more" if low == 12 else f"{low} to {low + 1} px", counts[low])
        for low in sorted(counts)
    ]


def too_small(facts: Iterable[SheetFacts]) -> int:
    """Sheets whose usual text is under what a model reads."""
    return sum(one.text_px is not None and one.text_px < MIN_TEXT for one in facts)


def name_counts(facts: Iterable[SheetFacts]) -> Counter[str]:
    """On how many sheets each name of a symbol is."""
    return Counter(name for one in facts for name in set(one.names))


def long_tail(counts: Mapping[str, int]) -> list[tuple[str, int, float, float]]:
    """Names by the number of sheets that have them: bin, names, share of the names, share of all uses."""
    rows = []
    uses = sum(counts.values())
    for label, low, high in _spans((1, 2, 3, 5, 11, 101)):
        found = [count for count in counts.values() if low <= count <= high]
        rows.append((label, len(found), len(found) / max(1, len(counts)), sum(found) / max(1, uses)))
    return rows


def quantiles(values: Sequence[int]) -> dict[str, int]:
    """Median, 90th percentile and largest, all 0 for none; each is one of the values."""
    ordered = sorted(values) or [0]
    picked = {
        name: ordered[-(-len(ordered) * share // 100) - 1] for name, share in (("median", 50), ("p90", 90))
    }
    return {**picked, "max": ordered[-1]}


def _binned(values: Iterable[int], starts: Sequence[int]) -> Bars:
    values = list(values)
    spans = [(label, sum(low <= value <= high for value in values)) for label, low, high in _spans(starts)]
    return [(label, count) for label, count in spans if count]


def _spans(starts: Sequence[int]) -> list[tuple[str, int, float]]:
    """Label, first and last number of each bin; the last bin has no end."""
    found: list[tuple[str, int, float]] = []
    for low, following in zip(starts, [*starts[1:], None], strict=True):
        if following is None:
            found.append((f"{low} and more", low, float("inf")))
        else:
            found.append(
                (str(low) if following == low + 1 else f"{low} to {following - 1}", low, following - 1)
            )
    return found


def _ranked(counts: Mapping[str, int]) -> Bars:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))

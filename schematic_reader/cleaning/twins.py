"""Which raw rows are twins of others: exact ones are dropped, near ones are tied, synthetic ones go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from schematic_reader.cleaning.examine import Found
from schematic_reader.cleaning.groups import Mark
from schematic_reader.cleaning.picture_hash import GRID, has_ink, like_any, similar


def mark_duplicates(rows: Iterable[Found]) -> Iterator[Found]:
    """Yield the rows in order, with ``duplicate`` on those whose content an earlier usable row has.

    The same content is the same schematic text but for whitespace, uuids, timestamps and dates, or the same
    pixels.
    """
    seen: set[tuple[str, bytes]] = set()
    for row in rows:
        contents = [("text", row.text_digest), ("pixels", row.pixel_digest)]
        if row.reason or seen.isdisjoint(content for content in contents if content[1]):
            if not row.reason:
                seen.update(contents)
            yield row
        else:
            yield replace(row, reason="duplicate")


def drop_synthetic_twins(rows: Sequence[Found]) -> list[Found]:
    """The rows in order, with ``synthetic_twin`` on synthetic ones that have something in common with others.

    That is: the repository or anything that ``marks`` would tie them by to a row of the source, so that these
    rows, their groups and their splits are the same whatever is drawn beside them.
    """
    usable = [row for row in rows if not row.reason]
    real = [row for row in usable if not row.synthetic]
    drawn = [row for row in usable if row.synthetic]
    hashes = [row.perceptual_hash for row in real]
    known = {content for row in real for content in _contents(row)}
    alike = like_any(hashes, [row.perceptual_hash for row in drawn])
    told = iter(
        replace(row, reason="synthetic_twin") if near or not known.isdisjoint(_contents(row)) else row
        for row, near in zip(drawn, alike, strict=True)
    )
    return [next(told) if row.synthetic and not row.reason else row for row in rows]


def _contents(row: Found) -> list[tuple[str, object]]:
    """What a row must share with no other to stand alone."""
    contents = {
        "repository": row.repository,
        "text": row.text_digest,
        "pixels": row.pixel_digest,
        "signature": row.signature,
        "perceptual_hash": has_ink(row.perceptual_hash) and row.perceptual_hash,
    }
    return [(kind, content) for kind, content in contents.items() if content]


def marks(rows: Sequence[Found]) -> list[list[Mark]]:
    """What ties each row to others beside its repository, by kind.

    Sheets on which next to nothing is drawn are not tied by their pixels: blank pages would tie everything.
    """
    hashes = [row.perceptual_hash for row in rows]
    found = []
    for row, first in zip(rows, similar(hashes), strict=True):
        seen = {
            "text": row.text_digest,
            "pixels": row.pixel_digest if row.perceptual_hash else b"",
            "signature": row.signature,
            "perceptual_hash": hashes[first].to_bytes(GRID * GRID // 8, "big")
            if has_ink(hashes[first])
            else b"",
        }
        found.append([(kind, digest) for kind, digest in seen.items() if digest])
    return found

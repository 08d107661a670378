"""Duplicates among raw rows: exact ones are dropped, near ones go into one split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from schematic_reader.cleaning.perceptual_hash import GRID, cluster_near_duplicates, has_ink, near_any
from schematic_reader.cleaning.row_facts import RowFacts
from schematic_reader.cleaning.split_groups import ContentKey


def mark_duplicates(rows: Iterable[RowFacts]) -> Iterator[RowFacts]:
    """Yield the rows in order, ``duplicate`` where an earlier usable row has the same content.

    Content is the schematic text without whitespace, uuids, timestamps and dates, or the pixels.
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


def drop_synthetic_twins(rows: Sequence[RowFacts]) -> list[RowFacts]:
    """The rows in order, ``synthetic_twin`` on synthetic near-duplicates of the source's rows.

    A synthetic row goes if it shares its repository or any of its ``content_keys`` with a row of the source.
    So the source's rows, their groups and their splits do not depend on the synthetic ones.
    """
    usable = [row for row in rows if not row.reason]
    real = [row for row in usable if not row.synthetic]
    drawn = [row for row in usable if row.synthetic]
    hashes = [row.perceptual_hash for row in real]
    known = {content for row in real for content in _contents(row)}
    near = near_any(hashes, [row.perceptual_hash for row in drawn])
    checked = iter(
        replace(row, reason="synthetic_twin") if is_near or not known.isdisjoint(_contents(row)) else row
        for row, is_near in zip(drawn, near, strict=True)
    )
    return [next(checked) if row.synthetic and not row.reason else row for row in rows]


def _contents(row: RowFacts) -> list[tuple[str, object]]:
    """The (kind, content) pairs that link a row to every row with an equal one."""
    contents = {
        "repository": row.repository,
        "text": row.text_digest,
        "pixels": row.pixel_digest,
        "signature": row.signature,
        "perceptual_hash": has_ink(row.perceptual_hash) and row.perceptual_hash,
    }
    return [(kind, content) for kind, content in contents.items() if content]


def content_keys(rows: Sequence[RowFacts]) -> list[list[ContentKey]]:
    """The content keys of each row: a (kind, digest) pair for each kind of content that it has.

    Nearly blank pictures have no key of their pixels, since blank pages would link all repositories.
    """
    hashes = [row.perceptual_hash for row in rows]
    found = []
    for row, first in zip(rows, cluster_near_duplicates(hashes), strict=True):
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

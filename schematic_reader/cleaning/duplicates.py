"""Duplicates among raw rows: exact ones are dropped, near ones go into one split."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from schematic_reader.cleaning.perceptual_hash import GRID, cluster_near_duplicates, has_ink, near_any
from schematic_reader.cleaning.row_facts import IN_TEST_SET, RowFacts
from schematic_reader.cleaning.split_groups import ContentKey


def mark_duplicates(rows: Sequence[RowFacts]) -> list[RowFacts]:
    """The rows in order, ``duplicate`` where an earlier usable row has the same content.

    Content is the schematic text without whitespace, uuids, timestamps and dates, or the pixels. Rows of the
    fixed test set count as earlier than all others, so that which of them are kept depends on them alone.
    """
    seen: set[tuple[str, bytes]] = set()
    marked = list(rows)
    for index in sorted(range(len(rows)), key=lambda index: not rows[index].fixed_test):
        row = rows[index]
        contents = [("text", row.text_digest), ("pixels", row.pixel_digest)]
        if not row.reason and seen.isdisjoint(content for content in contents if content[1]):
            seen.update(contents)
        elif not row.reason:
            marked[index] = replace(row, reason="duplicate")
    return marked


def drop_test_groups(rows: Iterable[RowFacts], test_repositories: Collection[str]) -> list[RowFacts]:
    """The rows in order, ``IN_TEST_SET`` on rows of the source that are connected with the fixed test set.

    Args:
        test_repositories: all repositories of the groups that hold a row of the fixed test set.
    """
    return [
        replace(row, reason=IN_TEST_SET)
        if not (row.reason or row.fixed_test or row.synthetic) and row.repository in test_repositories
        else row
        for row in rows
    ]


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

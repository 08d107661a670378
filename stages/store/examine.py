"""Which raw rows are usable, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stages.store.picture import PictureError, decode_picture
from stages.store.tables import RowGroup

REASONS = (
    "no_components",  # null, empty, or nothing but blanks and nulls
    "bad_text",  # a text is not UTF-8
    "no_name",  # without its repository a row cannot be kept out of another split
    "image_missing",  # null or no bytes
    "too_large",  # the picture in pixels or a text in characters
    "image_corrupt",  # does not decode to its end
    "duplicate",  # the schematic text, or picture and components, of an earlier row that is kept
)
"""Why a row is dropped, in the order in which it is asked; the first that applies counts."""

_TEXTS = ("schematic", "json", "yaml", "name", "description", "type")
_LONG_TEXTS = ("schematic", "json", "yaml")


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a raw row without its texts and its picture.

    Attributes:
        listed: the source's list of components: ``null``, ``empty`` or ``given``.
        has_schematic: whether there is a schematic text.
        reason: why the row is dropped, empty where it is usable. Duplicates are found later.
        components: stripped names in the source's order, each once.
        repaired: whether ``components`` is not what the source lists.
        id: see ``content_id``.
        repository: the name without outer blanks, in the case that GitHub takes for the same.
        text_digest, picture_digest: SHA-256; empty where there is no text.
        width, height: in pixels.
    """

    listed: str
    has_schematic: bool
    reason: str = ""
    components: tuple[str, ...] = ()
    repaired: bool = False
    id: str = ""
    repository: str = ""
    text_digest: bytes = b""
    picture_digest: bytes = b""
    width: int = 0
    height: int = 0

    @property
    def digests(self) -> list[bytes]:
        """What ties the row to others beside its repository."""
        return [digest for digest in (self.text_digest, self.picture_digest) if digest]


def examine_group(place: RowGroup, *, max_pixels: int, max_text_chars: int) -> list[Found]:
    """Examine every row of one row group of a raw shard."""
    path, group = place
    with pq.ParquetFile(path) as file:
        table = file.read_row_group(group, use_threads=False)
    # As bytes, since nothing has made sure yet that they are UTF-8.
    columns = {name: table.column(name).cast(pa.binary()).to_pylist() for name in _TEXTS}
    columns["components_used"] = table.column("components_used").cast(pa.list_(pa.binary())).to_pylist()
    columns["image"] = pc.struct_field(table.column("image"), "bytes").to_pylist()
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    return [examine(row, max_pixels=max_pixels, max_text_chars=max_text_chars) for row in rows]


def examine(row: dict[str, Any], *, max_pixels: int, max_text_chars: int) -> Found:
    """Examine one raw row, whose texts and image are bytes or None and whose components a list of such."""
    listed = row["components_used"]
    about = Found("null" if listed is None else "given" if listed else "empty", bool(row["schematic"]))
    try:
        components = clean_components(listed or [])
        if not components:
            return replace(about, reason="no_components")
        texts = {name: row[name].decode("utf-8") for name in _TEXTS if row[name] is not None}
    except UnicodeDecodeError:
        return replace(about, reason="bad_text")
    repository = texts.get("name", "").strip().casefold()
    if not repository:
        return replace(about, reason="no_name")
    image = row["image"]
    if not image:
        return replace(about, reason="image_missing")
    if any(len(texts.get(name, "")) > max_text_chars for name in _LONG_TEXTS):
        return replace(about, reason="too_large")
    try:
        width, height = decode_picture(image, max_pixels=max_pixels).size
    except PictureError as error:
        return replace(about, reason=error.reason)
    schematic = row["schematic"]
    return replace(
        about,
        components=components,
        repaired=[name.encode() for name in components] != listed,
        id=content_id(schematic, image, components),
        repository=repository,
        text_digest=sha256(schematic).digest() if schematic and schematic.strip() else b"",
        picture_digest=sha256(image).digest(),
        width=width,
        height=height,
    )


def clean_components(listed: Iterable[bytes | None]) -> tuple[str, ...]:
    """The names without outer blanks, in their order, each once; nulls and blanks are left out.

    Raises:
        UnicodeDecodeError: a name is not UTF-8.
    """
    names = (name.decode("utf-8").strip() for name in listed if name is not None)
    return tuple(dict.fromkeys(name for name in names if name))


def content_id(schematic: bytes | None, image: bytes, components: Iterable[str]) -> str:
    """The first 16 hex digits of the SHA-256 of a row's content, the same on every machine.

    Hashed are, one after the other, the schematic text, the picture's bytes and each component in UTF-8, each
    behind its length as 8 bytes, most significant first; a null schematic is hashed as 8 bytes of 255.
    """
    digest = sha256()
    for field in (schematic, image, *(name.encode() for name in components)):
        digest.update(b"\xff" * 8 if field is None else len(field).to_bytes(8, "big") + field)
    return digest.hexdigest()[:16]


def mark_duplicates(rows: Iterable[Found]) -> Iterator[Found]:
    """Yield the rows in order, with ``duplicate`` on those whose content an earlier usable row has.

    The same content is the same schematic text, or the same picture with the same components.
    """
    seen: set[bytes | tuple[bytes, tuple[str, ...]]] = set()
    for row in rows:
        if row.reason:
            yield row
            continue
        contents = [content for content in (row.text_digest, (row.picture_digest, row.components)) if content]
        if seen.isdisjoint(contents):
            seen.update(contents)
            yield row
        else:
            yield replace(row, reason="duplicate")

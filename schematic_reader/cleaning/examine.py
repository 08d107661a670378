"""Which raw rows are usable, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schematic_reader.cleaning.picture_scan import scan_picture
from schematic_reader.cleaning.sheet_text import SheetSymbols, is_kicad_sheet, signature, text_digest
from schematic_reader.io.picture import PictureError
from schematic_reader.io.raw import is_synthetic
from schematic_reader.io.tables import RowGroup

REASONS = (
    "no_components",  # null, empty, or nothing but blanks and nulls
    "bad_text",  # a text is not UTF-8
    "no_name",  # without its repository a row cannot be kept out of another split
    "image_missing",  # null or no bytes
    "too_large",  # the picture in pixels or a text in characters
    "image_corrupt",  # does not decode to its end
    "mismatch",  # the components are not those of the schematic text, where clean.mismatch says drop
    "synthetic_twin",  # drawn for training, and too much like a row of the source
    "duplicate",  # the schematic text but for chance, or the pixels, of an earlier row that is kept
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
        mismatched: whether the source's list is not that of the row's own schematic text.
        text_digest, pixel_digest, signature: empty where there is none; see ``sheet_text`` and
            ``picture_scan``.
        perceptual_hash: 0 where nothing is to be seen.
        width, height: in pixels.
        synthetic: whether the row was drawn for training alone.
    """

    listed: str
    has_schematic: bool
    reason: str = ""
    components: tuple[str, ...] = ()
    repaired: bool = False
    id: str = ""
    repository: str = ""
    mismatched: bool = False
    text_digest: bytes = b""
    pixel_digest: bytes = b""
    signature: bytes = b""
    perceptual_hash: int = 0
    width: int = 0
    height: int = 0
    synthetic: bool = False


@dataclass(frozen=True)
class Limits:
    """What of ``clean`` of params.yaml decides on a single row."""

    max_pixels: int
    max_text_chars: int
    mismatch: Literal["keep", "drop", "repair"]


def examine_group(place: RowGroup, limits: Limits) -> list[Found]:
    """Examine every row of one row group of a raw shard."""
    path, group = place
    with pq.ParquetFile(path) as file:
        table = file.read_row_group(group, use_threads=False)
    # As bytes, since nothing has made sure yet that they are UTF-8.
    listed = table.column("components_used").cast(pa.list_(pa.binary())).to_pylist()
    texts = pc.fill_null(pc.greater(pc.binary_length(table.column("schematic").cast(pa.binary())), 0), False)
    found = [
        Found(
            "null" if names is None else "given" if names else "empty",
            has_schematic,
            synthetic=is_synthetic(path),
        )
        for names, has_schematic in zip(listed, texts.to_pylist(), strict=True)
    ]
    columns = {name: table.column(name).cast(pa.binary()) for name in _TEXTS}
    columns["image"] = pc.struct_field(table.column("image"), "bytes")
    for index, names in enumerate(listed):
        if names:  # of the others, which are more than half of the real rows, nothing is even copied
            row = {name: column[index].as_py() for name, column in columns.items()}
            found[index] = examine(found[index], row, names, limits)
    return [about if about.listed == "given" else replace(about, reason="no_components") for about in found]


def examine(about: Found, row: dict[str, Any], listed: list[bytes | None], limits: Limits) -> Found:
    """Complete what is known of a raw row, whose texts and image are bytes or None."""
    try:
        components = clean_components(listed)
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
    if any(len(texts.get(name, "")) > limits.max_text_chars for name in _LONG_TEXTS):
        return replace(about, reason="too_large")
    try:
        seen = scan_picture(image, max_pixels=limits.max_pixels)
    except PictureError as error:
        return replace(about, reason=error.reason)
    schematic = row["schematic"] or b""
    symbols = SheetSymbols(schematic) if is_kicad_sheet(schematic) else None
    mismatched = symbols is not None and not symbols.agrees(components)
    if symbols is not None and mismatched and limits.mismatch == "repair":
        components = clean_components(name.encode() for name in symbols.used)
    if mismatched and (limits.mismatch == "drop" or not components):
        return replace(about, reason="mismatch", mismatched=True)
    return replace(
        about,
        components=components,
        repaired=[name.encode() for name in components] != listed,
        id=content_id(row["schematic"], image, components),
        repository=repository,
        mismatched=mismatched,
        text_digest=text_digest(schematic),
        pixel_digest=seen.pixel_digest,
        signature=signature(schematic, row["json"] or b"", symbols),
        perceptual_hash=seen.perceptual_hash,
        width=seen.width,
        height=seen.height,
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

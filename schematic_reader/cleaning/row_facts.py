"""Inspect one raw row: its facts, and the reason why it is dropped if it is unusable."""

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
from schematic_reader.io.manifest import is_fixed_test, is_synthetic
from schematic_reader.io.picture import PictureError, check_shape
from schematic_reader.io.sheet_texts import without_blobs, without_bom
from schematic_reader.io.tables import RAW, RowGroup, readable

REASONS = (
    "no_components",  # null, empty, or nothing but blanks and nulls
    "bad_text",  # a text is not UTF-8
    "no_name",  # without its repository a row cannot be kept out of another split
    "image_missing",  # null or no bytes
    "too_long",  # a text in characters, its embedded pictures and files left out
    "too_large",  # the picture in pixels
    "image_corrupt",  # does not decode to its end
    "too_small",  # a side under ``picture.MIN_SIDE``
    "too_narrow",  # one side over ``picture.MAX_ASPECT`` times the other
    "blank",  # a page without contrast
    "mismatch",  # the components are not those of the schematic text, where clean.mismatch says drop
    "synthetic_twin",  # drawn for training, and a near-duplicate of a row of the source
    "duplicate",  # a row kept before it has the same schematic text, normalized, or the same pixels
)
"""Why a row is dropped, in the order of the checks; the first that applies is counted."""

IN_TEST_SET = "in_test_set"
"""Why a row of the source is dropped behind these checks: its group has a row of the fixed test set."""

TEXTS = ("schematic", "json", "yaml", "name", "description", "type")
_LONG_TEXTS = ("schematic", "json", "yaml")


@dataclass(frozen=True, slots=True)
class RowFacts:
    """Facts of a raw row that are small enough to hold for all rows: neither texts nor picture.

    Attributes:
        listed: the source's list of components: ``null``, ``empty`` or ``given``.
        has_schematic: whether there is a schematic text.
        reason: why the row is dropped, empty where it is usable. Duplicates are found later.
        components: stripped names in the source's order, each once.
        repaired: whether ``components`` is not what the source lists.
        id: see ``content_id``.
        repository: the name without outer blanks, in the case that GitHub takes for the same.
        mismatched: whether the source's list is not that of the row's own schematic text.
        text_edited: whether a text of the clean row is not the raw row's, see ``clean_text``.
        text_digest, pixel_digest, signature: empty where there is none; see ``sheet_text`` and
            ``picture_scan``.
        perceptual_hash: 0 for a blank picture.
        width, height: in pixels.
        frames: the frames or pages that the picture's file holds, of which the first is used.
        synthetic: whether the row was drawn for training alone.
        fixed_test: whether the row is one of the fixed test set, ``data.test_path``.
    """

    listed: str
    has_schematic: bool
    reason: str = ""
    components: tuple[str, ...] = ()
    repaired: bool = False
    id: str = ""
    repository: str = ""
    mismatched: bool = False
    text_edited: bool = False
    text_digest: bytes = b""
    pixel_digest: bytes = b""
    signature: bytes = b""
    perceptual_hash: int = 0
    width: int = 0
    height: int = 0
    frames: int = 1
    synthetic: bool = False
    fixed_test: bool = False


@dataclass(frozen=True)
class RowLimits:
    """The keys of ``clean`` in params.yaml that decide on a single row."""

    max_pixels: int
    max_text_chars: int
    mismatch: Literal["keep", "drop", "repair"]


def inspect_row_group(row_group: RowGroup, limits: RowLimits) -> list[RowFacts]:
    """Inspect every row of one row group of a raw shard."""
    path, group = row_group
    with readable(path, "fetch"), pq.ParquetFile(path) as file:
        table = file.read_row_group(group, use_threads=False).select(RAW.names)
    # As bytes: the texts are not known to be UTF-8 yet.
    listed = table.column("components_used").cast(pa.list_(pa.binary())).to_pylist()
    texts = pc.fill_null(pc.greater(pc.binary_length(table.column("schematic").cast(pa.binary())), 0), False)
    found = [
        RowFacts(
            "null" if names is None else "given" if names else "empty",
            has_schematic,
            synthetic=is_synthetic(path),
            fixed_test=is_fixed_test(path),
        )
        for names, has_schematic in zip(listed, texts.to_pylist(), strict=True)
    ]
    columns = {name: table.column(name).cast(pa.binary()) for name in TEXTS}
    columns["image"] = pc.struct_field(table.column("image"), "bytes")
    for index, names in enumerate(listed):
        if names:  # rows without names (over half of the real data) are dropped before their blobs are copied
            row = {name: column[index].as_py() for name, column in columns.items()}
            found[index] = inspect_row(found[index], row, names, limits)
    return [facts if facts.listed == "given" else replace(facts, reason="no_components") for facts in found]


def inspect_row(
    facts: RowFacts, row: dict[str, Any], listed: list[bytes | None], limits: RowLimits
) -> RowFacts:
    """Complete the facts of a raw row, whose texts and image are bytes or None."""
    try:
        components = clean_components(listed)
        if not components:
            return replace(facts, reason="no_components")
        given = {name: row[name].decode("utf-8") for name in TEXTS if row[name] is not None}
    except UnicodeDecodeError:
        return replace(facts, reason="bad_text")
    texts = {name: clean_text(text, name) for name, text in given.items()}
    repository = texts.get("name", "").strip().casefold()
    if not repository:
        return replace(facts, reason="no_name")
    image = row["image"]
    if not image:
        return replace(facts, reason="image_missing")
    if any(len(texts.get(name, "")) > limits.max_text_chars for name in _LONG_TEXTS):
        return replace(facts, reason="too_long")
    try:
        scan = scan_picture(image, max_pixels=limits.max_pixels)
        check_shape(scan.width, scan.height)
    except PictureError as error:
        return replace(facts, reason=error.reason)
    if scan.blank:
        return replace(facts, reason="blank")
    schematic = texts.get("schematic", "").encode()
    symbols = SheetSymbols(schematic) if is_kicad_sheet(schematic) else None
    mismatched = symbols is not None and not symbols.agrees(components)
    if symbols is not None and mismatched and limits.mismatch == "repair":
        components = clean_components(name.encode() for name in symbols.used)
    if mismatched and (limits.mismatch == "drop" or not components):
        return replace(facts, reason="mismatch", mismatched=True)
    return replace(
        facts,
        components=components,
        repaired=[name.encode() for name in components] != listed,
        id=content_id(row["schematic"], image, components),
        text_edited=texts != given,
        repository=repository,
        mismatched=mismatched,
        text_digest=text_digest(schematic),
        pixel_digest=scan.pixel_digest,
        signature=signature(schematic, texts.get("json", "").encode(), symbols),
        perceptual_hash=scan.perceptual_hash,
        width=scan.width,
        height=scan.height,
        frames=scan.frames,
    )


def clean_text(text: str, column: str) -> str:
    """A text of a raw row as the clean row has it: without byte-order mark, its embedded files empty."""
    text = without_bom(text)
    return without_blobs(text, column) if column in _LONG_TEXTS else text


def clean_components(listed: Iterable[bytes | None]) -> tuple[str, ...]:
    """The names stripped, in their order, each once; nulls and blank names are left out.

    Raises:
        UnicodeDecodeError: a name is not UTF-8.
    """
    names = (name.decode("utf-8").strip() for name in listed if name is not None)
    return tuple(dict.fromkeys(name for name in names if name))


def content_id(schematic: bytes | None, image: bytes, components: Iterable[str]) -> str:
    """The first 16 hex digits of the SHA-256 of a row's content, the same on every machine.

    Hashed are the schematic text, the picture's bytes and each component in UTF-8, each after its length as
    8 bytes, big-endian; a null schematic is hashed as 8 bytes of 255.
    """
    digest = sha256()
    for field in (schematic, image, *(name.encode() for name in components)):
        digest.update(b"\xff" * 8 if field is None else len(field).to_bytes(8, "big") + field)
    return digest.hexdigest()[:16]

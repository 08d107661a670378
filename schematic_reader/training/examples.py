"""The message rows that are trained on or validated with, and their length in tokens."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schematic_reader.cli import UserError
from schematic_reader.config import Params
from schematic_reader.io.tables import read_messages
from schematic_reader.model.encode import Encoded, Encoder
from schematic_reader.model.sheet_images import SheetImages

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Examples:
    """Message rows of one split that fit into a packed batch, with their pictures.

    Args:
        lengths: tokens of each row's sample, image placeholders included.
        answer_lengths: how many of them are answer tokens, which carry a loss.
        dropped: ids of rows that are too long.
    """

    rows: list[dict[str, Any]]
    sheets: SheetImages
    lengths: list[int]
    answer_lengths: list[int]
    dropped: list[str]

    def count_sheets(self) -> int:
        """The sheets that the rows are about, whole or in tiles."""
        return len({row["id"] for row in self.rows})

    def encode(self, index: int, encoder: Encoder) -> Encoded:
        """The sample of row ``index``, its picture decoded."""
        row = self.rows[index]
        return encoder.encode_sample([self.sheets.picture(row)], row["messages"])


def sample_id(row: dict[str, Any]) -> str:
    """The name of what a message row shows: a sheet, or a tile of one."""
    return str(row["id"]) if row["tile"] is None else f"{row['id']}-{row['tile']}"


def select_examples(
    rows: list[dict[str, Any]], sheets: SheetImages, encoder: Encoder, *, max_length: int, max_sheets: int
) -> Examples:
    """The rows of the first ``max_sheets`` sheets by id that fit into ``max_length`` tokens.

    Of a sheet that is cut these are the rows of its tiles. Ids are content hashes, so their order is as good
    as random and does not depend on a seed. A row whose image, prompt and answer do not fit is dropped whole:
    truncation would teach a wrong answer or lose image placeholders.
    """
    examples = Examples([], sheets, [], [], [])
    trained = [row for row in rows if row["tile"] is not None or row["tiles"] == 1]
    chosen = set[str]()
    for row in sorted(trained, key=lambda row: (row["id"], row["tile"] or 0)):
        if len(chosen) == max_sheets and row["id"] not in chosen:
            break
        prompt, answer = encoder.sample_lengths([sheets.size(row)], row["messages"])
        if prompt + answer > max_length:
            examples.dropped.append(sample_id(row))
        else:
            chosen.add(row["id"])
            examples.rows.append(row)
            examples.lengths.append(prompt + answer)
            examples.answer_lengths.append(answer)
    return examples


def read_splits(messages: Path, clean: Path, params: Params, encoder: Encoder) -> dict[str, Examples]:
    """The examples of the train and validation splits.

    Args:
        messages: the folder of message rows, ``data/messages``.
        clean: the folder of the clean splits with the pictures, ``data/clean``.

    Raises:
        UserError: no sheet of a split fits into a packed batch, or all are cut and none tells what is on
            its tiles.
    """
    profile = params.active.train
    splits = {}
    for split, max_sheets in (("train", profile.max_sheets), ("validation", params.train.validation_sheets)):
        examples = select_examples(
            read_messages(messages, split, tiles=True),
            SheetImages(clean, split, params.active.image),
            encoder,
            max_length=profile.packed_length,
            max_sheets=max_sheets,
        )
        if examples.dropped:
            log.warning(
                "%s: %d sheets are longer than train.packed_length (%d tokens) and dropped: %s",
                split,
                len(examples.dropped),
                profile.packed_length,
                ", ".join(examples.dropped),
            )
        if not (examples.rows or examples.dropped):
            raise UserError(
                f"every {split} sheet is cut into tiles, and none has one to train on (no_places in "
                "metrics/messages.json): give sheets with KiCad text, or set the profile's image.tiles to 1"
            )
        if not examples.rows:
            raise UserError(
                f"every {split} sheet is longer than the profile's train.packed_length "
                f"({profile.packed_length} tokens): raise it, or lower its image.max_pixels or "
                "messages.max_target_chars"
            )
        splits[split] = examples
    return splits

"""The message rows that are trained on or whose loss is measured, with their length in tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schematic_reader.model.encode import Encoded, Encoder
from schematic_reader.model.sheets import Sheets


@dataclass(frozen=True)
class Examples:
    """Message rows of one split that fit into a row of tokens, with their pictures.

    ``lengths`` and ``answers`` hold each row's tokens and how many of them carry a loss; ``dropped`` the ids
    of rows that are too long.
    """

    rows: list[dict[str, Any]]
    sheets: Sheets
    lengths: list[int]
    answers: list[int]
    dropped: list[str]

    def encode(self, index: int, encoder: Encoder) -> Encoded:
        """The sample of row ``index``, its picture decoded."""
        row = self.rows[index]
        return encoder.encode_sample([self.sheets.picture(row)], row["messages"])


def choose_examples(
    rows: list[dict[str, Any]], sheets: Sheets, encoder: Encoder, *, budget: int, max_sheets: int
) -> Examples:
    """The first ``max_sheets`` rows by id whose picture, prompt and answer fit into ``budget`` tokens.

    Ids are content hashes, so their order is as good as random and does not depend on a seed. A row that does
    not fit is left out whole: cutting it would teach a wrong answer or lose placeholders of its picture.
    """
    chosen = Examples([], sheets, [], [], [])
    for row in sorted(rows, key=lambda row: row["id"]):
        if len(chosen.rows) == max_sheets:
            break
        length = encoder.length([sheets.size(row)], row["messages"])
        if length > budget:
            chosen.dropped.append(row["id"])
        else:
            chosen.rows.append(row)
            chosen.lengths.append(length)
            chosen.answers.append(len(encoder.answer_ids(row["target"])))
    return chosen

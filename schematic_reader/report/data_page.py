"""``metrics/data.html``: the data as one page that opens from disk without a network.

What cleaning kept and dropped, the splits, sizes of sheets, names, lengths of targets, near-duplicates side
by side, and some chats token by token. As the report it has no script and escapes what the data set says; the
same data give the same bytes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schematic_reader.cli import UserError
from schematic_reader.config import Params
from schematic_reader.io.files import damaged_json, read_json
from schematic_reader.io.tables import SPLITS, Pictures, read_messages
from schematic_reader.kicad.text_size import MIN_TEXT, TEXT_MM
from schematic_reader.report import svg
from schematic_reader.report.data_facts import (
    SheetFacts,
    long_tail,
    name_counts,
    papers,
    quantiles,
    read_facts,
    symbol_bins,
    text_bins,
    too_small,
)
from schematic_reader.report.pictures import image_uri, picture_uri
from schematic_reader.report.templates import load_template
from schematic_reader.report.tokens import ChatTokens, ShownToken

_TEMPLATE = Path(__file__).with_name("data.html")

CHATS = 12
"""Sheets of training that are shown with their tokens."""

MAX_TOKENS = 800
"""Tokens of one chat that are shown: with the pictures a page stays under 10 MB."""

_TOP = 25  # names and repositories in a list
_NAME_CHARS = 80
_PAIR_SIDE = 700  # pixels of the longer side of a near-duplicate

_Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ShownChat:
    """A sheet with the chat that is trained on.

    Attributes:
        picture: a data URI, as large as the model gets it.
        tokens: of the chat; empty without a tokenizer.
        more: tokens that are left out.
    """

    row: _Row
    size: tuple[int, int]
    picture: str
    tokens: list[ShownToken]
    more: int


def data_page(clean: Path, messages: Path, cleaning: Path, params: Params, *, workers: int) -> str:
    """The page.

    Args:
        clean, messages: the folders of the clean rows and of the message rows, ``data/clean`` and
            ``data/messages``.
        cleaning: what ``cleaning_examples`` told, ``data/cleaning.json``.

    Raises:
        UserError: one of them is missing, damaged or does not fit the others.
    """
    limits = params.active.image
    record = read_json(cleaning, "clean-to-parquet", ("rows_read", "rows_kept", "dropped", "near_duplicates"))
    facts = read_facts(clean, limits, workers=workers)
    rows = {split: read_messages(messages, split, tiles=True) for split in SPLITS}
    tokens, missing = _tokenizer(params)
    every = [one for split in SPLITS for one in facts[split]]
    try:
        dropped = sorted(record["dropped"].items(), key=lambda pair: (-pair[1]["rows"], pair[0]))
        pairs = _pairs(record["near_duplicates"], clean, rows)
    except (KeyError, TypeError, AttributeError):
        raise damaged_json(cleaning, "clean-to-parquet") from None
    return load_template(_TEMPLATE).render(
        task=params.task,
        form=params.messages.form,
        record=record,
        dropped=dropped,
        splits=[_split(split, facts[split], rows[split]) for split in SPLITS],
        charts=_charts(every),
        sizes=_sizes(every),
        limits=limits,
        min_text=MIN_TEXT,
        text_mm=TEXT_MM,
        names=_names(facts),
        lengths=_lengths(rows, params.messages.max_target_chars, tokens),
        max_target_chars=params.messages.max_target_chars,
        pairs=pairs,
        chats=_chats(rows["train"], clean, params, tokens),
        tokenizer=missing,
        name_chars=_NAME_CHARS,
        top=_TOP,
    )


def _tokenizer(params: Params) -> tuple[ChatTokens | None, str]:
    """The base model's tokenizer, or why it is not at hand."""
    model = params.active.model
    try:
        return ChatTokens(model.base, model.revision), ""
    except FileNotFoundError as error:
        return None, f"{model.base} has no {error} on this machine"
    except (UserError, ValueError, KeyError) as error:
        return None, f"{model.base}: {error}"


def _split(split: str, facts: Sequence[SheetFacts], rows: Sequence[_Row]) -> dict[str, Any]:
    repositories = Counter(one.repository for one in facts)
    listed = sorted(repositories.items(), key=lambda pair: (-pair[1], pair[0]))
    return {
        "name": split,
        "sheets": len(facts),
        "repositories": len(listed),
        "rows": len(rows),
        "largest": listed[:_TOP],
        "more": max(0, len(listed) - _TOP),
    }


def _sizes(facts: Sequence[SheetFacts]) -> dict[str, int]:
    """How many sheets the charts are of."""
    return {
        "sheets": len(facts),
        "symbols": sum(one.symbols is not None for one in facts),
        "text": sum(one.text_px is not None for one in facts),
        "too_small": too_small(facts),
    }


def _charts(facts: Sequence[SheetFacts]) -> list[tuple[str, str]]:
    charts = (
        ("Sheets by paper", papers(facts)[:_TOP]),
        ("Sheets by number of symbols", symbol_bins(facts)),
        ("Sheets by height of text", text_bins(facts)),
    )
    return [(title, svg.ranked(bars, title, tone="s1")) for title, bars in charts]


def _names(facts: Mapping[str, Sequence[SheetFacts]]) -> dict[str, Any]:
    counts = {split: name_counts(facts[split]) for split in SPLITS}
    total: Counter[str] = sum(counts.values(), Counter())
    ranked = sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))
    title = "Names by number of sheets"
    return {
        "distinct": len(total),
        "chart": (title, svg.ranked(ranked[:_TOP], title, tone="s1")),
        "tail": long_tail(total),
        "unseen": [_unseen(split, counts[split], counts["train"]) for split in ("validation", "test")],
    }


def _unseen(split: str, counts: Counter[str], known: Mapping[str, int]) -> dict[str, Any]:
    """Names of a split that no training sheet has."""
    found = sorted(
        ((name, count) for name, count in counts.items() if name not in known),
        key=lambda pair: (-pair[1], pair[0]),
    )
    uses = sum(count for _, count in found)
    return {
        "split": split,
        "names": len(found),
        "share": len(found) / max(1, len(counts)),
        "uses": uses / max(1, counts.total()),
        "examples": [name for name, _ in found[:_TOP]],
    }


def _lengths(
    rows: Mapping[str, Sequence[_Row]], most: int, tokens: ChatTokens | None
) -> list[dict[str, Any]]:
    """Lengths of the targets of each split: of whole sheets, and of tiles where sheets are cut."""
    found = []
    for split in SPLITS:
        for what, is_tile in (("sheets", False), ("tiles", True)):
            targets = [row["target"] for row in rows[split] if (row["tile"] is not None) == is_tile]
            if targets:
                chars = quantiles([len(target) for target in targets])
                found.append(
                    {
                        "split": split,
                        "what": what,
                        "rows": len(targets),
                        "chars": chars,
                        "share": chars["max"] / most,
                        "tokens": quantiles(tokens.lengths(targets)) if tokens else None,
                    }
                )
    return found


def _pairs(found: Sequence[_Row], clean: Path, rows: Mapping[str, Sequence[_Row]]) -> list[dict[str, Any]]:
    """The near-duplicates that have message rows, with their pictures."""
    places = {row["id"]: (split, row) for split in SPLITS for row in rows[split] if row["tile"] is None}
    pictures = {split: Pictures(clean, split) for split in SPLITS}
    shown = []
    for pair in found:
        if all(id in places for id in pair["ids"]):
            sides = [
                (row, picture_uri(pictures[split].read(row["part"], row["row"]), max_side=_PAIR_SIDE))
                for split, row in (places[id] for id in pair["ids"])
            ]
            shown.append({"tied_by": pair["tied_by"], "split": pair["split"], "sides": sides})
    return shown


def _chats(rows: Sequence[_Row], clean: Path, params: Params, tokens: ChatTokens | None) -> list[ShownChat]:
    """The first training rows by id, a hash and as good as random; of a cut sheet one tile."""
    from schematic_reader.model.sheet_images import SheetImages

    sheets = SheetImages(clean, "train", params.active.image)
    trained: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        if row["tile"] is not None or row["tiles"] == 1:
            trained[row["id"]].append(row)
    shown = []
    for id, choice in sorted(trained.items())[:CHATS]:
        row = choice[int(id, 16) % len(choice)]
        picture = sheets.picture(row)
        chat = tokens.chat(row["prompt"], row["target"], picture.size) if tokens else []
        shown.append(
            ShownChat(row, picture.size, image_uri(picture), chat[:MAX_TOKENS], len(chat) - MAX_TOKENS)
        )
    return shown

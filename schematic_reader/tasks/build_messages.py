"""The chats of a task on the clean rows of every split."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from tqdm import tqdm

from schematic_reader.cli import UserError
from schematic_reader.config import ImageLimits, Messages
from schematic_reader.io.files import atomic_folder
from schematic_reader.io.parallel import ordered_map
from schematic_reader.io.picture import open_picture
from schematic_reader.io.tables import (
    MESSAGES,
    SPLITS,
    RowGroup,
    clean_parts,
    readable,
    row_groups,
    write_rows,
)
from schematic_reader.io.tile_parts import shown_parts
from schematic_reader.io.tiles import Tiling, tiling
from schematic_reader.tasks import task
from schematic_reader.tasks.contract import Form, Task
from schematic_reader.tasks.messages import chat
from schematic_reader.tasks.tile_targets import tile_targets

ROW_GROUP = 1000
_SPECIAL_TOKEN = re.compile(r"<\|\w+\|>")  # as models of the Qwen family spell theirs


@dataclass
class SplitCounts:
    """``metrics/messages.json`` for one split; lengths are of all targets, before any is dropped.

    ``rows`` are of whole sheets, ``tiles`` of tiles; ``no_places`` counts sheets that are cut, but whose row
    does not tell what is on which tile, and ``empty_tiles`` tiles that show nothing to ask about.
    ``special_token`` are rows whose prompt or target spells a token of the chat's own form, such as the place
    of a picture or the end of an answer: in a chat it would be one.
    """

    rows: int = 0
    tiles: int = 0
    no_places: int = 0
    empty_tiles: int = 0
    no_target: int = 0
    special_token: int = 0
    too_long: int = 0
    cut: int = 0
    median_chars: int = 0
    p90_chars: int = 0
    max_chars: int = 0


def build_messages(
    clean: Path, folder: Path, name: str, params: Messages, limits: ImageLimits, *, workers: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the chats of the task ``name`` on ``clean`` to ``folder``; return the metrics and the first row.

    Of a sheet that ``limits`` cut, train and validation have the chats about its tiles too, which are those
    to train on.

    Raises:
        UserError: ``clean`` is incomplete, or no row of a split has a target within the limit.
    """
    groups = {split: row_groups(clean_parts(clean, split), "clean-to-parquet") for split in SPLITS}
    every = [group for split in SPLITS for group in groups[split]]
    work = partial(prompt_and_target, name=name, params=params, limits=limits)
    results = ordered_map(work, every, workers=workers)
    built = iter(tqdm(results, total=len(every), desc="build", unit="group"))
    metrics: dict[str, Any] = {}
    example: dict[str, Any] = {}
    with atomic_folder(folder) as part:
        for split in SPLITS:
            counts = SplitCounts()
            cut = params.on_too_long == "cut" and split == "train"
            rows = chats(
                islice(built, len(groups[split])),
                counts,
                params.max_target_chars,
                cut=cut,
                with_tiles=split != "test",
            )
            write_rows(part / f"{split}.parquet", MESSAGES, keep_first(rows, example), row_group=ROW_GROUP)
            if not counts.rows:
                raise UserError(f"no {split} row is left: {_why_none(counts, name, params.max_target_chars)}")
            metrics[split] = asdict(counts)
    return metrics, example


def _why_none(counts: SplitCounts, name: str, max_chars: int) -> str:
    """Why a split has no row, and what to do: no limit helps where none was met."""
    fix = "raise it, or set messages.form to compact or on_too_long to cut"
    return (
        f"{counts.no_target} have no {name} target, {counts.special_token} spell a special token, "
        f"{counts.too_long} are over messages.max_target_chars {max_chars} (median {counts.median_chars}): "
        + (fix if counts.too_long else f"choose another task, or rows that have a target for {name}")
    )


def keep_first(rows: Iterator[dict[str, Any]], first: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield ``rows`` and copy the first one into ``first``."""
    for row in rows:
        if not first:
            first.update(row)
        yield row


def chats(
    built: Iterable[list[dict[str, Any]]],
    counts: SplitCounts,
    max_chars: int,
    *,
    cut: bool,
    with_tiles: bool,
) -> Iterator[dict[str, Any]]:
    """Yield the message rows of one split from ``prompt_and_target``, and fill in ``counts``.

    A target over ``max_chars`` is dropped, or cut if ``cut``: in training only, since a cut target is no
    reference to score against. Where the tiles of a sheet are trained on, ``with_tiles``, the target of the
    whole sheet, which is not, may have any length.
    """
    lengths: list[int] = []
    for row in chain.from_iterable(built):
        tiles = row.pop("tile_rows")
        if row["target"] is None:
            counts.no_target += 1
            continue
        if _SPECIAL_TOKEN.search(row["prompt"]) or _SPECIAL_TOKEN.search(row["target"]):
            counts.special_token += 1
            continue
        lengths.append(len(row["target"]))
        counts.no_places += row["tiles"] > 1 and tiles is None
        counts.empty_tiles += row["tiles"] - len(tiles) if tiles else 0
        for part in [row, *(row | tile for tile in tiles or [] if with_tiles)]:
            if len(part["target"]) > max_chars and not (part is row and with_tiles and row["tiles"] > 1):
                if not cut:
                    counts.too_long += 1
                    continue
                counts.cut += 1
                part["target"] = part["target"][:max_chars]
            if part is row:
                counts.rows += 1
            else:
                counts.tiles += 1
            yield {**part, "messages": chat(part["prompt"], part["target"])}
    if lengths:
        lengths.sort()
        counts.median_chars, counts.p90_chars = (lengths[math.ceil(len(lengths) * q) - 1] for q in (0.5, 0.9))
        counts.max_chars = lengths[-1]


def prompt_and_target(
    row_group: RowGroup, *, name: str, params: Messages, limits: ImageLimits
) -> list[dict[str, Any]]:
    """Prompt and target of each row of one row group of a clean part; no target is None.

    ``tile_rows`` are what the rows of its tiles have of their own: number, shown part and target of each that
    shows anything; None where the sheet is not cut or does not tell the targets.
    """
    path, group = row_group
    chosen = task(name)
    with readable(path, "clean-to-parquet"), pq.ParquetFile(path) as file:
        start = sum(file.metadata.row_group(i).num_rows for i in range(group))
        # json, yaml and schematic are columns too: the task's own text
        texts = [name] if name in file.schema_arrow.names else []
        columns = ["id", "name", "description", "type", "components", *texts]
        if limits.tiles > 1:
            columns += ["image", "width", "height", *{"schematic"}.difference(columns)]
        table = file.read_row_group(group, columns=columns, use_threads=False)
        rows = table.select(columns).to_pylist()
    built = []
    for index, row in enumerate(rows):
        cut = tiling(row["width"], row["height"], limits) if limits.tiles > 1 else None
        built.append(
            {
                "id": row["id"],
                "name": row["name"],
                "part": path.name,
                "row": start + index,
                "prompt": chosen.prompt(row, form=params.form, with_name=params.with_name),
                "target": chosen.target(row, form=params.form),
                "tile": None,
                "shown": None,
                "tiles": len(cut) if cut else 1,
                "tile_rows": _tile_rows(chosen, row, cut, form=params.form) if cut else None,
            }
        )
    return built


def _tile_rows(task: Task, row: dict[str, Any], cut: Tiling, *, form: Form) -> list[dict[str, Any]] | None:
    targets = tile_targets(task, row, cut, form=form)
    if targets is None:
        return None
    shown = shown_parts(open_picture(row["image"]), cut)
    return [{"tile": tile, "shown": part, "target": targets[tile]} for tile, part in shown.items()]

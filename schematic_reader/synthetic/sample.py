"""Rows of the built-in generator, in the raw layout of the real data set.

A row depends on the seed, its number and the picture's size alone, so any process may make it and the
bytes are the same however many do.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from functools import partial
from typing import Any

from schematic_reader.cli import UserError
from schematic_reader.io.parallel import ordered_map
from schematic_reader.kicad.drawing.draw import draw_sheet, encode_png
from schematic_reader.kicad.kiutils import to_mapping
from schematic_reader.kicad.model import Sheet
from schematic_reader.kicad.writer import write_sheet
from schematic_reader.synthetic.circuits.compose import compose, new_uuid
from schematic_reader.synthetic.project import Project, invented_name, project_of
from schematic_reader.synthetic.yaml_text import dump_yaml

_CHUNK = 16  # rows a task of a worker
_CORRUPTIONS = ("components_none", "components_empty", "image_none", "image_truncated", "duplicate")


def generate_rows(
    count: int,
    seed: int,
    *,
    width: int,
    height: int,
    first: int = 0,
    corrupt_share: float = 0.0,
    workers: int = 1,
) -> Iterator[dict[str, Any]]:
    """Yield rows ``first`` to ``first + count - 1`` with pictures of ``width`` x ``height`` pixels.

    Of the first n rows, ``floor(n * corrupt_share)`` are unusable the way some real ones are: without
    components, without a picture, with a truncated one, or a copy of an earlier row under the name of another
    project.
    With several ``workers`` the rows are made in as many processes; they come in the same order.
    """
    task = partial(_chunk, seed=seed, width=width, height=height, corrupt_share=corrupt_share)
    end = first + count
    chunks = ((start, min(start + _CHUNK, end)) for start in range(first, end, _CHUNK))
    for rows in ordered_map(task, chunks, workers=workers):
        yield from rows


def _chunk(
    span: tuple[int, int], *, seed: int, width: int, height: int, corrupt_share: float
) -> list[dict[str, Any]]:
    return [
        make_row(row, seed, width=width, height=height, corrupt_share=corrupt_share) for row in range(*span)
    ]


def make_row(row: int, seed: int, *, width: int, height: int, corrupt_share: float = 0.0) -> dict[str, Any]:
    """The raw row with this number."""
    corruption = _corruption(row, corrupt_share)
    if corruption is None:
        return _clean_row(row, seed, width, height)
    rng = random.Random(f"{seed}:dirt:{row}")
    if corruption == "duplicate":
        earlier = [
            other for other in range(max(0, row - 200), row) if _corruption(other, corrupt_share) is None
        ]
        if earlier:
            copy = _clean_row(rng.choice(earlier), seed, width, height)
            return {**copy, "name": invented_name(rng)}
        corruption = "components_none"
    content = _clean_row(row, seed, width, height)
    if corruption == "components_none":
        return {**content, "components_used": None, "json": None, "yaml": None}
    if corruption == "components_empty":
        return {**content, "components_used": []}
    if corruption == "image_none":
        return {**content, "image": None}
    png = content["image"]["bytes"]
    cut = png[: int(len(png) * rng.uniform(0.25, 0.7))]
    return {**content, "image": {**content["image"], "bytes": cut}}


def _corruption(row: int, share: float) -> str | None:
    """The corruption of a row, if any; the kinds alternate."""
    number = math.floor(row * share)
    return _CORRUPTIONS[number % len(_CORRUPTIONS)] if math.floor((row + 1) * share) > number else None


def make_sheet(row: int, seed: int, *, width: int, height: int) -> tuple[Sheet, Project, str]:
    """The sheet of a row, its project, and the row's description."""
    project, _ = project_of(seed, row, width)
    rng = random.Random(f"{seed}:{row}")
    uuid = new_uuid(rng)
    title = project.title(project.repository)
    sheet, titles = compose(rng, project.style, project.paper(width, height), title, uuid)
    if not sheet.symbols:
        raise UserError(
            f"a picture of {width} x {height} pixels has no room for a circuit: "
            "make width and height of the sample's data larger"
        )
    return sheet, project, project.describe(titles, rng)


def _clean_row(row: int, seed: int, width: int, height: int) -> dict[str, Any]:
    sheet, project, description = make_sheet(row, seed, width=width, height=height)
    number = project_of(seed, row, width)[1]
    content = to_mapping(sheet)
    return {
        "schematic": write_sheet(sheet),
        "image": {
            "bytes": encode_png(draw_sheet(sheet, width=width, height=height)),
            "path": f"{project.repository}-{number}.png",
        },
        "components_used": sheet.component_names,
        "json": json.dumps(content, indent=2),
        "yaml": dump_yaml(content),
        "name": project.name,
        "description": description,
        "type": ".kicad_sch",
    }

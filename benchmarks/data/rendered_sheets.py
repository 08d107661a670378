"""``python -m benchmarks.data.rendered_sheets --rows FOLDER --out FOLDER``: a data set drawn anew.

Real pictures show a whole page with text of 5 px, and much of the page is empty. This draws each row's
``.kicad_sch`` again, cut to what is drawn, at the size of text that the small base model was made for: 7 px,
less where a sheet would not fit into ``--max-pixels``. All other columns stay. ``--out`` can then be the path
of the ``local`` source. Rows that cannot be drawn are left out, counted by reason and named in the log.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from tqdm import tqdm

from schematic_reader.io.files import atomic_folder
from schematic_reader.io.parallel import cores, ordered_map
from schematic_reader.io.tables import iterate_rows
from schematic_reader.kicad.drawing.draw import draw_sheet, encode_png
from schematic_reader.kicad.model import Sheet
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.reader import read_sheet

LOG = logging.getLogger(__name__)
DENSITY = 5.55  # px/mm: text of 1.27 mm is then 7 px high
_MARGIN = 16  # px around what is drawn
_CELL = 32  # px: both sides are multiples, so that the model's processor does not scale the picture
_ROWS_PER_FILE = 50
_SHRINK = 0.98  # at least so much smaller at each try


def main() -> None:
    """Draw the sheets of all rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, required=True, help="folder of parquet files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--max-pixels", type=int, default=1 << 20)
    arguments = parser.parse_args()
    print(json.dumps(render_rows(arguments.rows, arguments.out, arguments.max_pixels)))


def render_rows(source: Path, out: Path, max_pixels: int) -> dict[str, int]:
    """Write the rows of ``source`` with new pictures to ``out``; how many, the others by reason."""
    files = sorted(source.rglob("*.parquet"))
    if not files:
        raise SystemExit(f"{source} holds no parquet file")
    schema = pq.read_schema(files[0])
    counts: Counter[str] = Counter()
    pending: list[dict[str, Any]] = []
    with atomic_folder(out) as part:

        def write() -> None:
            name = part / f"rows-{counts['files']:03d}.parquet"
            pq.write_table(pa.Table.from_pylist(pending, schema), name, row_group_size=16)
            counts["files"] += 1
            pending.clear()

        drawn = ordered_map(partial(render_row, max_pixels=max_pixels), iterate_rows(files), workers=cores())
        for reason, row in tqdm(drawn, unit="sheet"):
            counts[reason or "drawn"] += 1
            if reason:
                LOG.warning("%s is left out: %s", row["name"], reason)
                continue
            pending.append(row)
            if len(pending) == _ROWS_PER_FILE:
                write()
        if pending:
            write()
    del counts["files"]
    return dict(sorted(counts.items()))


def render_row(row: dict[str, Any], *, max_pixels: int) -> tuple[str, dict[str, Any]]:
    """A raw row drawn anew, after why it could not be: ``schematic_broken``, ``nothing_drawn`` or nothing."""
    try:
        sheet = read_sheet(row["schematic"] or "")
    except KicadError:
        return "schematic_broken", row
    picture = render_cut(sheet, max_pixels)
    if picture is None:
        return "nothing_drawn", row
    return "", {**row, "image": {"bytes": encode_png(picture), "path": None}}


def render_cut(sheet: Sheet, max_pixels: int) -> Image.Image | None:
    """The sheet without its frame, cut to what is drawn, sides in multiples of 32 px; None if blank."""
    bare = replace(sheet, frame=False)
    density = DENSITY
    while True:
        width, height = (math.ceil(side * density) for side in sheet.size)
        picture = draw_sheet(bare, width=width, height=height)
        pixels = np.atleast_3d(np.asarray(picture))  # (height, width, 1 or 3)
        inked = (pixels != pixels[0, 0]).any(axis=2)
        rows, columns = (np.flatnonzero(inked.any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            return None
        left, top = max(int(columns[0]) - _MARGIN, 0), max(int(rows[0]) - _MARGIN, 0)
        sides = [
            -(-(int(last) + _MARGIN - first) // _CELL) * _CELL
            for last, first in ((columns[-1], left), (rows[-1], top))
        ]
        if sides[0] * sides[1] <= max_pixels:
            paper = picture.getpixel((0, 0))
            cut = Image.new(picture.mode, (sides[0], sides[1]), paper)
            if picture.mode == "P":
                cut.putpalette(picture.getpalette() or [])
            cut.paste(picture.crop((left, top, left + sides[0], top + sides[1])))
            return cut
        density *= min(math.sqrt(max_pixels / (sides[0] * sides[1])), _SHRINK)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    main()

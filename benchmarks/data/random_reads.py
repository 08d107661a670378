"""``python -m benchmarks.data.random_reads``: pictures a second that one core reads at random.

As the training loader does it: ``Pictures.read`` of rows in a shuffled order, for several row-group sizes and
for pictures stored as they are or compressed again. ``--rows`` is how many rows are written, ``--reads`` how
many are read.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common.results import SHARED, record
from schematic_reader.io.picture import PictureError, decode_picture
from schematic_reader.io.tables import Pictures

GROUPS = (1, 4, 16, 64)


def main() -> None:
    """Write the variants and read them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--reads", type=int, default=1000)
    arguments = parser.parse_args()
    table = _rows(arguments.rows)
    order = [Random(0).randrange(arguments.rows) for _ in range(arguments.reads)]
    for size in GROUPS:
        for picture in ("none", "zstd"):
            with TemporaryDirectory() as temporary:
                path = Path(temporary) / "train" / "part-00.parquet"
                path.parent.mkdir()
                columns = dict.fromkeys(table.column_names, "zstd") | {"image": picture}
                start = time.perf_counter()
                pq.write_table(
                    table,
                    path,
                    row_group_size=size,
                    compression=columns,
                    use_dictionary=False,
                    write_statistics=False,
                )
                written = time.perf_counter()
                reader = Pictures(Path(temporary), "train")
                for row in order:
                    reader.read(path.name, row)
                done = time.perf_counter()
                record(
                    "random_reads",
                    f"row group {size}, pictures {picture}",
                    reads_per_s=round(len(order) / (done - written)),
                    written_rows_per_s=round(arguments.rows / (written - start)),
                    bytes=path.stat().st_size,
                )
    start = time.perf_counter()
    for row in order[:200]:
        decode_picture(table.column("image")[row].as_py())
    seconds = time.perf_counter() - start
    record("random_reads", "decoding alone, for comparison", reads_per_s=round(len(order[:200]) / seconds))


def _rows(count: int) -> pa.Table:
    """Sound rows of the mini set, again and again, with the columns that weigh."""
    rows = []
    for path in sorted((SHARED / "open-schematics-mini").glob("*.parquet")):
        for row in pq.read_table(
            path, columns=["schematic", "image", "json", "yaml", "components_used"]
        ).to_pylist():
            try:
                decode_picture((row["image"] or {}).get("bytes") or b"")
            except PictureError:
                continue
            if row.pop("components_used"):
                rows.append({**row, "image": row["image"]["bytes"]})
    if not rows:
        raise SystemExit("needs ../shared/open-schematics-mini beside the checkout")
    return pa.Table.from_pylist([rows[number % len(rows)] for number in range(count)])


if __name__ == "__main__":
    main()

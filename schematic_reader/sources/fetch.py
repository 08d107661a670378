"""Write the rows of a source to a folder as parquet shards in the raw schema, and preview the first row."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from schematic_reader.cli import UserError
from schematic_reader.config import Data
from schematic_reader.io.checked import matches_sidecar, remove_sidecars, write_sidecar
from schematic_reader.io.data_paths import paths_state
from schematic_reader.io.files import atomic_folder
from schematic_reader.io.manifest import (
    fixed_test_name,
    is_fixed_test,
    is_synthetic,
    shard_name,
    synthetic_name,
    write_manifest,
)
from schematic_reader.io.picture import PictureError, decode_picture
from schematic_reader.io.tables import RAW, readable, write_batches
from schematic_reader.sources.plan import (
    describe_plan,
    open_source,
    open_synthetic,
    open_test_set,
    rows_by_shard,
)
from schematic_reader.sources.shards import PLAN, Shard, Source

SPACE = 1.1  # of the bytes that are read: texts get shorter, pictures keep their length
SHOWN = 10  # components of the first row

log = logging.getLogger(__name__)


def fetch(data: Data, seed: int, folder: Path) -> dict[str, Any]:
    """Write the rows of the source that ``data`` names to ``folder`` and return its manifest.

    Raises:
        UserError: the source cannot be read or the disk is too full for it; ``folder`` is as it was.
    """
    # Only a pinned revision is sure to be the same when an interrupted run resumes.
    resume = json.dumps(asdict(data)) if data.source == "hub" else None
    with atomic_folder(folder, resume=resume) as part:
        # Before it is read: what changes meanwhile is noticed later.
        state, test_state = paths_state(data.paths), paths_state(data.test_paths)
        test_set = open_test_set(data) if data.test_paths else None  # opened before a download may start
        source = open_source(data, seed, part)
        log.info(describe_plan(source, data.rows))
        if test_set:
            log.info(describe_plan(test_set, None, "test set"))
        origins = write_shards(source, part, data.rows)
        for path in part.iterdir():  # of an interrupted run, perhaps with another seed or generator
            if is_synthetic(path) or is_fixed_test(path):
                path.unlink()
        fixed_test = write_shards(test_set, part, None, fixed_test_name) if test_set else []
        synthetic = (
            write_shards(open_synthetic(data, seed), part, None, synthetic_name) if data.synthetic else []
        )
        (part / PLAN).unlink(missing_ok=True)
        about: dict[str, Any] = {
            "source": data.source,
            "id": data.id,
            "revision": data.revision,
            "commit": source.commit,
            "licence": source.licence,
            "columns": dict(source.columns),
        }
        if data.source == "local":
            about |= {"path": data.path, "state": state}
        if test_set:
            about |= {"test_path": data.test_path, "test_state": test_state}
        manifest = write_manifest(part, origins, about, fixed_test=fixed_test, synthetic=len(synthetic))
        remove_sidecars(part)
        return manifest


def preview(shard: Path) -> str:
    """The first row of a shard in a few lines of text."""
    with readable(shard, "fetch"), pq.ParquetFile(shard) as file:
        row = next(file.iter_batches(1)).select(RAW.names)
    try:
        found = decode_picture(pc.struct_field(row.column("image"), "bytes")[0].as_py() or b"")
        seen = f"{found.width} x {found.height} pixels, {found.image.mode}"
    except PictureError:
        seen = "none that can be read"
    # As bytes: the texts are not known to be UTF-8 yet.
    texts = {
        name: (row.column(name).cast(pa.binary())[0].as_py() or b"").decode("utf-8", "replace")
        for name in RAW.names
        if RAW.field(name).type == pa.string()
    }
    listed = row.column("components_used").cast(pa.list_(pa.binary()))[0].as_py() or []
    names = [(name or b"").decode("utf-8", "replace") for name in listed]
    lengths = ", ".join(f"{name} {len(text)}" for name, text in texts.items() if name not in ("name", "type"))
    return (
        f"first row: {texts['name']!r}, type {texts['type']!r}\n"
        f"  picture: {seen}\n"
        f"  components: {len(names)}, {names[:SHOWN]}{' ...' if len(names) > SHOWN else ''}\n"
        f"  characters: {lengths}"
    )


def write_shards(
    source: Source, folder: Path, limit: int | None, name: Callable[[int], str] = shard_name
) -> list[str]:
    """Write the source's shards to ``folder``, at most ``limit`` rows in all, and return their origins.

    A shard that an earlier run has finished is not written again, unless it was damaged since.

    Args:
        name: the file name of a shard, from its number.

    Raises:
        UserError: a shard cannot be read, or the disk is too full. Shards under way are finished before.
    """
    pairs = zip(source.shards, rows_by_shard(source.shards, limit), strict=True)
    chosen = [(shard, count) for shard, count in pairs if count]
    counts = [count for _, count in chosen]
    paths = [folder / name(number) for number in range(len(chosen))]
    todo = [number for number, path in enumerate(paths) if not matches_sidecar(path)]
    if damaged := [paths[number].name for number in todo if paths[number].exists()]:
        log.warning("%s: damaged, or not known to be whole, and read again", ", ".join(damaged))
    check_space(folder, sum(chosen[number][0].needed for number in todo))
    if len(todo) < len(paths):
        log.info("%d of %d shards are already here", len(paths) - len(todo), len(paths))
    with tqdm(total=sum(counts), unit="row", desc="fetch", smoothing=0.1) as bar:
        bar.update(sum(counts) - sum(counts[number] for number in todo))

        def write(number: int) -> None:
            shard, count = chosen[number]
            write_batches(paths[number], RAW, first_rows(shard, count, bar))
            write_sidecar(paths[number])

        if source.parallel == 1:
            for number in todo:
                write(number)
        else:
            with ThreadPoolExecutor(source.parallel) as pool:
                running = [pool.submit(write, number) for number in todo]
                try:
                    for done in as_completed(running):
                        done.result()
                finally:
                    pool.shutdown(cancel_futures=True)
    return [shard.origin for shard, _ in chosen]


def check_space(folder: Path, needed: int) -> None:
    """Check that the disk holds ``needed`` bytes, in bytes of the source; shards are about as large.

    Raises:
        UserError: it does not.
    """
    free = shutil.disk_usage(folder).free
    if needed * SPACE > free:
        raise UserError(
            f"{folder.parent} has {free} bytes free and some {int(needed * SPACE)} are needed: free disk "
            "space, or read less by profiles.*.data.rows or shards"
        )


def first_rows(shard: Shard, count: int, bar: Any) -> Iterator[pa.RecordBatch]:
    """Yield the first ``count`` rows of a shard and advance the progress bar.

    Raises:
        UserError: the shard has fewer; raised before its file gets its final name.
    """
    left = count
    for batch in shard.batches():
        batch = batch.slice(0, left)
        left -= batch.num_rows
        bar.update(batch.num_rows)
        yield batch
        if not left:
            return
    if left:
        raise UserError(
            f"{shard.origin} has {count - left} rows but its footer declares {count}: copy or download it "
            "again"
        )

"""``python -m stages.fetch``: bring the raw rows into data/raw as parquet shards in one layout.

Where they come from is ``profiles.PROFILE.data`` of params.yaml: ``source: sample`` draws them, ``local``
reads a folder of parquet files (``path``), ``hub`` a data set on the Hugging Face Hub (``id``, ``revision``);
``rows`` is how many are drawn, or the most that are read, and ``shards`` the most files that are read. For
private data sets set HF_TOKEN. What will be read is printed first; with ``--plan`` that is all that is done.

Writes ``data/raw/shard-NNNNN.parquet`` and, last, ``data/raw/manifest.json``. A download that was interrupted
goes on where it stopped when the same command is run again.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from stages.config import Data, load_params
from stages.sources.shards import BATCH_ROWS, PLAN, Shard, Source
from stages.store.errors import UserError, command_line, run
from stages.store.files import replacing_folder
from stages.store.parallel import cores
from stages.store.raw import shard_name, write_manifest
from stages.store.tables import RAW, row_batches, write_batches

FOLDER = Path("data/raw")
SAMPLE_SHARD_ROWS = 400
SPACE = 1.1  # of the bytes that are read: texts get shorter, pictures keep their length

log = logging.getLogger(__name__)


def main() -> None:
    """Run the stage in the current folder."""
    parser = command_line(__doc__)
    parser.add_argument("--plan", action="store_true", help="print what would be read and stop")
    plan_only = parser.parse_args().plan
    params = load_params()
    data = params.active.data
    if plan_only:
        print(describe(open_source(data, params.seed, None), data.rows))
        return
    manifest = fetch(data, params.seed, FOLDER)
    print(f"{FOLDER}: {manifest['rows']} rows in {len(manifest['shards'])} shards")


def fetch(data: Data, seed: int, folder: Path) -> dict[str, Any]:
    """Write the rows of the source that ``data`` names to ``folder`` and return its manifest.

    Raises:
        UserError: the source cannot be read or the disk is too full for it; ``folder`` is as it was.
    """
    # Only what is pinned is sure to be the same when an interrupted run goes on.
    resume = json.dumps(asdict(data)) if data.source == "hub" else None
    with replacing_folder(folder, resume=resume) as part:
        source = open_source(data, seed, part)
        log.info(describe(source, data.rows))
        origins = write_shards(source, part, data.rows)
        (part / PLAN).unlink(missing_ok=True)
        about = {
            "source": data.source,
            "id": data.id,
            "revision": data.revision,
            "commit": source.commit,
            "licence": source.licence,
            "columns": dict(source.columns),
        }
        return write_manifest(part, origins, about)


def describe(source: Source, limit: int | None) -> str:
    """The plan in a line: files, rows, bytes that are read, bytes of the whole."""
    rows = sum(allotted(source.shards, limit))
    files = sum(count > 0 for count in allotted(source.shards, limit))
    needed = sum(shard.needed for shard in source.shards[:files])
    share = f" ({needed / source.whole:.1%})" if source.whole else ""
    return (
        f"plan: {files} of {source.files} files, {rows} rows, {needed} bytes of the needed columns of "
        f"{source.whole} bytes in all{share}"
    )


def open_source(data: Data, seed: int, kept: Path | None) -> Source:
    """The source that ``data`` names; only its own reader is imported.

    Args:
        kept: the folder that is written to, in which an interrupted run may have left its plan.
    """
    if data.source == "hub":
        from stages.sources.hub import open_hub

        return open_hub(str(data.id), str(data.revision), shards=data.shards, rows=data.rows, kept=kept)
    if data.source == "local":
        from stages.sources.local import open_local

        return open_local(Path(str(data.path)), data.shards)
    return open_sample(data, seed)


def open_sample(data: Data, seed: int) -> Source:
    """The built-in generator, its rows cut into shards."""
    from stages.sources.sample import generate_rows

    count, width, height, dirty = data.rows, data.width, data.height, data.dirty
    if count is None or width is None or height is None or dirty is None:
        raise TypeError("config.Data.check admits no sample without rows, width, height and dirty")
    rows = generate_rows(count, seed, width=width, height=height, dirty=dirty, workers=cores())
    shards = [
        Shard(
            "sample",
            partial(row_batches, islice(rows, SAMPLE_SHARD_ROWS), RAW, BATCH_ROWS),
            min(SAMPLE_SHARD_ROWS, count - first),
        )
        for first in range(0, count, SAMPLE_SHARD_ROWS)
    ]
    return Source(shards, {name: name for name in RAW.names}, files=len(shards))


def write_shards(source: Source, folder: Path, limit: int | None) -> list[str]:
    """Write the source's shards to ``folder``, at most ``limit`` rows in all, and return their origins.

    A shard that an earlier run has finished is left as it is.

    Raises:
        UserError: a shard cannot be read, or the disk is too full. Shards under way are finished before.
    """
    counts = [count for count in allotted(source.shards, limit) if count]
    chosen = list(zip(source.shards, counts, strict=False))
    paths = [folder / shard_name(number) for number in range(len(chosen))]
    todo = [number for number, path in enumerate(paths) if not path.is_file()]
    check_space(folder, sum(chosen[number][0].needed for number in todo))
    if len(todo) < len(paths):
        log.info("%d of %d shards are already here", len(paths) - len(todo), len(paths))
    with tqdm(total=sum(counts), unit="row", desc="fetch", smoothing=0.1) as bar:
        bar.update(sum(counts) - sum(counts[number] for number in todo))

        def write(number: int) -> None:
            shard, count = chosen[number]
            write_batches(paths[number], RAW, counted(shard, count, bar))

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


def allotted(shards: Sequence[Shard], limit: int | None) -> list[int]:
    """The rows that are taken of each shard when at most ``limit`` are in all."""
    counts, left = [], limit
    for shard in shards:
        counts.append(shard.rows if left is None else min(shard.rows, left))
        left = None if left is None else left - counts[-1]
    return counts


def check_space(folder: Path, needed: int) -> None:
    """Refuse to start what the disk cannot hold. What is written is about as long as what is read."""
    free = shutil.disk_usage(folder).free
    if needed * SPACE > free:
        raise UserError(
            f"{folder.parent} has {free} bytes free and some {int(needed * SPACE)} are needed: free disk "
            "space, or read less by profiles.*.data.rows or shards"
        )


def counted(shard: Shard, count: int, bar: Any) -> Iterator[pa.RecordBatch]:
    """The first ``count`` rows of a shard, with the progress bar moved on.

    Raises:
        UserError: the shard has fewer, so that it does not get its name.
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
            f"{shard.origin} holds {count - left} rows where its footer tells of {count}: copy or download "
            "it again"
        )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    run(main)

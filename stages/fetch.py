"""``python -m stages.fetch``: bring the raw rows into data/raw as parquet shards in one layout.

Where they come from is ``profiles.PROFILE.data`` of params.yaml: ``source: sample`` draws them, ``local``
reads a folder of parquet files (``path``), ``hub`` a data set on the Hugging Face Hub (``id``, ``revision``);
``rows`` is how many are drawn, or the most that are read. For private data sets set HF_TOKEN.

Writes ``data/raw/shard-NNNNN.parquet`` and, last, ``data/raw/manifest.json``. A download that was interrupted
goes on where it stopped when the same command is run again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from stages.config import Data, load_params
from stages.sources.shards import BATCH_ROWS, Shard, Source
from stages.store.errors import run, takes_no_arguments
from stages.store.files import replacing_folder
from stages.store.parallel import cores
from stages.store.raw import shard_name, write_manifest
from stages.store.tables import RAW, row_batches, write_batches

FOLDER = Path("data/raw")
SAMPLE_SHARD_ROWS = 400

log = logging.getLogger(__name__)


def main() -> None:
    """Run the stage in the current folder."""
    takes_no_arguments(__doc__)
    params = load_params()
    manifest = fetch(params.active.data, params.seed, FOLDER)
    print(f"{FOLDER}: {manifest['rows']} rows in {len(manifest['shards'])} shards")


def fetch(data: Data, seed: int, folder: Path) -> dict[str, Any]:
    """Write the rows of the source that ``data`` names to ``folder`` and return its manifest.

    Raises:
        UserError: the source cannot be read; ``folder`` is as it was.
    """
    source = open_source(data, seed)
    resume = json.dumps(asdict(data)) if source.pinned else None
    with replacing_folder(folder, resume=resume) as part:
        origins = write_shards(source, part, data.rows)
        about = {
            "source": data.source,
            "id": data.id,
            "revision": data.revision,
            "columns": dict(source.columns),
        }
        return write_manifest(part, origins, about)


def open_source(data: Data, seed: int) -> Source:
    """The source that ``data`` names; only its own reader is imported."""
    if data.source == "hub":
        from stages.sources.hub import open_hub

        return open_hub(str(data.id), str(data.revision))
    if data.source == "local":
        from stages.sources.local import open_local

        return open_local(Path(str(data.path)))
    return open_sample(data, seed)


def open_sample(data: Data, seed: int) -> Source:
    """The built-in generator, its rows cut into shards."""
    from stages.sources.sample import generate_rows

    count, width, height, dirty = data.rows, data.width, data.height, data.dirty
    if count is None or width is None or height is None or dirty is None:
        raise TypeError("config.Data.check admits no sample without rows, width, height and dirty")
    rows = generate_rows(count, seed, width=width, height=height, dirty=dirty, workers=cores())
    shards = [
        Shard("sample", partial(row_batches, islice(rows, SAMPLE_SHARD_ROWS), RAW, BATCH_ROWS))
        for _ in range(0, count, SAMPLE_SHARD_ROWS)
    ]
    return Source(shards, {name: name for name in RAW.names}, rows=count)


def write_shards(source: Source, folder: Path, limit: int | None) -> list[str]:
    """Write the source's shards to ``folder``, at most ``limit`` rows in all, and return their origins.

    A shard that an earlier run has finished is left as it is.
    """
    origins: list[str] = []
    total = min(source.rows, limit) if source.rows is not None and limit is not None else source.rows or limit
    left = limit
    with tqdm(total=total, unit="row", desc="fetch", smoothing=0.1) as bar:
        for number, shard in enumerate(source.shards):
            if left == 0:
                break
            path = folder / shard_name(number)
            if path.is_file():
                rows = pq.read_metadata(path).num_rows
                bar.update(rows)
                log.info("%s is already here", shard.origin)
            else:
                rows = write_batches(path, RAW, counted(shard.batches(), left, bar))
            origins.append(shard.origin)
            left = None if left is None else left - rows
    return origins


def counted(batches: Iterator[pa.RecordBatch], limit: int | None, bar: Any) -> Iterator[pa.RecordBatch]:
    """The first ``limit`` rows of ``batches``, with the progress bar moved on."""
    for batch in batches:
        if limit is not None:
            batch = batch.slice(0, limit)
            limit -= batch.num_rows
        bar.update(batch.num_rows)
        yield batch
        if limit == 0:
            return


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    run(main)

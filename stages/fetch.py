"""``python -m stages.fetch``: fetch or generate the raw rows into data/raw, as parquet shards in one schema.

The source is ``profiles.PROFILE.data`` of params.yaml: ``source: sample`` generates rows, ``local`` reads
parquet files or folders of them (``path``), ``hub`` a data set on the Hugging Face Hub (``id``,
``revision``).
``rows`` is the number of generated rows, or the most rows that are read, and ``shards`` the most files that
are read. ``synthetic`` sheets are generated in addition, for training only. ``test_path`` names local
parquet files whose rows are the test split, all of them. For private data sets set HF_TOKEN. The plan is
printed first; ``--plan`` stops there.

Writes ``data/raw/shard-NNNNN.parquet``, ``data/raw/test-NNNNN.parquet``, ``data/raw/synthetic-NNNNN.parquet``
and, last, ``data/raw/manifest.json``; prints a preview of the first row. An interrupted download resumes when
the same command is run again.
"""

from __future__ import annotations

import logging
from pathlib import Path

from schematic_reader.cli import argument_parser, run, say
from schematic_reader.config import load_params
from schematic_reader.io.manifest import MANIFEST, changed_source, raw_shards
from schematic_reader.sources.fetch import fetch, preview
from schematic_reader.sources.plan import describe_plan, open_source, open_test_set

FOLDER = Path("data/raw")


def main() -> None:
    """Run the stage in the current folder."""
    parser = argument_parser(__doc__)
    parser.add_argument("--plan", action="store_true", help="print the plan and stop")
    plan_only = parser.parse_args().plan
    params = load_params()
    data = params.active.data
    if plan_only:
        say(describe_plan(open_source(data, params.seed, None), data.rows))
        if data.test_paths:
            say(describe_plan(open_test_set(data), None, "test set"))
        if (FOLDER / MANIFEST).is_file() and (changed := changed_source(FOLDER)):
            say(changed)
        return
    manifest = fetch(data, params.seed, FOLDER)
    fixed = f", {manifest['fixed_test']} of them the fixed test set" if "fixed_test" in manifest else ""
    drawn = f", {manifest['synthetic']} of them synthetic" if manifest["synthetic"] else ""
    say(f"{FOLDER}: {manifest['rows']} rows in {len(manifest['shards'])} shards{fixed}{drawn}")
    for shard in raw_shards(FOLDER)[:1]:
        say(preview(shard))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    run(main, exclusive=True)

"""``python -m stages.clean_to_parquet``: keep the usable rows of data/raw and split them by group.

Settings are ``clean`` of params.yaml. Writes ``data/clean/{train,validation,test}/part-NN.parquet``, rows in
the order of data/raw, and ``metrics/clean.json``: rows kept, rows dropped by reason, what is missing in the
source, what connects the rows of a group, and the size of each split; ``data/cleaning.json`` names some of
the dropped rows and near-duplicates for ``metrics/data.html``. Synthetic rows go into training only,
and are dropped if they are near-duplicates of the source's rows, which do not depend on them. Where fetch has
written a fixed test set (``data.test_path``), its usable rows are the test split, and rows of the source in a
group with one of them are dropped.
"""

from __future__ import annotations

import logging
from pathlib import Path

from schematic_reader.cleaning.clean_to_parquet import clean_to_parquet
from schematic_reader.cli import parse_no_arguments, run, say
from schematic_reader.config import load_params
from schematic_reader.io.files import write_json
from schematic_reader.io.parallel import cores

RAW_FOLDER = Path("data/raw")
FOLDER = Path("data/clean")
EXAMPLES = Path("data/cleaning.json")
METRICS = Path("metrics/clean.json")


def main() -> None:
    """Run the stage in the current folder."""
    parse_no_arguments(__doc__)
    metrics = clean_to_parquet(RAW_FOLDER, FOLDER, load_params().clean, workers=cores(), examples=EXAMPLES)
    write_json(METRICS, metrics)
    splits = ", ".join(f"{name} {count}" for name, count in metrics["splits"].items())
    dropped = ", ".join(f"{reason} {count}" for reason, count in metrics["dropped"].items() if count)
    say(f"{FOLDER}: kept {metrics['rows_kept']} of {metrics['rows_read']} rows ({splits})")
    say(f"dropped: {dropped or 'none'}")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    run(main, exclusive=True)

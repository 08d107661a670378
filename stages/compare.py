"""``python -m stages.compare``: print precision, recall and F1 before and after fine-tuning as a table."""

from __future__ import annotations

from pathlib import Path

from stages.scoring.table import result_table
from stages.store.errors import run, takes_no_arguments
from stages.store.files import read_json


def main() -> None:
    """Print the table of the metrics in the current folder."""
    takes_no_arguments(__doc__)
    print(
        result_table(
            read_json(Path("metrics/baseline.json"), "baseline"),
            read_json(Path("metrics/evaluate.json"), "evaluate"),
        )
    )


if __name__ == "__main__":
    run(main)

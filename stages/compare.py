"""``python -m stages.compare``: print precision, recall and F1 before and after fine-tuning as a table."""

from __future__ import annotations

from pathlib import Path

from schematic_reader.cli import parse_no_arguments, run
from schematic_reader.io.files import read_json
from schematic_reader.report.table import result_table


def main() -> None:
    """Print the table of the metrics in the current folder."""
    parse_no_arguments(__doc__)
    print(
        result_table(
            read_json(Path("metrics/baseline.json"), "baseline"),
            read_json(Path("metrics/evaluate.json"), "evaluate"),
        )
    )


if __name__ == "__main__":
    run(main)

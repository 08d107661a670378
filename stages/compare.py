"""``python -m stages.compare [A [B]]``: the results here as a table, or two revisions side by side.

Without a name: precision, recall and F1 before and after fine-tuning, of the metrics in the current folder.
With A and B, two commits, branches or experiments (B is the workspace if it is left out): both tuned models
in a table, the paired gain of B over A with its interval, and the sheets that changed most; the same with
both answers and pictures in comparison.html. Both must have been judged on the same task and test sheets.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from schematic_reader.cli import UserError, run, say
from schematic_reader.config import load_params
from schematic_reader.io.files import read_json, write_text
from schematic_reader.io.tables import Pictures, read_messages
from schematic_reader.report.comparison import compare, comparison_page, comparison_text
from schematic_reader.report.revisions import WORKSPACE, read_evaluated
from schematic_reader.report.table import result_table
from schematic_reader.scoring.metrics import REQUIRED

CLEAN = Path("data/clean")
MESSAGES = Path("data/messages")
PAGE = Path("comparison.html")


def main() -> None:
    """Print the table, or the comparison."""
    args = command_line().parse_args()
    if args.before is None:
        before = read_json(Path("metrics/baseline.json"), "baseline", REQUIRED)
        say(result_table(before, read_json(Path("metrics/evaluate.json"), "evaluate", REQUIRED)))
        return
    params = load_params()
    found = compare(
        read_evaluated(args.before),
        read_evaluated(args.after),
        bootstrap_samples=params.evaluate.bootstrap_samples,
        seed=params.seed,
    )
    say(comparison_text(found))
    write_text(PAGE, comparison_page(found, pictures_here()))
    say(f"with pictures: {PAGE}")


def command_line() -> argparse.ArgumentParser:
    """The options; ``--help`` imports neither DVC nor torch."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m stages.compare", description=__doc__, formatter_class=formatter
    )
    parser.add_argument("before", nargs="?", metavar="A", help="commit, branch or experiment")
    parser.add_argument(
        "after", nargs="?", metavar="B", default=WORKSPACE, help="another (default: %(default)s)"
    )
    return parser


def pictures_here() -> Callable[[str], bytes | None]:
    """Gives the encoded picture of a test sheet by its id; None where the data here do not have it."""
    try:
        places = {row["id"]: (row["part"], row["row"]) for row in read_messages(MESSAGES, "test")}
        pictures = Pictures(CLEAN, "test")
    except UserError:
        return lambda _: None

    def picture(id: str) -> bytes | None:
        try:
            return pictures.read(*places[id])
        except (KeyError, UserError):
            return None

    return picture


if __name__ == "__main__":
    run(main)

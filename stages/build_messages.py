"""``python -m stages.build_messages``: turn the clean rows into chats of prompt and target.

Settings are ``task``, ``messages`` and the profile's ``image`` of params.yaml. Writes
``data/messages/SPLIT.parquet``, whose rows have the place of each picture in data/clean instead of a copy,
and ``metrics/messages.json``: rows of each split, targets dropped or cut by reason, and lengths of the
targets; ``metrics/data.html`` shows the data. Prints one chat.
"""

from __future__ import annotations

import logging
from pathlib import Path

from schematic_reader.cli import parse_no_arguments, run, say
from schematic_reader.config import load_params
from schematic_reader.io.display import printable
from schematic_reader.io.files import write_json, write_text
from schematic_reader.io.parallel import cores
from schematic_reader.io.tables import SPLITS
from schematic_reader.report.data_page import data_page
from schematic_reader.tasks.build_messages import build_messages

CLEAN_FOLDER = Path("data/clean")
FOLDER = Path("data/messages")
CLEANING = Path("data/cleaning.json")
METRICS = Path("metrics/messages.json")
PAGE = Path("metrics/data.html")
LATER_METRICS = [Path("metrics") / name for name in ("baseline.json", "train.json", "evaluate.json")]
EXAMPLE_CHARS = 500


def main() -> None:
    """Run the stage in the current folder."""
    parse_no_arguments(__doc__)
    params = load_params()
    metrics, example = build_messages(
        CLEAN_FOLDER, FOLDER, params.task, params.messages, params.active.image, workers=cores()
    )
    write_text(PAGE, data_page(CLEAN_FOLDER, FOLDER, CLEANING, params, workers=cores()))
    write_json(METRICS, metrics)
    if later := [path.name for path in LATER_METRICS if path.is_file()]:
        say(f"metrics of a run on other rows until `dvc repro` has run: {', '.join(later)}")
    for split in SPLITS:
        say(f"{split}: {', '.join(f'{name} {count}' for name, count in metrics[split].items())}")
    say(f"\nfor example {printable(example['name'])}, {example['part']} row {example['row']}:")
    for text in (f"user: <picture>\n{example['prompt']}", f"assistant: {example['target']}"):
        shown = printable(text[:EXAMPLE_CHARS], keep="\t\n")
        say(shown if len(text) <= EXAMPLE_CHARS else f"{shown}... ({len(text)} characters)")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    run(main, exclusive=True)

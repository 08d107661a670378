"""``python -m benchmarks.ocr``: what OCR alone finds on the test split of ``data/clean``.

Needs the ``ocr`` extra. Every word of the form of a reference (``R12``) is taken for one, and held against
the sheet's bill of materials; names of library symbols are taken from the texts as by ``evaluate.ocr``. A
second line has the references with their interval over repositories.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.results import record
from schematic_reader.cli import UserError, parse_no_arguments, run
from schematic_reader.config import load_params
from schematic_reader.io.tables import clean_parts, iterate_rows
from schematic_reader.scoring.bom import true_parts
from schematic_reader.scoring.interval import f1_interval
from schematic_reader.scoring.ocr import ocr, read_texts, runs_here
from schematic_reader.scoring.precision_recall import count, total
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import Item

CLEAN = Path("data/clean")
COMPONENTS = task_named("components")

_REFERENCE = re.compile(r"[A-Z]{1,4}[0-9]{1,4}[A-Z]?")
_WORD = re.compile(r"\w+")


def main() -> None:
    """Record a line of names and one of references."""
    parse_no_arguments(__doc__)
    if not runs_here("components"):
        raise UserError("the ocr extra is not installed: pip install rapidocr onnxruntime")
    params = load_params()
    columns = ["name", "image", "components", "schematic"]
    rows = list(iterate_rows(clean_parts(CLEAN, "test"), columns))
    train = [names_of(row["components"]) for row in iterate_rows(clean_parts(CLEAN, "train"), ["components"])]
    texts = read_texts([row["image"] for row in rows])
    found = ocr(texts, [names_of(row["components"]) for row in rows], train)
    record("ocr", "names of library symbols", sheets=len(rows), **found)
    judged = [
        (row["name"], count(references_in(boxes), Counter(part.reference for part in parts)))
        for row, boxes in zip(rows, texts, strict=True)
        if (parts := true_parts(row["schematic"] or "")) is not None
    ]
    counts = total([one for _, one in judged])
    low, high = f1_interval(
        [one for _, one in judged],
        [name for name, _ in judged],
        bootstrap_samples=params.evaluate.bootstrap_samples,
        seed=params.seed,
    )
    values = {
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "f1_low": low,
        "f1_high": high,
    }
    rounded = {name: round(value, 6) for name, value in values.items()}
    record("ocr", "references", sheets=len(judged), **rounded)


def names_of(components: Sequence[str]) -> Counter[Item]:
    """The names that the task ``components`` asks for."""
    target = COMPONENTS.target({"components": components}, form="compact")
    return COMPONENTS.parse(target).items if target else Counter()


def references_in(boxes: Sequence[str]) -> Counter[Item]:
    """Each word of the texts once that has the form of a reference."""
    words = (word for box in boxes for word in _WORD.findall(box))
    return Counter({word: 1 for word in words if _REFERENCE.fullmatch(word)})


if __name__ == "__main__":
    run(main)

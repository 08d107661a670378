"""OCR as a reference: the texts that RapidOCR finds on the sheet, taken as component names.

Needs the ``ocr`` extra, whose wheel brings its models. Of three readings of the same texts the best one on
these very sheets counts, which favours OCR: every text box is a name; every word is one; or only those that
equal a training name in the loose reading, in its most frequent training spelling.
"""

from __future__ import annotations

import importlib.util
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from tqdm import tqdm

from schematic_reader.io.picture import open_picture
from schematic_reader.scoring.precision_recall import count, total
from schematic_reader.tasks.contract import Item
from schematic_reader.tasks.folding import fold

log = logging.getLogger(__name__)


def runs_here(task: str) -> bool:
    """Whether OCR can answer that task and the extra is installed; logs why not."""
    if task != "components":
        log.info("no OCR reference: the texts of a sheet are no answer to the task %s", task)
        return False
    if importlib.util.find_spec("rapidocr") is None:
        log.info("no OCR reference: the ocr extra is not installed (pip install rapidocr onnxruntime)")
        return False
    return True


def read_texts(pictures: Sequence[bytes]) -> list[list[str]]:
    """The texts of the boxes that RapidOCR finds on each encoded picture at its full size."""
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "error"})
    texts = []
    for data in tqdm(pictures, desc="OCR", unit="sheet"):
        # RapidOCR takes arrays as OpenCV has them: blue first.
        found = engine(np.asarray(open_picture(data))[:, :, ::-1])
        texts.append([text for text in found.txts or () if text.strip()])
    return texts


def ocr(
    texts: Sequence[Sequence[str]], actual: Sequence[Counter[Item]], train: Iterable[Counter[Item]]
) -> dict[str, float]:
    """Micro precision, recall and F1 of the best reading, and the F1 of each.

    Args:
        texts: of the boxes of each sheet.
        actual: the component names of each sheet.
        train: the component names of the training sheets.
    """
    spelled = _spellings(train)
    readings: dict[str, Callable[[Sequence[str]], Iterable[str]]] = {
        "boxes": lambda boxes: boxes,
        "words": _words,
        "known": lambda boxes: (
            spelled[key] for key in map(fold, [*boxes, *_words(boxes)]) if key in spelled
        ),
    }
    counts = {
        name: total(
            count(Counter(set(read(boxes))), items) for boxes, items in zip(texts, actual, strict=True)
        )
        for name, read in readings.items()
    }
    best = max(counts.values(), key=lambda one: one.f1)
    values = {"precision": best.precision, "recall": best.recall, "f1": best.f1}
    values |= {f"{name}_f1": one.f1 for name, one in counts.items()}
    return {name: round(value, 6) for name, value in values.items()}


def _words(boxes: Iterable[str]) -> list[str]:
    return [word for box in boxes for word in box.split()]


def _spellings(train: Iterable[Counter[Item]]) -> dict[str, str]:
    """The training spelling of most sheets by folded name; of equals the first by the alphabet."""
    sheets = Counter(str(item) for items in train for item in items)
    ranked = sorted(sheets, key=lambda name: (-sheets[name], name))
    return {fold(name): name for name in reversed(ranked)}

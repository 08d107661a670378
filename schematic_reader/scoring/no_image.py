"""No-image control: the same prompts with grey pictures, on which a model that reads should do much worse."""

from __future__ import annotations

from collections.abc import Sequence

from schematic_reader.scoring.interval import gain_interval
from schematic_reader.scoring.precision_recall import count, share, total
from schematic_reader.scoring.predictions import PredictionRow, actual_items, predicted_items
from schematic_reader.tasks.contract import Task


def no_image_control(
    without_image: Sequence[PredictionRow],
    with_image: Sequence[PredictionRow],
    task: Task,
    *,
    bootstrap_samples: int,
    seed: int,
) -> dict[str, float]:
    """Micro precision, recall and F1 without the pictures.

    Beside them, of the same sheets, ``with_image_f1``; ``image_gain``, which is that minus ``f1``, with its
    interval over paired bootstrap samples; and ``unchanged``, the share of sheets whose answer is the same
    with the picture and without.
    """
    counts_without, counts_with = (
        [count(predicted_items(row, task), actual_items(row, task)) for row in side]
        for side in (without_image, with_image)
    )
    without, with_ = total(counts_without), total(counts_with)
    names = [row.name for row in with_image]
    low, high = gain_interval(
        counts_with, counts_without, names, bootstrap_samples=bootstrap_samples, seed=seed
    )
    unchanged = sum(
        one.prediction == other.prediction for one, other in zip(without_image, with_image, strict=True)
    )
    values = {
        "precision": without.precision,
        "recall": without.recall,
        "f1": without.f1,
        "with_image_f1": with_.f1,
        "image_gain": with_.f1 - without.f1,
        "image_gain_low": low,
        "image_gain_high": high,
        "unchanged": share(unchanged, len(with_image)),
    }
    return {"sheets": len(without_image), **{name: round(value, 6) for name, value in values.items()}}

"""What a model says without looking: a model that reads its pictures does much worse on grey sheets."""

from __future__ import annotations

from collections.abc import Sequence

from schematic_reader.scoring.interval import gain_interval
from schematic_reader.scoring.precision_recall import count, share, total
from schematic_reader.scoring.predictions import PredictionRow, actual_items, predicted_items
from schematic_reader.tasks.contract import Task


def blind(
    unseeing: Sequence[PredictionRow],
    seeing: Sequence[PredictionRow],
    task: Task,
    *,
    draws: int,
    seed: int,
) -> dict[str, float]:
    """Micro precision, recall and F1 without the pictures.

    Beside them, of the same sheets, ``with_picture_f1``; ``looking``, which is that minus ``f1``, with its
    interval on paired draws; and ``same``, the share of sheets about which the model says the same with the
    picture and without.
    """
    without, with_picture = (
        [count(predicted_items(row, task), actual_items(row, task)) for row in side]
        for side in (unseeing, seeing)
    )
    counts, seen = total(without), total(with_picture)
    names = [row.name for row in seeing]
    low, high = gain_interval(with_picture, without, names, draws=draws, seed=seed)
    same = sum(one.prediction == other.prediction for one, other in zip(unseeing, seeing, strict=True))
    values = {
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "with_picture_f1": seen.f1,
        "looking": seen.f1 - counts.f1,
        "looking_low": low,
        "looking_high": high,
        "same": share(same, len(seeing)),
    }
    return {"sheets": len(unseeing), **{name: round(value, 6) for name, value in values.items()}}

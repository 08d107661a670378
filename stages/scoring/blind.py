"""What a model says without looking: a model that reads its pictures does much worse on grey sheets."""

from __future__ import annotations

from collections.abc import Sequence

from stages.scoring.precision_recall import count, share, total
from stages.scoring.predictions import PredictionRow, actual_items, predicted_items
from stages.tasks.contract import Task


def blind(unseeing: Sequence[PredictionRow], seeing: Sequence[PredictionRow], task: Task) -> dict[str, float]:
    """Micro precision, recall and F1 without the pictures.

    Beside them, of the same sheets, ``with_picture_f1`` and ``same``, the share of sheets about which the
    model says the same with the picture and without.
    """
    counts, with_picture = (
        total(count(predicted_items(row, task), actual_items(row, task)) for row in side)
        for side in (unseeing, seeing)
    )
    same = sum(one.prediction == other.prediction for one, other in zip(unseeing, seeing, strict=True))
    values = {
        "precision": counts.precision,
        "recall": counts.recall,
        "f1": counts.f1,
        "with_picture_f1": with_picture.f1,
        "same": share(same, len(seeing)),
    }
    return {"sheets": len(unseeing), **{name: round(value, 6) for name, value in values.items()}}

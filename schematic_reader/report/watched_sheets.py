"""Some validation sheets that the model under training answers at every validation, for a tracker to show.

No stage depends on this module (``code_deps.EXEMPT``): what it shows is in no output.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from schematic_reader.config import Params
from schematic_reader.scoring.evaluation import prediction_rows, validation_sheets
from schematic_reader.scoring.precision_recall import count, total
from schematic_reader.scoring.predictions import actual_items, predicted_items
from schematic_reader.scoring.tiled_answers import answer_sheets
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.joining import asked_about

if TYPE_CHECKING:
    from schematic_reader.model.encode import Encoder
    from schematic_reader.training.tracking import Watch, Watched

SHEETS = 4
"""So many are answered: enough to see what is learned, few enough for a validation to stay short."""


def watched_sheets(params: Params, encoder: Encoder, *, messages: Path, clean: Path) -> Watch | None:
    """What answers the first ``SHEETS`` validation sheets by id, as evaluate would; None if there is none.

    A sheet whose target cannot be judged against, as after it was cut, is none.

    Args:
        messages: the folder of message rows, ``data/messages``.
        clean: the folder of the clean splits with the pictures, ``data/clean``.
    """
    from schematic_reader.generation.answerer import Answerer
    from schematic_reader.generation.settings import GenerationSettings
    from schematic_reader.model.sheet_images import SheetImages
    from schematic_reader.training.tracking import Watched, WatchedAnswer

    task, limits = task_named(params.task), params.active.image
    rows = [row for row in validation_sheets(messages, SHEETS) if task.parse(row["target"]).valid]
    if not rows:
        return None
    settings = GenerationSettings.of(
        params.evaluate,
        asked_about(task, limits).grammar,
        batch_size=min(SHEETS, params.active.model.batch_size),
    )
    sheets = SheetImages(clean, "validation", limits)

    def watch(model: Any) -> Watched:
        answers = answer_sheets(Answerer(lambda: model, encoder, settings).answer, task, sheets, rows)
        found = prediction_rows(rows, answers, task)
        counts = [count(predicted_items(row, task), actual_items(row, task)) for row in found]
        shown = [WatchedAnswer(row.name, row.f1, row.prediction, row.target) for row in found]
        return Watched(total(counts).f1, shown)

    return watch

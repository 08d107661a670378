"""Load the model that reads sheets."""

from __future__ import annotations

import logging

from schematic_reader.config import Params, TaskName
from schematic_reader.predict.conversion import check_conversion
from schematic_reader.predict.model_source import ModelSource
from schematic_reader.predict.sheet_reader import SheetReader
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.joining import asked_about

log = logging.getLogger(__name__)


def load_reader(source: ModelSource, shown: TaskName, params: Params) -> SheetReader:
    """Load the model to show its answers as those to the task ``shown``. This imports torch.

    Raises:
        UserError: it cannot be loaded, or its answers do not tell what ``shown`` asks for.
    """
    task = task_named(source.settings.task if source.settings else shown)
    check_conversion(task, task_named(shown), str(source.folder))
    from schematic_reader.generation.answerer import open_answerer

    if source.settings is None and shown != params.task:
        log.warning(
            "params.yaml has task: %s, so a model trained with it may not know %s", params.task, shown
        )
    # Without settings nothing tells that a calibration is of another task than names.
    calibration = source.calibration if source.settings or shown == "components" else None
    if shown == "components" and calibration is None:
        log.warning("no calibration.json: confidences are uncalibrated token probabilities")
    log.info("read by %s", source.description)
    adapter = None if source.whole else source.folder
    asked = asked_about(task, params.active.image)
    answerer = open_answerer(source.model, asked, params.evaluate, seed=params.seed, adapter=adapter)
    answerer.load()  # now, not with the first sheet
    size = source.model.batch_size
    return SheetReader(answerer.answer, task, params.messages, calibration, size, task_named(shown))

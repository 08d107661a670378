"""Load the model that reads sheets."""

from __future__ import annotations

import logging
import os
from copy import copy
from dataclasses import replace

from schematic_reader.config import Params, TaskName
from schematic_reader.predict.conversion import check_conversion
from schematic_reader.predict.model_source import ModelSource
from schematic_reader.predict.sheet_reader import SheetReader
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import Form, SymbolsEnd, Task
from schematic_reader.tasks.description import DescriptionTask
from schematic_reader.tasks.joining import asked_about

log = logging.getLogger(__name__)


def load_reader(source: ModelSource, shown: TaskName, params: Params) -> SheetReader:
    """Load the model to show its answers as those to the task ``shown``. This imports torch.

    Raises:
        UserError: it cannot be loaded, or its answers do not tell what ``shown`` asks for.
    """
    task = task_named(source.settings.task if source.settings else shown)
    check_conversion(task, task_named(shown), str(source.folder))
    let_threads_sleep()
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
    answerer = open_answerer(
        source.model,
        asked,
        params.evaluate,
        seed=params.seed,
        adapter=adapter,
        symbols_end=_symbols_end(task, task_named(shown), params.messages.form),
    )
    answerer.load()  # now, not with the first sheet
    whole = copy(answerer)  # of the same model
    whole.settings = replace(answerer.settings, symbols_end=None)
    return SheetReader(
        answerer.answer,
        task,
        params.messages,
        calibration,
        source.model.batch_size,
        task_named(shown),
        whole.answer if answerer.settings.symbols_end else None,
    )


def let_threads_sleep() -> None:
    """Let PyTorch's threads sleep while they wait for each other, unless the environment says otherwise.

    GNU OpenMP's spin, which costs minutes a sheet where other programs run: a decode step has a hundred short
    parallel loops. It reads the environment when torch is imported first; later this changes nothing.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _symbols_end(asked: Task, shown: Task, form: Form) -> SymbolsEnd | None:
    """Where answers may end, since what is shown are parts alone; None where all that they say is shown."""
    if isinstance(shown, DescriptionTask) or not isinstance(asked, DescriptionTask) or form != "compact":
        return None
    return asked.symbols_end

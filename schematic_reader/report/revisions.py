"""What evaluate has written at a Git revision or in a DVC experiment, read without checking it out."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from schematic_reader.cli import UserError
from schematic_reader.scoring.metrics import REQUIRED
from schematic_reader.scoring.predictions import PredictionRow
from schematic_reader.tasks import task as task_named

if TYPE_CHECKING:
    from dvc.fs.dvc import DVCFileSystem

METRICS = "metrics/evaluate.json"
PREDICTIONS = "data/predictions/tuned.parquet"
WORKSPACE = "workspace"
"""Stands for the files that lie here, as in DVC's own tables."""


@dataclass(frozen=True)
class Evaluated:
    """A tuned model's results at ``name``, a revision, an experiment or ``WORKSPACE``."""

    name: str
    task: str
    metrics: dict[str, Any]
    predictions: list[PredictionRow]


def read_evaluated(name: str) -> Evaluated:
    """The results at a revision of the repository in the current folder.

    Raises:
        UserError: there is no such revision, it has no results, or DVC has its predictions nowhere.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError, resolve_rev

    revision = None
    if name != WORKSPACE:
        try:
            with Repo(".") as here:
                revision = resolve_rev(here.scm, name)
        except (DvcException, SCMError):
            raise UserError(
                f"there is no revision or experiment {name!r}: see `git log --all` and `dvc exp list`"
            ) from None
    with Repo(".", rev=revision, uninitialized=True) as repo:
        params, metrics, predictions = (
            _read(repo.dvcfs, path, name) for path in ("params.yaml", METRICS, PREDICTIONS)
        )
    return parse_evaluated(name, params, metrics, predictions)


def parse_evaluated(name: str, params: bytes, metrics: bytes, predictions: bytes) -> Evaluated:
    """The results in these files. Raises UserError where they are not what this version writes."""
    try:
        rows = [PredictionRow(**row) for row in pq.read_table(io.BytesIO(predictions)).to_pylist()]
        task = task_named(yaml.safe_load(params)["task"]).name
        figures = json.loads(metrics)
        if not figures.keys() >= set(REQUIRED):
            raise ValueError("a part of the metrics is missing")
        return Evaluated(name, task, figures, rows)
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError, pa.ArrowException):
        raise UserError(f"{name} was made by another version, whose results cannot be compared") from None


def _read(files: DVCFileSystem, path: str, name: str) -> bytes:
    try:
        content: bytes = files.read_bytes(Path(path).as_posix())
    except (OSError, RuntimeError) as error:
        elsewhere = "`dvc fetch --all-commits`, or `dvc exp pull` for an experiment"
        raise UserError(
            f"{name} has no {path} here ({type(error).__name__}): get it by "
            f"{'`dvc repro`' if name == WORKSPACE else elsewhere}"
        ) from None
    return content

"""Settings of a pre-training run, read from ``pretraining/config.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from pretraining.tokens import CELL
from schematic_reader.cli import UserError


@dataclass(frozen=True)
class Shape:
    """Pictures of one size, and how many of them a step has on each GPU."""

    width: int  # px
    height: int
    windows: int  # cut from one drawn sheet; 0: the picture is a whole sheet
    batch: int  # pictures a step
    fresh: int  # of them never seen before
    pool: int  # pictures kept to be drawn from again
    slots: tuple[int, ...]  # tokens of the questions with their answers

    def __post_init__(self) -> None:
        if self.width % CELL or self.height % CELL:
            raise UserError(
                f"a picture's sides must be multiples of {CELL} px: got {self.width} x {self.height}"
            )
        if not 0 < self.fresh <= self.batch <= self.pool:
            raise UserError(
                f"fresh may be at most batch, and batch at most pool: got fresh {self.fresh}, "
                f"batch {self.batch}, pool {self.pool}"
            )


@dataclass(frozen=True)
class Phase:
    """A part of the run: how often each shape comes, and the learning rate from first to last step."""

    steps: int
    rate: tuple[float, float]  # shares of ``learning_rate``
    shapes: Mapping[str, float]


@dataclass(frozen=True)
class Settings:
    """One field a key of the file; see there for what each one means."""

    seed: int
    shapes: Mapping[str, Shape]
    phases: tuple[Phase, ...]
    question_sets: int
    learning_rate: float
    matrix_rate: float
    weight_decay: float
    max_grad_norm: float
    cells_weight: float
    sources: Mapping[str, float]
    validation_pictures: int
    validation_every: int
    checkpoint_every: int
    vision: Mapping[str, Any] = field(default_factory=dict)
    text: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if min(self.learning_rate, self.matrix_rate) <= 0:
            raise UserError(
                f"learning_rate and matrix_rate must be above 0: got {self.learning_rate}, {self.matrix_rate}"
            )

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> tuple[Phase, float]:
        """The phase of a step, and the share of ``learning_rate`` there."""
        for phase in self.phases:
            if step < phase.steps:
                low, high = phase.rate
                return phase, low + (high - low) * step / phase.steps
            step -= phase.steps
        return self.phases[-1], self.phases[-1].rate[1]


def load(path: Path) -> Settings:
    """Reads the file.

    Raises:
        UserError: a key is missing or unknown, or a value has the wrong type or does not fit the others.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    names = [f.name for f in fields(Settings)]
    found = set(data) if isinstance(data, dict) else set()
    odd = (set(names) - {"vision", "text"} - found) | (found - set(names))
    if odd or not isinstance(data, dict):
        raise UserError(
            f"{path} must have the keys {', '.join(names)}: check {', '.join(sorted(map(str, odd)))}"
        )
    try:
        shapes = {
            name: Shape(**{**values, "slots": tuple(values["slots"])})
            for name, values in data["shapes"].items()
        }
        phases = tuple(Phase(p["steps"], tuple(p["rate"]), p["shapes"]) for p in data["phases"])
    except (TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path}: shapes or phases are not as they should be: {error}") from None
    types = get_type_hints(Settings)
    for name, value in data.items():
        kind = types[name]
        if kind in (int, float) and (isinstance(value, bool) or not isinstance(value, (int, kind))):
            raise UserError(f"{path}: {name} must be of type {kind.__name__}, got {value!r}")
    unknown = sorted({name for phase in phases for name in phase.shapes} - set(shapes))
    if unknown:
        raise UserError(f"{path}: a phase names shapes that are not there: {', '.join(unknown)}")
    return Settings(**{**data, "shapes": shapes, "phases": phases})

"""Settings of a pre-training run, read from ``pretraining/config.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from schematic_reader.cli import UserError


@dataclass(frozen=True)
class Settings:
    """One field a key of the file; see there for what each one means."""

    seed: int
    width: int
    height: int
    slots: tuple[int, ...]
    question_sets: int
    pool: int
    batch: int
    fresh: int
    steps: int
    learning_rate: float
    warmup: int
    weight_decay: float
    max_grad_norm: float
    cells_weight: float
    cells_positive: float
    library_share: float
    plain_share: float
    validation_sheets: int
    validation_every: int
    checkpoint_every: int

    def __post_init__(self) -> None:
        if not 0 < self.fresh <= self.batch <= self.pool:
            raise UserError(
                f"fresh may be at most batch, and batch at most pool: got fresh {self.fresh}, "
                f"batch {self.batch}, pool {self.pool}"
            )


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
    if not isinstance(data, dict) or set(data) != set(names):
        odd = sorted(set(names) ^ set(data if isinstance(data, dict) else ()))
        raise UserError(
            f"{path} must have exactly the keys {', '.join(names)}: check {', '.join(map(str, odd))}"
        )
    types = get_type_hints(Settings)
    values: dict[str, Any] = {name: tuple(data[name]) if name == "slots" else data[name] for name in names}
    for name in names:
        kind = tuple if name == "slots" else types[name]
        good = (int, float) if kind is float else kind
        if isinstance(values[name], bool) or not isinstance(values[name], good):
            raise UserError(f"{path}: {name} must be of type {kind.__name__}, got {values[name]!r}")
    return Settings(**values)

"""The settings of a fine-tuning run, taken together from the groups of params.yaml."""

from __future__ import annotations

from dataclasses import dataclass

from schematic_reader.config import Lora, Params, ProfileTrain, Train
from schematic_reader.training.initial_adapter import InitialAdapter


@dataclass(frozen=True)
class FinetuneSettings:
    """``lora`` and ``train`` of params.yaml, ``profile`` the active profile's ``train``, and the seed.

    ``initial`` is the adapter to start from, which ``lora.init_from`` names; None: a new one.
    """

    lora: Lora
    train: Train
    profile: ProfileTrain
    seed: int
    initial: InitialAdapter | None = None

    @classmethod
    def of(cls, params: Params, initial: InitialAdapter | None) -> FinetuneSettings:
        """Those of the active profile."""
        return cls(params.lora, params.train, params.active.train, params.seed, initial)

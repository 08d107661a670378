"""The settings of a fine-tuning run, taken together from the groups of params.yaml."""

from __future__ import annotations

from dataclasses import dataclass

from schematic_reader.config import Lora, Params, ProfileTrain, Train


@dataclass(frozen=True)
class FinetuneSettings:
    """``lora`` and ``train`` of params.yaml, ``profile`` the active profile's ``train``, and the seed."""

    lora: Lora
    train: Train
    profile: ProfileTrain
    seed: int

    @classmethod
    def of(cls, params: Params) -> FinetuneSettings:
        """Those of the active profile."""
        return cls(params.lora, params.train, params.active.train, params.seed)

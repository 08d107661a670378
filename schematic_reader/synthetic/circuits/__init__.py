"""Sub-circuits of the built-in generator, and how they are put on a sheet."""

from __future__ import annotations

from schematic_reader.synthetic.circuits import (
    analog,
    digital,
    interface,
    power,
    transceivers,
    user_interface,
)
from schematic_reader.synthetic.circuits.recipe import Circuit

__all__ = ["CATALOGUE", "Circuit"]

CATALOGUE: tuple[Circuit, ...] = (
    *power.CIRCUITS,
    *analog.CIRCUITS,
    *digital.CIRCUITS,
    *transceivers.CIRCUITS,
    *interface.CIRCUITS,
    *user_interface.CIRCUITS,
)

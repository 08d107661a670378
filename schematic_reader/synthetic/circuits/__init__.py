"""Sub-circuits of the built-in generator, and how they are put on a sheet."""

from __future__ import annotations

from schematic_reader.synthetic.circuits import analog, buses, digital, human, interface, power
from schematic_reader.synthetic.circuits.recipe import Circuit

__all__ = ["CATALOGUE", "Circuit"]

CATALOGUE: tuple[Circuit, ...] = (
    *power.CIRCUITS,
    *analog.CIRCUITS,
    *digital.CIRCUITS,
    *buses.CIRCUITS,
    *interface.CIRCUITS,
    *human.CIRCUITS,
)

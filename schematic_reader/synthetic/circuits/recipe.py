"""An entry of the catalogue of sub-circuits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schematic_reader.synthetic.circuits.draft import Draft
from schematic_reader.synthetic.circuits.orientation import IDENTITY, MIRROR, QUARTER, THREE_QUARTERS, Matrix

UPRIGHT: tuple[Matrix, ...] = (IDENTITY,)
MIRRORED: tuple[Matrix, ...] = (IDENTITY, IDENTITY, MIRROR)
TURNED: tuple[Matrix, ...] = (IDENTITY, IDENTITY, QUARTER, THREE_QUARTERS)


@dataclass(frozen=True, slots=True)
class Circuit:
    """``weight`` is its relative frequency; ``turns`` lists the orientations in which it stays legible.

    A sheet has at most one ``large`` circuit, and it is placed before the others.
    """

    build: Callable[[Draft], None]
    title: str
    weight: float
    turns: tuple[Matrix, ...] = UPRIGHT
    large: bool = False

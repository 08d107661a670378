"""Pieces of small sheets for the tests of nets, and what is joined on such a sheet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from schematic_reader.kicad.model import (
    LibSymbol,
    Line,
    Pin,
    PlacedSymbol,
    Point,
    Property,
    Sheet,
    SymbolUnit,
)
from schematic_reader.kicad.nets.netlist import nets


def library(name: str, *pins: Pin, power: bool = False) -> LibSymbol:
    return LibSymbol(name, units=(SymbolUnit(1, 1, pins=pins),), power=power)


def pin(number: str, at: Point, kind: str = "passive", name: str = "~", hidden: bool = False) -> Pin:
    return Pin(number=number, name=name, at=at, angle=0, kind=kind, hidden=hidden)


def placed(lib_id: str, reference: str, at: Point, value: str = "", **more: Any) -> PlacedSymbol:
    fields = (Property("Reference", reference), Property("Value", value))
    return replace(PlacedSymbol(lib_id, at, properties=fields), **more)


# A test point has its only pin where it is placed, so that its net tells what is joined at a place.
LIBRARY = {
    "probe": library("probe", pin("1", (0, 0))),
    "power": library("power", pin("1", (0, 0), "power_in", "OLD"), power=True),
    "hidden power": library("hidden power", pin("1", (0, 0), "power_in", "OLD", hidden=True), power=True),
    "flag": library("flag", pin("1", (0, 0), "power_out", "pwr"), power=True),
    "chip": library(
        "chip",
        pin("1", (0, 0), "output", "Q"),
        pin("7", (0, -2.54), "power_in", "GND", hidden=True),
        pin("14", (0, 2.54), "power_in", "VCC"),
    ),
    "unused": library("unused", pin("1", (0, 0), "no_connect"), pin("2", (0, 0), "no_connect")),
}


def probe(reference: str, x: float, y: float) -> PlacedSymbol:
    return placed("probe", reference, (x, y))


def wire(*points: Point) -> Line:
    return Line(points)


def bus(*points: Point) -> Line:
    return Line(points, kind="bus")


def joined(sheet: Sheet) -> list[str]:
    """Each net as its pins, ``A B.2``, the pin's number left out where it is 1; in order."""
    found = [" ".join(sorted(f"{r}.{n}".removesuffix(".1") for r, n in net.pins)) for net in nets(sheet)]
    return sorted(found)


def sheet_of(*symbols: PlacedSymbol, **more: Any) -> Sheet:
    return replace(Sheet(lib_symbols=LIBRARY, symbols=symbols), **more)


ENDS = (probe("A", 0, 10), probe("B", 20, 10), probe("C", 10, 0), probe("D", 10, 20))
ACROSS, DOWN = wire((0, 10), (20, 10)), wire((10, 0), (10, 20))

"""A small sheet as KiCad's text and as the data set's mapping, with its nets worked out by hand."""

from __future__ import annotations

from typing import Any

PIN = '(pin {kind} line (at {x} {y} 0) (length 1) (name "~") (number "{number}"))'


def pin(number: int, x: float, y: float, kind: str = "passive") -> str:
    return PIN.format(number=number, x=x, y=y, kind=kind)


def placed(library_id: str, reference: str, x: float, y: float, rest: str = "", angle: int = 0) -> str:
    return (
        f'(symbol (lib_id "{library_id}") (at {x} {y} {angle}) {rest} '
        f'(property "Reference" "{reference}") (property "Value" "{library_id[2:]}"))'
    )


# U: two units; R: with pins 2.54 mm off, in a local copy 5.08 mm. Inside a symbol y grows upward.
OWN = f"""(kicad_sch (version 20231120) (lib_symbols
  (symbol "L:U" (symbol "U_1_1" {pin(1, -5.08, 0)} {pin(2, 5.08, 2.54)}) (symbol "U_2_1" {pin(3, 0, 5.08)}))
  (symbol "L:R" (symbol "R_1_1" {pin(1, 0, 2.54)} {pin(2, 0, -2.54)}))
  (symbol "R_long" (symbol "R_long_1_1" {pin(1, 0, 5.08)} {pin(2, 0, -5.08)}))
  (symbol "L:GND" (power) (symbol "GND_1_1" {pin(1, 0, 0, "power_in")})))
  {placed("L:U", "U1", 100, 50, "(mirror y) (unit 1)")}
  {placed("L:U", "U1", 100, 80, "(unit 2)")}
  {placed("L:R", "R1", 50, 50, "(unit 1)", angle=90)}
  {placed("L:R", "R2", 150, 50, '(lib_name "R_long") (unit 1)')}
  {placed("L:GND", "#PWR01", 150, 55.08, "(unit 1)")}
  {placed("L:GND", "#PWR02", 47.46, 50, "(unit 1)")})"""


def symbol_entry(library_id: str, reference: str, x: float, y: float, angle: int = 0) -> dict[str, Any]:
    nickname, name = library_id.split(":")
    return {
        "libraryNickname": nickname,
        "entryName": name,
        "position": {"x": x, "y": y, "angle": angle},
        "properties": [{"key": "Reference", "value": reference}, {"key": "Value", "value": name}],
    }


def wire(*points: tuple[float, float], kind: str = "wire") -> dict[str, Any]:
    return {"type": kind, "points": [{"x": x, "y": y} for x, y in points]}


def label(text: str, x: float, y: float) -> dict[str, Any]:
    return {"text": text, "position": {"x": x, "y": y, "angle": 0}}


def document() -> dict[str, Any]:
    """The sheet OWN with its wires.

    U1's unit 1 is mirrored left to right: its pins 1 and 2 are at (105.08, 50) and (94.92, 47.46); pin 3 of
    unit 2 is at (100, 74.92). R1 lies on its side, turned counter-clockwise: pin 1 at (47.46, 50), pin 2 at
    (52.54, 50). R2's are at (150, 44.92) and (150, 55.08), on GND, where R1's pin 1 is too.
    """
    return {
        "schematicSymbols": [
            symbol_entry("L:U", "U1", 100, 50),
            symbol_entry("L:U", "U1", 100, 80),
            symbol_entry("L:R", "R1", 50, 50, 90),
            symbol_entry("L:R", "R2", 150, 50),
            symbol_entry("L:GND", "#PWR01", 150, 55.08),
            symbol_entry("L:GND", "#PWR02", 47.46, 50),
        ],
        "graphicalItems": [
            wire((52.54, 50), (52.54, 47.46), (94.92, 47.46)),
            wire((105.08, 50), (105.08, 74.92)),
            {"type": "text", "text": "a note", "position": {"x": 1, "y": 1, "angle": 0}},
        ],
        "labels": [label("OUT", 105.08, 74.92)],
        "globalLabels": [label("OUT", 100, 74.92)],
    }


NETS = {frozenset({("R1", "2"), ("U1", "2")}), frozenset({("U1", "1"), ("U1", "3")}),
        frozenset({("R1", "1"), ("R2", "2")}), frozenset({("R2", "1")})}  # fmt: skip

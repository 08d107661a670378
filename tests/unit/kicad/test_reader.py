"""KiCad 6 to 10 text, the ways in which it differs, and what is no KiCad text at all."""

from __future__ import annotations

import random
import re

import pytest

from schematic_reader.kicad.model import AlternatePin, Pin, Property, Text, TextStyle
from schematic_reader.kicad.reader import KicadError, read_library, read_sheet
from schematic_reader.kicad.writer import write_sheet
from tests.support.kicad_sheets import every_feature

KICAD_6 = """(kicad_sch (version 20211123) (generator eeschema)
  (uuid 6a31734e-65de-48f3-8156-2b24b665b183)
  (paper "USLetter" portrait)
  (lib_symbols
    (symbol "R_1" (pin_numbers hide) (pin_names (offset 0) hide) (in_bom yes) (on_board yes)
      (property "Reference" "R" (id 0) (at 0 0 0) (effects (font (size 1.27 1.27)) hide))
      (symbol "R_1_0_1"
        (text "a" (at 1 2 900) (effects (font (size 1 1) bold)))
        (pin passive line (at 0 3.81 270) (length 1.27) hide
          (name "~" (effects (font (size 1.27 1.27)))) (number "1" (effects (font (size 0.5 0.5))))
          (alternate "X" input line)))))
  (junction (at 1 2) (diameter 0) (color 0 0 0 0) (uuid 1))
  (text "up" (at 1 2 90) (effects (font (size 2 2)) (justify left bottom)) (uuid 2))
  (something_new (with 1) (nested (things yes)))
  (symbol (lib_name "R_1") (lib_id "Device:R") (at 1 2 90) (mirror x) (unit 1) (convert 2)
    (in_bom yes) (on_board yes) (fields_autoplaced)
    (uuid 7d9f5c79-4a80-4a0a-9a4e-0f2f5f4e8f2e)
    (property "Reference" "R?" (id 0) (at 1 2 0))
    (property "Value" "" (id 1) (at 1 3 90) (effects (font (size 1.27 1.27)) (justify right) hide)))
  (sheet_instances (path "/" (page "7")))
  (symbol_instances
    (path "/7d9f5c79-4a80-4a0a-9a4e-0f2f5f4e8f2e" (reference "R12") (unit 1) (value "10k") (footprint ""))))
"""

KICAD_9 = """(kicad_sch (version 20250114) (generator "eeschema") (generator_version "9.0")
  (uuid "6a31734e-65de-48f3-8156-2b24b665b183") (paper "User" 150 119.99)
  (lib_symbols
    (symbol "Device:R" (power global) (pin_numbers (hide yes)) (pin_names (offset 0) (hide yes))
      (symbol "R_0_1" (pin passive line (at 0 3.81 270) (length 1.27) (hide yes)
        (name "~" (effects (font (size 1.27 1.27)))) (number "1" (effects (font (size 0.5 0.5))))))
      (embedded_fonts no)))
  (symbol (lib_id "Device:R") (at 1 2 90) (body_style 2) (dnp yes) (uuid "7")
    (property "Value" "1k" (at 1 3 90) (hide yes) (show_name yes)
      (effects (font (size 1.27 1.27) (bold yes) (italic yes)))))
)"""


def test_kicad_6() -> None:
    sheet = read_sheet(KICAD_6)
    assert (sheet.version, sheet.paper, sheet.size) == (20211123, "USLetter", (215.9, 279.4))
    assert sheet.uuid == "6a31734e-65de-48f3-8156-2b24b665b183"
    library = sheet.lib_symbols["R_1"]
    assert (library.pin_numbers_hidden, library.pin_names_hidden, library.pin_name_offset) == (True, True, 0)
    unit = library.units[0]
    assert (unit.unit, unit.style) == (0, 1)
    assert unit.graphics == (Text("a", (1, 2), 90, TextStyle(size=1, bold=True)),)
    alternates = (AlternatePin("X", "input", "line"),)
    assert unit.pins == (
        Pin("1", "~", (0, 3.81), 270, 1.27, hidden=True, number_size=0.5, alternates=alternates),
    )
    assert sheet.junctions == ((1, 2),)
    assert sheet.graphics == (Text("up", (1, 2), 90, TextStyle(size=2, h_align="left", v_align="bottom")),)
    (symbol,) = sheet.symbols
    assert (symbol.lib_name, symbol.lib_id, symbol.mirror, symbol.style) == ("R_1", "Device:R", "x", 2)
    assert symbol.properties == (
        Property("Reference", "R?", (1, 2)),
        Property("Value", "", (1, 3), 90, hidden=True, style=TextStyle(h_align="right")),
    )
    # KiCad 6 keeps the annotation of all uses in the root sheet.
    assert (symbol.designator, symbol.instance_value) == ("R12", "10k")
    assert sheet.sheet_instances == (("/", "7"),)


def test_kicad_9() -> None:
    sheet = read_sheet(KICAD_9)
    assert sheet.size == (150, 119.99)
    library = sheet.lib_symbols["Device:R"]
    assert (library.power, library.pin_numbers_hidden, library.pin_names_hidden) == (True, True, True)
    assert library.units[0].pins[0].hidden
    (symbol,) = sheet.symbols
    assert (symbol.style, symbol.dnp) == (2, True)
    (value,) = symbol.properties
    assert (value.hidden, value.show_name, value.style.bold, value.style.italic) == (True, True, True, True)
    assert sheet.sheet_instances == ()


def test_bare_no_is_no() -> None:
    sheet = read_sheet(KICAD_9.replace("(hide yes)", "(hide no)"))
    assert not sheet.lib_symbols["Device:R"].units[0].pins[0].hidden
    assert not sheet.symbols[0].properties[0].hidden


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "EESchema Schematic File Version 4\nEELAYER 30 0\n",
            "a KiCad 4/5 file; only KiCad 6 to 10 text is read",
        ),
        ("<html>502</html>", "not KiCad text: line 1"),
        ("", "not KiCad text: line 1: empty text"),
        ("(kicad_pcb (version 1))", r"not a \(kicad_sch \.\.\.\) file"),
        ("()", "not a "),
        ('(kicad_sch (paper "A17"))', "unknown paper 'A17'"),
        ('(kicad_sch (paper "User" 0 10))', "the paper is 0 x 10 mm: a side is under 1"),
        ('(kicad_sch (paper "User" 1e-6 1e-6))', "a side is under 1"),
        ('(kicad_sch (paper "User" 1e-310 100))', "a side is under 1"),
        ('(kicad_sch (paper "User" -9 100))', "a side is under 1"),
        ("(kicad_sch (junction (at 1)))", r"\(junction \.\.\.\) has no \(at x y\)"),
        ("(kicad_sch (junction (at 1 nan)))", r"\(at \.\.\.\) has 'nan' where a number is expected"),
        ("(kicad_sch (junction (at 1 1e9)))", "has '1e9' where a number is expected"),
        ("(kicad_sch (junction (at 1 (x))))", "where a number is expected"),
        ("(kicad_sch (version nan))", r"\(version \.\.\.\) has 'nan' where a number is expected"),
        ("(kicad_sch (version ten))", "has 'ten' where a number is expected"),
        ("(kicad_sch (version 1e999))", "has '1e999' where a number is expected"),
        ("(kicad_sch (label (at 1 2)))", r"\(label \.\.\.\) has no text"),
        ('(kicad_sch (lib_symbols (symbol "R" (symbol "R_a_1"))))', "does not end in _UNIT_STYLE"),
    ],
)
def test_rubbish_is_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(KicadError, match=message) as caught:
        read_sheet(text)
    assert "\n" not in str(caught.value)


def test_damaged_sheets_are_read_or_refused_but_never_crash() -> None:
    """Cut and exchange pieces of a good file: only KicadError may come out."""
    text = write_sheet(every_feature())
    rng = random.Random(3)
    tokens = re.findall(r'\(|\)|"[^"]*"|[^\s()]+|\s+', text)
    refused = 0
    for _ in range(300):
        damaged = list(tokens)
        for _ in range(rng.randrange(1, 4)):
            i, j = rng.randrange(len(damaged)), rng.randrange(len(damaged))
            if rng.random() < 0.5:
                damaged[i] = damaged[j]
            else:
                damaged[i] = ""
        try:
            read_sheet("".join(damaged))
        except KicadError:
            refused += 1
    assert 100 < refused < 300


LIBRARY = """(kicad_symbol_lib (version 20211014) (generator x)
  (symbol "Child" (extends "Parent")
    (property "Reference" "U" (at 0 0 0)) (property "Value" "Child" (at 1 1 0))
    (property "Extra" "yes" (at 0 0 0)))
  (symbol "Parent" (pin_names (offset 1.016)) (power)
    (property "Reference" "U" (at 0 0 0)) (property "Value" "Parent" (at 0 0 0))
    (property "Footprint" "SO-8" (at 0 0 0))
    (symbol "Parent_1_1" (rectangle (start 0 0) (end 1 1) (stroke (width 0)) (fill (type background)))))
  (symbol "Grandchild" (extends "Child") (property "Value" "Grandchild" (at 2 2 0))))
"""


def test_extended_symbols_get_their_parents_drawing() -> None:
    library = read_library(LIBRARY)
    assert list(library) == ["Child", "Parent", "Grandchild"]
    child, parent, grandchild = library.values()
    assert child.units == parent.units == grandchild.units
    assert (child.power, child.pin_name_offset, child.extends) == (True, 1.016, "")
    values = {key: symbol.properties for key, symbol in library.items()}
    assert [(p.key, p.value) for p in values["Child"]] == [
        ("Reference", "U"),
        ("Value", "Child"),
        ("Footprint", "SO-8"),
        ("Extra", "yes"),
    ]
    assert [(p.key, p.value) for p in values["Grandchild"]][1] == ("Value", "Grandchild")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '(kicad_symbol_lib (symbol "A" (extends "B")))',
            "symbol 'A' extends 'B', which is not in the library",
        ),
        (
            '(kicad_symbol_lib (symbol "A" (extends "B")) (symbol "B" (extends "A")))',
            "symbol 'A' extends itself",
        ),
        ("(kicad_sch)", r"not a \(kicad_symbol_lib \.\.\.\) file"),
    ],
)
def test_broken_libraries(text: str, message: str) -> None:
    with pytest.raises(KicadError, match=message):
        read_library(text)

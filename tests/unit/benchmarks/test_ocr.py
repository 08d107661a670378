"""What OCR alone finds: words of the form of a reference, against the parts of the sheet."""

from __future__ import annotations

from collections import Counter

from benchmarks.ocr import names_of, references_in
from schematic_reader.scoring.bom import true_parts
from tests.support.kicad_projects import placed, sheet


def test_words_of_the_form_of_a_reference_count_once() -> None:
    boxes = ["R1 10k", "C12,C13", "R1", "U3A", "LED5", "3V3", "GND", "r7", "SWITCH12", "A12345", "J1-2"]
    assert references_in(boxes) == Counter(["R1", "C12", "C13", "U3A", "LED5", "J1"])


def test_true_references_are_those_of_the_bill_of_materials() -> None:
    text = sheet(
        "a",
        placed("Device:R", "1", "R1", "10k"),
        placed("Device:R", "2", "R2", "10k", more="(in_bom no)"),
        placed("power:GND", "3", "#PWR01", "GND"),
    )
    assert [part.reference for part in true_parts(text) or ()] == ["R1"]
    assert true_parts("no sheet") is None


def test_names_are_those_of_the_task() -> None:
    assert names_of(["R", "C", "C"]) == Counter(["R", "C"])
    assert names_of([]) == Counter()

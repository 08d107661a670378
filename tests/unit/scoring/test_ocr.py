"""OCR as a reference beside the model."""

from __future__ import annotations

import io
import logging
from collections import Counter

import pytest
from PIL import Image, ImageDraw, ImageFont

from schematic_reader.scoring.ocr import ocr, read_texts, runs_here

TRAIN = [Counter(["LM358", "GND"]), Counter(["LM_358", "GND"]), Counter(["LM_358"])]


def test_the_best_of_three_readings_by_hand() -> None:
    texts = [["U1", "lm358", "GND"], ["GND VCC", "U1", "U1"]]
    actual = [Counter(["LM_358", "GND", "R"]), Counter(["GND", "VCC"])]
    # Boxes: GND of 3 + 2 said and 5 there. Words: GND, GND, VCC of 3 + 3. Known: LM_358, GND, GND of 2 + 1.
    assert ocr(texts, actual, TRAIN) == {
        "precision": 1.0,
        "recall": 0.6,
        "f1": 0.75,
        "boxes_f1": 0.2,
        "words_f1": round(6 / 11, 6),
        "known_f1": 0.75,
    }


def test_another_reading_may_be_best() -> None:
    found = ocr([["NEW"]], [Counter(["NEW"])], TRAIN)
    assert (found["f1"], found["boxes_f1"], found["known_f1"]) == (1.0, 1.0, 0.0)


def test_tasks_of_more_than_names_have_no_reference(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert not runs_here("yaml")
    assert len(caplog.records) == 1 and "task yaml" in caplog.text


def test_a_missing_extra_is_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with caplog.at_level(logging.INFO):
        assert not runs_here("components")
    assert len(caplog.records) == 1 and "pip install" in caplog.text


def test_what_is_printed_is_read() -> None:
    pytest.importorskip("rapidocr", reason="needs the ocr extra (pip install rapidocr onnxruntime)")
    pytest.importorskip("onnxruntime", reason="needs the ocr extra (pip install rapidocr onnxruntime)")
    picture = Image.new("RGBA", (400, 120), (0, 0, 0, 0))
    ImageDraw.Draw(picture).text((30, 30), "LM358", fill="black", font=ImageFont.load_default(40))
    out = io.BytesIO()
    picture.save(out, "PNG")
    assert read_texts([out.getvalue()]) == [["LM358"]]

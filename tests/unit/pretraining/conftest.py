"""What the tests of the pre-training share: a tokenizer and processor, and material of small sheets."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import Qwen3VLProcessor

from pretraining import material, tokenizer
from pretraining.geometry import make_processor
from pretraining.questions import ask
from pretraining.scene import Scene
from pretraining.sheets import SheetMaker
from tests.support.pretraining import SETTINGS, annotated, library


def lines() -> Iterator[str]:
    """A few questions with their answers."""
    rng = random.Random(1)
    for number in range(3):
        view = Scene(annotated(number), 640, 448).view(0, 0, 640, 448)
        for question in (question for _ in range(20) for question in ask(view, 3, (), rng)):
            yield question.prompt
            yield question.answer


@pytest.fixture(scope="session")
def processor() -> Qwen3VLProcessor:
    return make_processor(tokenizer.train(lines()))


@pytest.fixture(scope="session")
def processor_folder(processor: Qwen3VLProcessor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processor")
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def material_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sheets of five repositories, one of them held out."""
    path = tmp_path_factory.mktemp("material") / "material.pickle.xz"
    sheets = [(f"owner/repository-{number}", annotated(number)) for number in range(5)]
    material.write(material.gather(sheets, library()), path)
    return path


@pytest.fixture
def maker(processor_folder: Path, material_file: Path) -> SheetMaker:
    return SheetMaker(SETTINGS, processor_folder / "tokenizer.json", material_file)

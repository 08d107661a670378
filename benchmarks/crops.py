"""``python -m benchmarks.crops``: what the small base model says in plain English about crops of real sheets.

``--rows`` is a parquet file of raw rows with KiCad text and the picture that KiCad made of it; by default the
evaluation sheets of ../shared/real-sheets. Of each sheet two windows for each of ``VIEWS`` are asked about:
one text at a place, a list (of references, values, labels, pins, kinds or parts), and how often a symbol is
drawn. An answer is right if it is the true one to the letter, and texts and their places are those of this
project's own drawing of the sheet, which lie where KiCad's do.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from tqdm import tqdm

from benchmarks.common.results import SHARED, record
from pretraining.questions import LIST_NAMES, Question, ask
from pretraining.scene import Scene
from schematic_reader.cli import UserError, run
from schematic_reader.config import load_params
from schematic_reader.io.picture import open_picture, resized
from schematic_reader.io.tables import iterate_rows
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.reader import read_sheet
from schematic_reader.model.device import prepare_device
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.scoring.interval import f1_interval
from schematic_reader.scoring.precision_recall import Counts

SHOWN = (288, 192)  # pixels of the picture that the model gets, one of the sizes that places were trained at
VIEWS = {"288 x 192 px": 1.0, "192 x 128 px, enlarged by half": 1.5, "144 x 96 px, enlarged to twice": 2.0}
"""By their names how much windows of the sheet are enlarged."""
WINDOWS = 2  # of a sheet, for each view
ASKED = ("read", "list", "count")
COLUMNS = ["name", "image", "schematic"]
_SLOTS = 100  # questions of which the first of each kind is asked
_LONGEST = 192  # tokens of an answer


@dataclass(frozen=True)
class Crop:
    """A window of a sheet's own picture as it is shown, in RGB, and a question of each kind about it."""

    name: str
    picture: Image.Image
    questions: dict[str, Question]


def main() -> None:
    """Record a line for each view and question."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=Path, default=SHARED / "real-sheets" / "evaluation-00.parquet")
    rows = parser.parse_args().rows
    if not rows.is_file():
        raise UserError(f"{rows} is no file: name a parquet file of raw rows with --rows")
    params = load_params()
    base = Base(params)
    for view, factor in VIEWS.items():
        right: dict[str, list[tuple[str, bool]]] = {}
        for crop in tqdm(crops(iterate_rows([rows], COLUMNS), factor, params.seed), unit="crop"):
            for kind, question in crop.questions.items():
                said = base.answer(crop.picture, question.prompt)
                right.setdefault(kind, []).append((crop.name, said == question.answer))
        for kind, found in sorted(right.items()):
            low, high = f1_interval(
                [Counts(int(ok), 1, 1) for _, ok in found],
                [name for name, _ in found],
                bootstrap_samples=params.evaluate.bootstrap_samples,
                seed=params.seed,
            )
            share = sum(ok for _, ok in found) / len(found)
            figures = {"exact": share, "exact_low": low, "exact_high": high}
            rounded = {name: round(value, 6) for name, value in figures.items()}
            record("crops", f"{kind}, {view}", asked=len(found), **rounded)


def crops(rows: Iterator[dict[str, Any]], factor: float, seed: int) -> Iterator[Crop]:
    """Windows of the sheets that have a readable KiCad text and a picture of at least a window's size.

    Args:
        factor: how much the windows are enlarged.
    """
    width, height = (round(side / factor) for side in SHOWN)
    for row in rows:
        try:
            sheet = read_sheet(row["schematic"] or "")
        except KicadError:
            continue
        if not (data := (row["image"] or {}).get("bytes")):
            continue
        picture = open_picture(data).convert("RGB")
        if picture.width < width or picture.height < height:
            continue
        scene = Scene(sheet, *picture.size)
        places = scene.focus()
        rng = random.Random(f"{seed} {row['name']} {len(places)}")
        for x, y in rng.sample(places, min(WINDOWS, len(places))):
            left = min(max(0, int(x - width / 2)), picture.width - width)
            top = min(max(0, int(y - height / 2)), picture.height - height)
            view = scene.view(left, top, width, height)
            questions = first_of_each(ask(view, _SLOTS, (), rng))
            if view.texts and view.symbols:
                window = picture.crop((left, top, left + width, top + height))
                yield Crop(row["name"], resized(window, SHOWN), questions)


def first_of_each(asked: Sequence[Question]) -> dict[str, Question]:
    """The first question of each of the kinds ``ASKED``."""
    found: dict[str, Question] = {}
    for question in asked:
        kind = "list" if question.name in LIST_NAMES else question.name
        if kind in ASKED:
            found.setdefault(kind, question)
    return found


class Base:
    """The base model of params.yaml's profile, as transformers' own ``generate`` asks it."""

    def __init__(self, params: Any) -> None:
        model = params.active.model
        self._device = prepare_device(model, params.seed)
        self._processor: Any = load_processor(model.base, model.revision)
        self._model: Any = load_base(model, self._device).eval()

    @torch.inference_mode()
    def answer(self, picture: Image.Image, prompt: str) -> str:
        """Its answer by greedy decoding."""
        content = [{"type": "image", "image": picture}, {"type": "text", "text": prompt}]
        inputs = self._processor.apply_chat_template(
            [{"role": "user", "content": content}],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._model.device)
        tokens = self._model.generate(**inputs, max_new_tokens=_LONGEST, do_sample=False)
        said: str = self._processor.decode(
            tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return said.strip()


if __name__ == "__main__":
    run(main)

"""Small sheets, settings and models for tests of the pre-training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, Qwen3VLForConditionalGeneration

from pretraining.appearance import themes
from pretraining.geometry import make_config, make_model
from pretraining.plain import Candidate, Group
from pretraining.questions import NAMES
from pretraining.settings import Phase, Settings, Shape
from pretraining.sheets import SheetMaker
from pretraining.train import Rank, Run, Source
from schematic_reader.kicad.model import Label, Property, Sheet, SheetBox, SheetPin, Text
from schematic_reader.synthetic.sample import make_sheet
from schematic_reader.synthetic.symbols import KINDS

SHAPES = {
    "crop": Shape(width=168, height=120, windows=3, batch=3, fresh=2, pool=6, slots=(64, 40, 32)),
    "sheet": Shape(width=240, height=192, windows=0, batch=2, fresh=2, pool=2, slots=(96, 40)),
}
SETTINGS = Settings(
    seed=1,
    shapes=SHAPES,
    phases=(Phase(2, (0.0, 1.0), {"crop": 1}), Phase(2, (1.0, 0.1), {"crop": 0.5, "sheet": 0.5})),
    question_sets=2,
    learning_rate=1.0e-3,
    matrix_rate=2.0e-3,
    weight_decay=0.02,
    max_grad_norm=1.0,
    cells_weight=1.0,
    sources={"real": 0.4, "library": 0.2, "rows": 0.2, "circuits": 0.2},
    validation_pictures=2,
    validation_every=2,
    checkpoint_every=2,
)
SMALL: dict[str, dict[str, Any]] = {
    "vision": {
        "depth": 2,
        "hidden_size": 64,
        "num_heads": 2,
        "intermediate_size": 64,
        "out_hidden_size": 64,
        "num_position_embeddings": 49,
        "deepstack_visual_indexes": [0],
    },
    "text": {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2},
}


def generated(number: int, width: int = 640, height: int = 448) -> Sheet:
    """A sheet of the generator, drawn at 5.5 to 6.5 px a mm where its picture has that size."""
    return make_sheet(number, 7, width=width, height=height)[0]


def annotated(number: int) -> Sheet:
    """A generated sheet with a note, a sub-sheet's box, a net with two labels, and a part with two units."""
    sheet = generated(number)
    placed = next(
        s for s in sheet.symbols if not sheet.lib_symbols[s.lib_name or s.lib_id].power and s.reference
    )
    twin = replace(placed, at=(placed.at[0] + 20.32, placed.at[1]), unit=2)
    library = sheet.lib_symbols[placed.lib_id]
    units = (*library.units, *(replace(unit, unit=2) for unit in library.units if unit.unit == 1))
    box = SheetBox(
        (20.0, 20.0),
        (20.0, 15.0),
        (Property("Sheetname", "supply", (20.0, 19.0)), Property("Sheetfile", "supply.kicad_sch")),
        (SheetPin("VOUT", "output", (40.0, 25.0), 0.0),),
    )
    return replace(
        sheet,
        symbols=(*sheet.symbols, twin),
        lib_symbols={**sheet.lib_symbols, placed.lib_id: replace(library, units=units)},
        graphics=(*sheet.graphics, Text("place close to the connector\nsee datasheet", (30.0, 40.0))),
        sheets=(*sheet.sheets, box),
        labels=(*sheet.labels, Label("CLK", (60.0, 30.0), "local"), Label("CLK", (60.0, 35.0), "global")),
    )


def library() -> tuple[Group, ...]:
    """Every symbol of the generator, as often as every other."""
    return ((1.0, tuple(Candidate(kind.symbol, kind.prefix, ("",)) for kind in KINDS.values())),)


def small_model() -> Qwen3VLForConditionalGeneration:
    return make_model(make_config(**SMALL), seed=3)


def small_run(
    tokenizer: PreTrainedTokenizerBase,
    maker: SheetMaker,
    folder: Path,
    rank: Rank = Rank(),  # noqa: B008
) -> Run:
    """An untrained small model about to train on ``maker``'s pictures, with ``maker``'s settings."""
    source = Source(maker, NAMES, themes(maker.settings.seed))
    return Run(maker.settings, small_model(), tokenizer, source, folder, torch.device("cpu"), rank)

"""A few small sheets and the small model, loaded once."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pretraining.tokens import NEVER_SAID
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.tasks.contract import ModelAnswer
from tests.support.answering import LIMITS, ROWS, TINY, Ask, Rows, answerer, drawn, write_sheets


@pytest.fixture(scope="package")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    folder = tmp_path_factory.mktemp("clean")
    return folder, write_sheets(folder, [drawn(i) for i in range(ROWS)])


@pytest.fixture(scope="module")
def model() -> Any:
    """The small base model, which says no token that its pre-training has masked: a picture's, for one.

    On pictures as small as these it would, and a plain loop cannot take the token of a picture for text.
    """
    model = load_base(TINY, prepare_device(TINY, 1))
    never = torch.tensor(NEVER_SAID)
    model.lm_head.register_forward_hook(lambda module, args, logits: logits.index_fill(-1, never, -1e4))
    return model


@pytest.fixture(scope="package")
def encoder() -> Encoder:
    return Encoder(load_processor(TINY.base, None))


@pytest.fixture(scope="module")
def ask(rows: Rows, model: Any, encoder: Encoder) -> Ask:
    """Answers to some of ``rows`` with given settings."""
    sheets = SheetImages(rows[0], "test", LIMITS)

    def ask(some: list[dict[str, Any]], *, with_image: bool = True, **settings: Any) -> list[ModelAnswer]:
        return answerer(model, encoder, **settings).answer(sheets, some, with_image=with_image)

    return ask

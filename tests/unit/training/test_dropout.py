"""Dropout by hash: drops what it should, the same in backward, the same for projections of one input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.packed_batch import pack_batch
from schematic_reader.training.adapter import add_adapter
from schematic_reader.training.dropout import HashedDropout, TokenSeeds, use_hashed_dropout
from schematic_reader.training.packed_loss import PackedLoss
from tests.support.sheet_samples import LORA, TINY, sample

TOKENS, WIDTH = 400, 512
CPU = torch.device("cpu")


def dropped_ones(p: float, seed: int = 1) -> tuple[HashedDropout, TokenSeeds, torch.Tensor]:
    torch.manual_seed(seed)
    token_seeds = TokenSeeds()
    token_seeds.resample(TOKENS, CPU)
    dropout = HashedDropout(p, token_seeds, torch.randint(-(2**31), 2**31, (WIDTH,), dtype=torch.int32))
    return dropout, token_seeds, dropout(torch.ones(1, TOKENS, WIDTH))[0]


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.9])
def test_the_share_that_is_dropped_is_p_in_every_row_and_column(p: float) -> None:
    _, _, out = dropped_ones(p)
    assert out.unique().tolist() == pytest.approx([0, 1 / (1 - p)])
    dropped = (out == 0).double()
    counts = {TOKENS * WIDTH: dropped.mean(), TOKENS: dropped.mean(0), WIDTH: dropped.mean(1)}
    for count, shares in counts.items():  # six standard deviations of a binomial share, for the worst one
        assert (shares - p).abs().max() <= 6 * (p * (1 - p) / count) ** 0.5


def test_neighbours_and_passes_are_independent() -> None:
    dropout, token_seeds, first = dropped_ones(0.5)
    token_seeds.resample(TOKENS, CPU)
    second = dropout(torch.ones(1, TOKENS, WIDTH))[0]
    signs = [(out != 0).double() * 2 - 1 for out in (first, second)]
    pairs = {
        "passes": signs[0] * signs[1],
        "rows": signs[0][1:] * signs[0][:-1],
        "columns": signs[0][:, 1:] * signs[0][:, :-1],
        "squares": signs[0][1:, 1:] * signs[0][:-1, :-1] * signs[0][1:, :-1] * signs[0][:-1, 1:],
    }
    for name, products in pairs.items():
        assert abs(products.mean()) <= 6 / products.numel() ** 0.5, name


def test_nothing_is_dropped_outside_training() -> None:
    dropout, _, _ = dropped_ones(0.5)
    values = torch.randn(1, TOKENS, WIDTH)
    assert dropout.eval()(values) is values


def test_the_gradient_passes_where_the_value_did() -> None:
    dropout, _, out = dropped_ones(0.3)
    values = torch.ones(1, TOKENS, WIDTH, requires_grad=True)
    dropout(values).sum().backward()
    assert torch.equal(values.grad[0], out)


def adapted(**changes: Any) -> Any:
    torch.manual_seed(1)
    return add_adapter(load_base(TINY, prepare_device(TINY, 1)), replace(LORA, **changes))


def test_projections_of_one_input_drop_the_same_of_it_and_others_do_not() -> None:
    model = adapted(dropout=0.5)
    token_seeds = use_hashed_dropout(model)
    assert token_seeds is not None
    token_seeds.resample(7, CPU)
    masks = {}
    for number in (0, 1):
        layer = model.get_base_model().model.language_model.layers[number]
        for part, names in ((layer.self_attn, "qkvo"), (layer.mlp, ("gate", "up", "down"))):
            for name in names:
                projection = getattr(part, f"{name}_proj")
                dropout = projection.lora_dropout["default"]
                masks[number, name] = dropout(torch.ones(1, 7, projection.in_features))
    for number in (0, 1):
        assert torch.equal(masks[number, "q"], masks[number, "k"])
        assert torch.equal(masks[number, "q"], masks[number, "v"])
        assert torch.equal(masks[number, "gate"], masks[number, "up"])
    apart = [masks[key] for key in ((0, "q"), (1, "q"), (0, "o"), (0, "gate"), (1, "gate"))]
    for i, one in enumerate(apart):
        for other in apart[:i]:
            assert one.shape != other.shape or not torch.equal(one, other)


def test_without_dropout_there_are_no_seeds() -> None:
    assert use_hashed_dropout(adapted(dropout=0.0)) is None


@pytest.mark.slow
def test_a_training_pass_resamples_from_the_seed_and_compiled_layers_follow() -> None:
    """Two passes differ, the same seed gives the same, and what is compiled once serves all seeds."""
    encoder = Encoder(load_processor(TINY.base, None))
    batch = pack_batch(
        [sample(encoder, 96, 64, "R, C")], ["a"], merge_size=encoder.merge_size, pad_id=encoder.pad_id
    )
    model = adapted(dropout=0.5)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    packed_loss = PackedLoss(model)
    packed_loss.enable_hashed_dropout()

    def losses() -> list[float]:
        model.train()
        torch.manual_seed(3)
        return [packed_loss(batch).item() for _ in range(2)]

    first = losses()
    assert first[0] != first[1] and losses() == first
    again = PackedLoss(adapted(dropout=0.5))  # as in a resumed run
    again.model.load_state_dict(model.state_dict())
    torch.manual_seed(99)
    again.enable_hashed_dropout()
    again.model.train()
    torch.manual_seed(3)
    assert [again(batch).item() for _ in range(2)] == first
    model.eval()
    assert packed_loss(batch).item() == packed_loss(batch).item()
    for layer in model.get_base_model().model.language_model.layers:
        layer.compile(backend="aot_eager", dynamic=False)
    assert losses() == pytest.approx(first, rel=1e-5)

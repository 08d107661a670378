"""What is minimised, and what validation counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pretraining.objective import spots_by_cell
from pretraining.questions import NAMES
from pretraining.scene import SPOT, SPOTS
from pretraining.tokens import CELL, NEVER_SAID
from pretraining.validation import HeldOut, validate
from tests.support.pretraining import SHAPES, small_run

CPU = torch.device("cpu")


@pytest.fixture
def objective(processor, maker, tmp_path):
    return small_run(processor.tokenizer, maker, tmp_path).objective


def test_spots_are_sorted_by_the_cell_that_they_lie_in():
    rows, columns, side = 2, 3, CELL // SPOT
    grid = torch.arange(2 * rows * columns * SPOTS).view(2, rows * side, columns * side)
    cells = spots_by_cell(grid)
    assert cells.shape == (2, rows * columns, SPOTS)
    for cell in range(rows * columns):
        top, left = cell // columns * side, cell % columns * side
        expected = grid[:, top : top + side, left : left + side].flatten(1)
        assert torch.equal(cells[:, cell], expected)


def test_an_answer_counts_with_the_root_of_its_length(objective):
    slots = SHAPES["sheet"].slots
    tokens = torch.arange(sum(slots))[None]
    answers = torch.zeros(1, sum(slots), dtype=torch.bool)
    answers[0, 10:14] = True  # 4 tokens in the first slot
    answers[0, slots[0] + 5 : sum(slots)] = True  # to the end of the second
    target, weight = objective.targets("sheet", tokens, answers)
    long = slots[1] - 5
    assert torch.equal(target[0, :-1], tokens[0, 1:])
    expected = torch.zeros(sum(slots))
    expected[9:13] = 1 / math.sqrt(4)  # the token before each one
    expected[slots[0] + 4 : sum(slots) - 1] = 1 / math.sqrt(long)
    torch.testing.assert_close(weight[0], expected)


def test_the_loss_is_the_sum_of_its_parts_and_reaches_every_weight(objective, maker):
    torch.manual_seed(1)
    batch = HeldOut.of("crop", maker(1, "crop"), CPU).batch
    losses = objective("crop", batch)
    assert losses.total.item() == pytest.approx((losses.answers + losses.characters + losses.kinds).item())
    losses.total.backward()
    for name, weight in objective.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), name
    assert {name.split(".")[0] for name, _ in objective.named_parameters()} == {
        "model",
        "character_head",
        "kind_head",
    }


def test_pictures_are_painted_in_the_colours_of_their_theme(objective, maker):
    batch = HeldOut.of("crop", maker(1, "crop"), CPU).batch
    batch.themes[1] = 2
    batch.enlarged[:] = 0
    painted = objective.paint(batch)
    colors = objective.colors.view(-1, 256, 3)
    for number, theme in ((0, 0), (1, 2)):
        torch.testing.assert_close(painted[number], colors[theme][batch.pictures[number].long()])


def test_pictures_are_as_blurred_as_they_are_enlarged(objective, maker):
    batch = HeldOut.of("crop", maker(1, "crop"), CPU).batch
    batch.enlarged[:] = 0
    sharp = objective.paint(batch)
    batch.enlarged[1] = 4
    painted = objective.paint(batch)
    assert torch.equal(painted[0], sharp[0]) and (painted[1] - sharp[1]).abs().max() > 0.1


def test_dense_losses_compare_each_cell_with_its_own_truth(objective, maker):
    """With heads that say the truth of one batch, its loss is near 0 and that of other truth is not."""
    batch = HeldOut.of("crop", maker(1, "crop"), CPU).batch
    classes = objective.character_head.out_features // SPOTS
    truth = spots_by_cell(batch.characters).long()
    seen = torch.nn.functional.one_hot(truth, classes).flatten(2).float() * 20
    kinds = objective.kind_head.out_features // 2
    both = torch.nn.functional.one_hot(batch.kinds.flatten(2).transpose(1, 2).long(), kinds)
    right = torch.cat([seen, both.flatten(2).float() * 20], 2)

    def part(start, length):
        head = torch.nn.Linear(right.shape[2], length, bias=False)
        with torch.no_grad():
            head.weight.copy_(torch.eye(right.shape[2])[start : start + length])
        return head

    objective.character_head = part(0, SPOTS * classes)
    objective.kind_head = part(SPOTS * classes, 2 * kinds)
    assert all(loss < 1e-4 for loss in objective.dense_losses(right, batch))
    assert all(loss > 1 for loss in objective.dense_losses(right.flip(1), batch))


def test_validation_counts_answers_that_are_right_to_the_last_token(objective, maker):
    """Answers of one token: the likeliest one in the first slot, another in the second."""
    one = HeldOut.of("sheet", maker(1, "sheet"), CPU)
    batch, (first, _) = one.batch, SHAPES["sheet"].slots
    batch.answers[:] = False
    batch.answers[:, [8, first + 8]] = True
    one.asked[:, 0], one.asked[:, 1] = NAMES.index("read"), NAMES.index("value")
    with torch.no_grad():
        logits, seen = objective.predict("sheet", objective.paint(batch), batch.tokens)
        said = objective.character_head(seen).unflatten(-1, (SPOTS, -1)).argmax(-1)
    scores = logits.clone()
    scores[..., list(NEVER_SAID)] = -math.inf
    likeliest = scores.argmax(-1)
    batch.tokens[:, 8] = likeliest[:, 7]
    batch.tokens[:, first + 8] = (likeliest[:, first + 7] + 1).clamp(max=logits.shape[-1] - 1)
    found = validate(objective, [one], NAMES)
    assert found["read"] == found["read_sheet"] == 1.0
    assert found["value"] == found["read_crop"] == found["table"] == 0.0
    assert found["token_accuracy"] == 0.5
    truth = spots_by_cell(batch.characters)
    assert found["characters"] == pytest.approx(float((said == truth)[truth > 0].float().mean()))
    places = [7, first + 7]
    log = torch.log_softmax(scores[:, places].double(), -1)
    nll = -log.gather(-1, batch.tokens[:, [8, first + 8]][..., None])
    assert found["loss"] == pytest.approx(float(nll.mean()), rel=1e-4)
    assert set(NAMES) < set(found)
    assert np.isfinite(list(found.values())).all()

"""Muon on stacks of matrices is Muon on each of them."""

from __future__ import annotations

import pytest
import torch

from pretraining.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(3, 12, 12), (2, 8, 40), (2, 40, 8)])
def test_singular_values_come_near_1(shape):
    generator = torch.Generator().manual_seed(1)
    stack = torch.randn(shape, generator=generator)
    before, after = torch.linalg.svdvals(stack), torch.linalg.svdvals(orthogonal(stack))
    assert before.max() / before.min() > 1.5
    # Five steps of this quintic end between 0.7 and 1.2, in bfloat16 a little beside.
    assert after.min() > 0.6 and after.max() < 1.25


def test_singular_vectors_stay():
    stack = torch.randn(2, 6, 9, generator=torch.Generator().manual_seed(2))
    u, _, v = torch.linalg.svd(stack, full_matrices=False)
    inner = u.mT @ orthogonal(stack) @ v.mT
    off = inner - torch.diag_embed(torch.diagonal(inner, dim1=1, dim2=2))
    assert off.abs().max() < 0.05


def test_steps_are_those_of_torch_on_single_matrices():
    generator = torch.Generator().manual_seed(3)
    shapes = [(8, 16), (16, 8), (8, 16), (12, 12)]
    ours = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    start = [p.detach().clone() for p in ours]
    one = Muon(ours, lr=0.02, momentum=0.95, weight_decay=0.1)
    other = torch.optim.Muon(theirs, lr=0.02, momentum=0.95, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn(p.shape, generator=generator)
            q.grad = p.grad.clone()
        one.step()
        other.step()
    for p, q, before in zip(ours, theirs, start, strict=True):
        moved = (q - before).norm()
        assert moved > 0.02
        assert (p - q).norm() < 0.06 * moved  # bfloat16 rounds sums of another order


def test_a_parameter_without_a_gradient_stays():
    still, moved = (torch.nn.Parameter(torch.ones(4, 4)) for _ in range(2))
    moved.grad = torch.eye(4)
    Muon([still, moved], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(still, torch.ones(4, 4)) and not torch.equal(moved, torch.ones(4, 4))

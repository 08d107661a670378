"""The loss of answer tokens from hidden states, without logits of vocabulary times sequence."""

from __future__ import annotations

from typing import Any

import torch

CHUNK = 512  # answer tokens whose logits exist at once: 300 MB in float32 for a vocabulary of 152,000


class _AnswerLoss(torch.autograd.Function):
    """Sum of the cross entropies, with the gradient computed in the same pass over the chunks.

    The weight is frozen, so the gradient of the hidden states is all that backward needs; it is kept instead
    of the logits, and scaled by what arrives from above.
    """

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        loss = hidden.new_zeros((), dtype=torch.float32)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(answers), CHUNK):
            part = slice(start, start + CHUNK)
            logits = (hidden[part] @ weight.T).float()
            total = logits.logsumexp(-1, keepdim=True)
            wanted = answers[part, None]
            loss += (total - logits.gather(-1, wanted)).sum()
            if gradient is not None:
                errors = logits.sub_(total).exp_()  # softmax minus the one wanted token
                errors.scatter_add_(-1, wanted, errors.new_full(wanted.shape, -1.0))
                gradient[part] = errors.to(weight.dtype) @ weight
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream.to(gradient.dtype), None, None


def answer_loss(hidden: torch.Tensor, weight: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """Sum over answer tokens of the negative log-likelihood, a float32 scalar.

    Args:
        hidden: of shape ``(answer tokens, width)``, the state from which each answer token is predicted.
        weight: the frozen output projection, ``(vocabulary, width)``.
        answers: int64 of shape ``(answer tokens,)``.

    Raises:
        ValueError: the projection is trained, for which this has no gradient.
    """
    if weight.requires_grad and torch.is_grad_enabled():
        raise ValueError("the output projection must be frozen")
    loss: torch.Tensor = _AnswerLoss.apply(hidden, weight, answers)
    return loss

"""Cross entropy of answer tokens from hidden states, without materialising logits of the whole sequence."""

from __future__ import annotations

from typing import Any

import torch

CHUNK = 512  # answer tokens whose logits exist at once: 300 MB in float32 for a vocabulary of 152,000


class _AnswerLoss(torch.autograd.Function):
    """Summed cross entropy, whose gradient is computed in the forward pass, chunk by chunk.

    The output projection is frozen, so the gradient of the hidden states is all that backward needs; it is
    stored instead of the logits and scaled by the upstream gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, answer_ids: torch.Tensor
    ) -> torch.Tensor:
        loss = hidden.new_zeros((), dtype=torch.float32)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None  # (A, H)
        for start in range(0, len(answer_ids), CHUNK):
            chunk = slice(start, start + CHUNK)
            logits = (hidden[chunk] @ weight.T).float()  # (C, H) @ (H, V) -> (C, V)
            log_normaliser = logits.logsumexp(-1, keepdim=True)  # (C, 1)
            ids = answer_ids[chunk, None]
            loss += (log_normaliser - logits.gather(-1, ids)).sum()
            if gradient is not None:
                # d loss / d logits = softmax - one-hot, in place of the logits
                logits_gradient = logits.sub_(log_normaliser).exp_()
                logits_gradient.scatter_add_(-1, ids, logits_gradient.new_full(ids.shape, -1.0))
                gradient[chunk] = logits_gradient.to(weight.dtype) @ weight  # (C, V) @ (V, H) -> (C, H)
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream.to(gradient.dtype), None, None


def answer_loss(hidden: torch.Tensor, weight: torch.Tensor, answer_ids: torch.Tensor) -> torch.Tensor:
    """Sum over answer tokens of the negative log-likelihood, a float32 scalar.

    Args:
        hidden: ``(answer tokens, width)``, the state from which each answer token is predicted.
        weight: the frozen output projection, ``(vocabulary, width)``.
        answer_ids: int64 ``(answer tokens,)``.

    Raises:
        ValueError: the projection is trained, for which this has no gradient.
    """
    if weight.requires_grad and torch.is_grad_enabled():
        raise ValueError("the output projection must be frozen")
    loss: torch.Tensor = _AnswerLoss.apply(hidden, weight, answer_ids)
    return loss

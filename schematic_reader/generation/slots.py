"""What a model keeps of the sheets that it is answering: a slot each, and one decoding step for all slots.

Prompts are read packed into one row, as in training, and their keys and values written to the sheets' slots.
A decoding step has the same shape whatever the slots hold, so on a GPU its launches are recorded once for
each length of cache and then launched at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface

from schematic_reader.model import attention
from schematic_reader.model.fused import use_fused_norms
from schematic_reader.model.reader import Reader
from schematic_reader.model.row import Row

NAME = "flash_slots"  # of the attention function; see ``attention.NAME``

GRAIN = 128
"""Of the places that a step looks at: a multiple of it, so that there are few lengths to record."""

_MORE = 8
"""Places that no step looks at: were all looked at, compiled code would take the two sizes for one."""


class Slots:
    """A cache of ``count`` slots for ``places`` tokens each, and what every slot's sheet has said last.

    The slot behind the last is nobody's: what is not asked about is written there.

    Args:
        reader: one of ``reading``.
        places: the most tokens of a prompt with its answer.
        takes: after each step, go on with the likeliest tokens.
    """

    def __init__(self, reader: Reader, count: int, places: int, *, takes: bool) -> None:
        self._reader, self.takes = reader, takes
        self.count = count
        text = reader.base.config.text_config
        weight = reader.base.lm_head.weight
        self._device, self._dtype = weight.device, weight.dtype
        self._places = math.ceil(places / GRAIN) * GRAIN + _MORE
        shape = (count + 1, text.num_key_value_heads, self._places, text.head_dim)
        self._kept = [
            {name: torch.zeros(shape, dtype=self._dtype, device=self._device) for name in ("keys", "values")}
            for _ in range(reader.layers)
        ]
        self._tokens, self._lengths, self._turns = torch.zeros(
            3, count + 1, dtype=torch.int64, device=self._device
        )
        self._sure = torch.zeros(count + 1, device=self._device)
        self._reported = torch.zeros(2, count, dtype=torch.float64, device=self._device)
        self._logits = torch.zeros(count, text.vocab_size, device=self._device)
        self._graphs: dict[int, torch.cuda.CUDAGraph | None] = {}

    def read(self, row: Row, slots: Sequence[int]) -> torch.Tensor:
        """Read the prompts of a padded row, the first into the first of ``slots`` and so on.

        Returns:
            The logits of each answer's first token, float32, ``(len(slots), vocabulary)``.
        """
        row = row.to(self._device)
        tokens, starts = row.input_ids.shape[1], row.starts
        owners = self._there([*slots, *[self.count] * (len(starts) - 1 - len(slots))])
        at = torch.arange(tokens, dtype=torch.int32, device=self._device)
        sample = torch.searchsorted(starts, at, right=True) - 1
        places = {"slots": owners[sample], "places": (at - starts[sample]) % self._places}
        hidden = self._reader.hidden_states(row, [kept | places for kept in self._kept])
        last = starts[1:] - 1
        self._lengths[owners] = starts.diff().to(torch.int64)
        self._turns[owners] = row.position_ids[1, 0, last] + 1
        return self._head(hidden[0, last])[: len(slots)]

    def step(self, longest: int) -> torch.Tensor:
        """Read the last token of each slot's answer.

        Args:
            longest: at least the tokens that any sheet asked about has so far.

        Returns:
            The logits of the next ones, float32, ``(count, vocabulary)``; the next step writes over them.
        """
        seen = min(math.ceil((longest + 1) / GRAIN) * GRAIN, self._places - _MORE)
        if self._device.type == "cpu":
            self._step(seen)
        elif graph := self._graphs.get(seen):
            graph.replay()
        elif seen not in self._graphs:  # compiles, chooses its kernels
            self._step(seen)
            self._graphs[seen] = None
        else:
            graph = torch.cuda.CUDAGraph()
            # Other threads may use the GPU meanwhile, as they do to lock memory for the next prompts.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._step(seen)
            self._graphs[seen] = graph
            graph.replay()
        return self._logits

    def take(self, slots: Sequence[int] | slice, logits: torch.Tensor, scores: torch.Tensor) -> None:
        """Go on with the tokens that score highest, which are as probable as ``logits`` tell."""
        chosen = scores.argmax(-1)
        likely = logits.gather(1, chosen[:, None])[:, 0] - logits.logsumexp(-1)
        at = slots if isinstance(slots, slice) else self._there(slots)
        self._tokens[at], self._sure[at] = chosen, likely.exp()

    def reported(self) -> torch.Tensor:
        """The tokens that the last step read and their probabilities, float64, ``(2, count)``.

        On its way to page-locked memory where the model is on a GPU: whole once that has come so far.
        """
        if self._device.type == "cpu":
            return self._reported.clone()
        return torch.empty_like(self._reported, device="cpu", pin_memory=True).copy_(
            self._reported, non_blocking=True
        )

    def _step(self, seen: int) -> None:
        some = slice(self.count)
        self._reported[0], self._reported[1] = self._tokens[some], self._sure[some]
        lengths = self._lengths[some]
        hidden = self._reader.base.model.language_model.embed_tokens(self._tokens[some])[:, None]
        unseen = torch.arange(seen, device=self._device) > lengths[:, None]
        mask = torch.zeros(self.count, seen, dtype=self._dtype, device=self._device)
        mask = mask.masked_fill(unseen, -torch.inf)[:, None, None]
        turns = self._turns[some].expand(3, -1)[..., None]
        told = [kept | {"places": lengths} for kept in self._kept]
        hidden = self._reader.next_states(hidden, turns, mask, told)
        self._logits.copy_(self._head(hidden[:, 0]))
        lengths.add_(1).clamp_(max=self._places - 1)
        self._turns[some] += 1
        if self.takes:
            self.take(some, self._logits, self._logits)

    def _there(self, values: Sequence[int]) -> torch.Tensor:
        """Integers on the model's device, without waiting until it has done what it was asked for before."""
        here = torch.tensor(values)
        if self._device.type == "cuda":
            here = here.pin_memory()
        return here.to(self._device, non_blocking=True)

    def _head(self, hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._reader.base.lm_head(hidden).float()
        return logits


@contextmanager
def reading(model: Any) -> Iterator[Reader]:
    """A reader of ``model`` whose language model attends to slots, until the end."""
    text, vision = model.config.text_config, model.config.vision_config
    before = text._attn_implementation, vision._attn_implementation
    reader = Reader(model)
    use_fused_norms(model.model.language_model)
    AttentionInterface.register(NAME, attend)
    text._attn_implementation = NAME
    try:
        yield reader
    finally:
        text._attn_implementation, vision._attn_implementation = before


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    keys: torch.Tensor,
    values: torch.Tensor,
    places: torch.Tensor,
    slots: torch.Tensor | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Attend from whole prompts to themselves, or from one new token a slot to what the slot holds.

    Keys and values are written to ``places`` of the cache ``keys`` and ``values``, of shape
    ``(slots, key heads, places, head_dim)``.

    Args:
        query: ``(1, heads, tokens, head_dim)`` of packed prompts, whose tokens go to ``slots``, or
            ``(slots, heads, 1, head_dim)``. Key and value may have fewer heads.
        attention_mask: of new tokens, added to the scores, ``(slots, 1, 1, places that are looked at)``.
        more: for packed prompts, what ``attention.attend`` takes.

    Returns:
        Of the query's shape with heads and tokens exchanged, and no weights.
    """
    if attention_mask is None:
        keys[slots, :, places] = key[0].transpose(0, 1)
        values[slots, :, places] = value[0].transpose(0, 1)
        return attention.attend(module, query, key, value, None, scaling=scaling, **more)
    return _attend_step(query, key, value, attention_mask, scaling, keys, values, places), None


@torch.library.custom_op("schematic_reader::attend_step", mutates_args=("keys", "values"))
def _attend_step(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    scaling: float,
    keys: torch.Tensor,
    values: torch.Tensor,
    places: torch.Tensor,
) -> torch.Tensor:
    """An operation of its own, so that it is compiled once for all lengths of the cache.

    The query heads that share a key head are handed over as one head's queries, so that keys and values are
    read once, as they lie: transformers would write them out once for each query head first.
    """
    count, heads, _, width = query.shape
    seen = mask.shape[-1]
    each = torch.arange(count, device=query.device)
    keys[each, :, places] = key[:, :, 0]
    values[each, :, places] = value[:, :, 0]
    out = functional.scaled_dot_product_attention(
        query.reshape(count, keys.shape[1], -1, width),
        keys[:count, :, :seen],
        values[:count, :, :seen],
        attn_mask=mask,
        scale=scaling,
    )
    return out.reshape(count, 1, heads, width).contiguous()


@_attend_step.register_fake
def _(query: torch.Tensor, *_: Any) -> torch.Tensor:
    return query.new_empty(query.shape[0], 1, query.shape[1], query.shape[3])

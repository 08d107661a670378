"""A KV cache with one slot a sequence, the prefill that fills a slot, and one decode step for all slots.

Prompts are prefilled packed end to end, as in training, and their keys and values written to their slots. A
decode step on a GPU has the same shapes whatever the slots hold, so it is captured as one CUDA graph for each
attended length and replayed. On a CPU, where a step's time grows with its slots, it takes those in use alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface

from schematic_reader.model import attention
from schematic_reader.model.fused import use_fused_rms_norm
from schematic_reader.model.packed_batch import PackedBatch
from schematic_reader.model.packed_model import PackedModel

NAME = "flash_slots"  # of the attention function; see ``attention.NAME``

KV_BUCKET = 128
"""The attended length is rounded up to a multiple of this, so that few CUDA graphs are captured."""

_PAD = 8
"""Positions never attended to, which keep the attended length distinct from the cache's: torch.compile would
specialise equal sizes to one symbol."""


@dataclass(frozen=True)
class StepOutput:
    """What a decode step read from the slots, on its way to the host.

    Args:
        values: token ids and their probabilities, float64, ``(2, slots)``.
        ready: recorded on the GPU behind the copy to pinned memory; None on a CPU.
    """

    values: torch.Tensor
    ready: torch.cuda.Event | None

    def wait(self) -> tuple[list[int], list[float]]:
        """The token id and the probability of each slot, once the device has come so far."""
        if self.ready is not None:
            self.ready.synchronize()
        ids, probs = self.values.tolist()
        return [int(token) for token in ids], probs


class SlotKVCache:
    """A KV cache of ``slots`` slots with ``max_len`` positions each, and the last token of every slot.

    One spare slot at the end absorbs writes for prompts that need no answer.

    Args:
        model: one that ``slot_attention`` yields.
        max_len: the most tokens of a prompt with its answer; rounded up to a multiple of ``KV_BUCKET``.
        greedy_on_device: append the argmax after each step, so that the host need not wait for the logits.
    """

    def __init__(self, model: PackedModel, slots: int, max_len: int, *, greedy_on_device: bool) -> None:
        self._model, self.slots, self.greedy_on_device = model, slots, greedy_on_device
        text = model.base.config.text_config
        weight = model.base.lm_head.weight
        self._device, self._dtype = weight.device, weight.dtype
        self.on_cpu = self._device.type == "cpu"
        self._max_len = math.ceil(max_len / KV_BUCKET) * KV_BUCKET + _PAD
        # Keys and values of every layer, (slots + 1, KV heads, max_len, head_dim) each.
        shape = (slots + 1, text.num_key_value_heads, self._max_len, text.head_dim)
        self._kv = [
            {name: torch.zeros(shape, dtype=self._dtype, device=self._device) for name in ("keys", "values")}
            for _ in range(model.num_layers)
        ]
        # State of every slot, (slots + 1,) each: the last token, how many tokens are cached, and the rotary
        # position of the last token.
        self._tokens, self._lengths, self._rope_positions = torch.zeros(
            3, slots + 1, dtype=torch.int64, device=self._device
        )
        self._probs = torch.zeros(slots + 1, device=self._device)  # of the last token
        self._step_output = torch.zeros(2, slots, dtype=torch.float64, device=self._device)
        self._logits = torch.zeros(slots, text.vocab_size, device=self._device)
        # By attended length; None after the first, eager step of a length.
        self._graphs: dict[int, torch.cuda.CUDAGraph | None] = {}

    def prefill(self, batch: PackedBatch, slots: Sequence[int]) -> torch.Tensor:
        """Prefill the prompts of a padded packed batch, the first into the first of ``slots`` and so on.

        Returns:
            Logits of each answer's first token, float32, ``(len(slots), vocabulary)``.
        """
        batch = batch.to(self._device)
        tokens, cu_seqlens = batch.input_ids.shape[1], batch.cu_seqlens  # (prompts + 1,), padding included
        # 1) the slot and the position that each token's keys and values are written to: (tokens,) each
        spare = [self.slots] * (len(cu_seqlens) - 1 - len(slots))  # the padding's, and that of empty prompts
        owners = self._to_device_async([*slots, *spare])
        at = torch.arange(tokens, dtype=torch.int32, device=self._device)
        prompt = torch.searchsorted(cu_seqlens, at, right=True) - 1
        # Padding may be longer than a slot: it wraps around within the spare one.
        positions = (at - cu_seqlens[prompt]) % self._max_len
        written_to = {"slots": owners[prompt], "positions": positions}
        # 2) all layers over the packed prompts: (1, tokens, width)
        hidden = self._model.hidden_states(batch, [kv | written_to for kv in self._kv])
        # 3) where decoding goes on, and the logits behind each prompt's last token
        last = cu_seqlens[1:] - 1
        self._lengths[owners] = cu_seqlens.diff().to(torch.int64)
        self._rope_positions[owners] = batch.position_ids[1, 0, last] + 1
        return self._lm_head(hidden[0, last])[: len(slots)]

    def decode_step(self, longest: int, slots: int | None = None) -> torch.Tensor:
        """Run one decode step for every slot.

        Args:
            longest: at least the cached tokens of every slot that is in use.
            slots: on a CPU, the first so many alone; None for all.

        Returns:
            Next-token logits, float32, ``(slots, vocabulary)``; the next step writes over them.
        """
        bucket = math.ceil((longest + 1) / KV_BUCKET) * KV_BUCKET
        attended = min(bucket, self._max_len - _PAD)
        if self.on_cpu:
            self._step(attended, slots)
        elif graph := self._graphs.get(attended):
            graph.replay()
        elif attended not in self._graphs:  # eager at first: it compiles, and chooses kernels
            self._step(attended)
            self._graphs[attended] = None
        else:
            graph = torch.cuda.CUDAGraph()
            # Other threads may use the GPU during capture: they pin memory for the next prompts.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._step(attended)  # recorded, not run
            self._graphs[attended] = graph
            graph.replay()
        return self._logits

    def move(self, source: int, target: int) -> None:
        """Put what one slot has into another one."""
        cached = int(self._lengths[source])
        for kv in self._kv:
            for tensor in kv.values():
                tensor[target, :, :cached] = tensor[source, :, :cached]
        for state in (self._tokens, self._lengths, self._rope_positions, self._probs):
            state[target] = state[source]

    def append_argmax(self, slots: Sequence[int] | slice, logits: torch.Tensor, scores: torch.Tensor) -> None:
        """Append the argmax of ``scores`` to each slot; record its probability under ``logits``.

        Args:
            logits: of the model, ``(slots, vocabulary)``.
            scores: the same after the logits processors, if there are any.
        """
        selected = scores.argmax(-1)  # (slots,)
        logprobs = logits.gather(1, selected[:, None])[:, 0] - logits.logsumexp(-1)
        at = slots if isinstance(slots, slice) else self._to_device_async(slots)
        self._tokens[at], self._probs[at] = selected, logprobs.exp()

    def last_step_async(self) -> StepOutput:
        """The tokens that the last step read, and their probabilities, copied asynchronously."""
        if self.on_cpu:
            return StepOutput(self._step_output.clone(), None)
        pinned = torch.empty_like(self._step_output, device="cpu", pin_memory=True)
        values = pinned.copy_(self._step_output, non_blocking=True)
        ready = torch.cuda.Event()
        ready.record()
        return StepOutput(values, ready)

    def _step(self, attended: int, slots: int | None = None) -> None:
        """The step itself, all on the device: what a CUDA graph captures."""
        used = slice(slots or self.slots)  # without the spare one
        # 1) what the host hears of: the tokens that this step reads
        self._step_output[0, used], self._step_output[1, used] = self._tokens[used], self._probs[used]
        # 2) embed one token a slot: (slots, 1, width)
        lengths = self._lengths[used]
        hidden = self._model.base.model.language_model.embed_tokens(self._tokens[used])[:, None]
        # 3) mask what lies behind each slot's last token, the new one included: (slots, 1, 1, attended)
        beyond = torch.arange(attended, device=self._device) > lengths[:, None]
        mask = torch.zeros(beyond.shape, dtype=self._dtype, device=self._device)
        mask = mask.masked_fill(beyond, -torch.inf)[:, None, None]
        # 4) all layers, which write the new keys and values; rotary positions are (3, slots, 1)
        rope_positions = self._rope_positions[used].expand(3, -1)[..., None]
        layer_kwargs = [kv | {"positions": lengths} for kv in self._kv]
        hidden = self._model.decode_hidden_states(hidden, rope_positions, mask, layer_kwargs)
        self._logits[used] = self._lm_head(hidden[:, 0])
        # 5) advance; a slot that nobody uses stays at the end of its positions
        lengths.add_(1).clamp_(max=self._max_len - 1)
        self._rope_positions[used] += 1
        if self.greedy_on_device:
            self.append_argmax(used, self._logits[used], self._logits[used])

    def _to_device_async(self, values: Sequence[int]) -> torch.Tensor:
        """Integers on the model's device, copied without waiting for the work queued there."""
        here = torch.tensor(values)
        if self._device.type == "cuda":
            here = here.pin_memory()
        return here.to(self._device, non_blocking=True)

    def _lm_head(self, hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._model.base.lm_head(hidden).float()
        return logits


@contextmanager
def slot_attention(model: Any) -> Iterator[PackedModel]:
    """The packed model of ``model``, whose language model attends to slots until the block ends.

    Its norms, too, are its own again then: it may be under training, and answer meanwhile.
    """
    text, vision = model.config.text_config, model.config.vision_config
    before = text._attn_implementation, vision._attn_implementation
    packed = PackedModel(model)
    language = model.model.language_model
    modules = dict(language.named_modules())
    use_fused_rms_norm(language)
    replaced = {name: own for name, own in modules.items() if language.get_submodule(name) is not own}
    AttentionInterface.register(NAME, attend)
    text._attn_implementation = NAME
    try:
        yield packed
    finally:
        text._attn_implementation, vision._attn_implementation = before
        for name, own in replaced.items():
            language.set_submodule(name, own)


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of whole prompts to themselves, or of one new token a slot to what the slot has cached.

    The new keys and values are written to ``positions`` of the cache ``keys`` and ``values``.

    Args:
        query: ``(1, heads, tokens, head_dim)`` of packed prompts, or ``(slots, heads, 1, head_dim)`` of a
            decode step. Key and value may have fewer heads.
        attention_mask: None for packed prompts; else added to the scores, ``(slots, 1, 1, attended)``.
        kwargs: ``keys`` and ``values``, ``(slots + 1, KV heads, max_len, head_dim)``; ``positions``, int64,
            ``(tokens,)`` or ``(slots,)``; for packed prompts also ``slots``, int64, ``(tokens,)``, and what
            ``attention.packed_attention`` takes.

    Returns:
        ``(1, tokens, heads, head_dim)`` or ``(slots, 1, heads, head_dim)``, and no weights.
    """
    keys, values, positions = (kwargs.pop(name) for name in ("keys", "values", "positions"))
    if attention_mask is None:
        slots = kwargs.pop("slots")
        keys[slots, :, positions] = key[0].transpose(0, 1)  # (tokens, KV heads, head_dim)
        values[slots, :, positions] = value[0].transpose(0, 1)
        return attention.packed_attention(module, query, key, value, None, scaling=scaling, **kwargs)
    return _attend_step(query, key, value, attention_mask, scaling, keys, values, positions), None


@torch.library.custom_op("schematic_reader::attend_step", mutates_args=("keys", "values"))
def _attend_step(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    scaling: float,
    keys: torch.Tensor,
    values: torch.Tensor,
    positions: torch.Tensor,
) -> torch.Tensor:
    """An operator of its own, so that it is compiled once for all attended lengths.

    The query heads that share a KV head become that head's queries, so that keys and values are read once, as
    they lie in memory: transformers would repeat them for each query head first.
    """
    slots, heads, _, head_dim = query.shape
    attended = mask.shape[-1]
    # 1) write one new key and value a slot: (slots, KV heads, head_dim)
    each = torch.arange(slots, device=query.device)
    keys[each, :, positions] = key[:, :, 0]
    values[each, :, positions] = value[:, :, 0]
    # 2) queries (slots, KV heads, heads / KV heads, head_dim) to (slots, KV heads, attended, head_dim)
    out = functional.scaled_dot_product_attention(
        query.reshape(slots, keys.shape[1], -1, head_dim),
        keys[:slots, :, :attended],
        values[:slots, :, :attended],
        attn_mask=mask,
        scale=scaling,
    )
    return out.reshape(slots, 1, heads, head_dim).contiguous()


@_attend_step.register_fake
def _(query: torch.Tensor, *_: Any) -> torch.Tensor:
    return query.new_empty(query.shape[0], 1, query.shape[1], query.shape[3])

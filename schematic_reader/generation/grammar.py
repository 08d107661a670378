"""Answers that are held to a grammar while they are generated, by llguidance (the ``grammar`` extra).

At each step only tokens may come that some text of the grammar goes on with; an answer may end only where a
text of the grammar does. One that would run into the limit of tokens closes in its last ones what is open.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor

from schematic_reader.cli import UserError
from schematic_reader.generation.generate import Narrowing
from schematic_reader.model.encode import Encoder

CLOSING = 16
"""Tokens before the limit at which an answer begins to close; the deepest place takes 8."""


def held_to(grammar: str, closers: str, encoder: Encoder, *, max_new_tokens: int) -> Narrowing:
    """What limits the tokens of a batch to ``grammar``, in llguidance's dialect of Lark.

    Args:
        closers: the characters that close what is open, in the order in which they are tried.

    Raises:
        UserError: the extra is not installed.
    """
    try:
        from llguidance import LLMatcher, LLTokenizer
    except ImportError:
        raise UserError(
            "evaluate.grammar needs the grammar extra: pip install llguidance, or set it to false"
        ) from None
    # A model's vocabulary may be larger than the tokenizer's; no token of the rest may come.
    tokenizer = LLTokenizer(encoder.tokenizer.backend_tokenizer.to_str(), eos_token=encoder.end_of_turn_id)
    compiled = LLMatcher.grammar_from_lark(grammar)
    closing = [encoder.end_of_turn_id, *encoder.tokenizer.convert_tokens_to_ids(list(closers))]
    return lambda rows: _Held(
        [LLMatcher(tokenizer, compiled) for _ in rows], closing, free=max_new_tokens - CLOSING
    )


class _Held(LogitsProcessor):
    """One batch: a matcher a row, which takes each token as it is chosen.

    Args:
        closers: tokens of which, after ``free`` steps, the first that is allowed must come.
    """

    def __init__(self, matchers: list[Any], closers: list[int], *, free: int) -> None:
        self._matchers, self._closers, self._free = matchers, closers, free
        self._steps = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self._steps:
            for matcher, token in zip(self._matchers, input_ids[:, -1].tolist(), strict=True):
                if not matcher.is_stopped():
                    matcher.consume_token(token)
        self._steps += 1
        words = np.stack([self._allowed(matcher, scores.shape[1]) for matcher in self._matchers])
        allowed = torch.from_numpy(words).to(scores.device)
        return scores.masked_fill(~allowed, -torch.inf)

    def _allowed(self, matcher: Any, vocabulary: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which tokens may come next, of shape ``(vocabulary,)``."""
        allowed = np.zeros(vocabulary, dtype=bool)
        if matcher.is_stopped():
            allowed[self._closers[0]] = True
            return allowed
        packed = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        bits = np.unpackbits(packed, bitorder="little")[:vocabulary]
        allowed[: len(bits)] = bits
        closing = next((token for token in self._closers if allowed[token]), None)
        if self._steps > self._free and closing is not None:
            allowed[:] = False
            allowed[closing] = True
        return allowed

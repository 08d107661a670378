"""Decoding constrained to a grammar, by llguidance (the ``grammar`` extra).

At each step only tokens are allowed with which some text of the grammar goes on; an answer may end only where
a text of the grammar does. An answer near the limit of tokens closes what is open in its last ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor

from schematic_reader.cli import UserError
from schematic_reader.generation.settings import LogitsProcessorFactory
from schematic_reader.model.encode import Encoder
from schematic_reader.tasks.contract import Grammar

CLOSING_TOKENS = 16
"""Tokens before the limit at which an answer begins to close; the deepest nesting takes 8."""


def grammar_constraint(grammar: Grammar, encoder: Encoder, *, max_new_tokens: int) -> LogitsProcessorFactory:
    """What makes the logits processor that constrains a batch of answers to ``grammar``.

    Raises:
        UserError: the extra is not installed.
    """
    try:
        from llguidance import LLMatcher, LLTokenizer
    except ImportError:
        raise UserError(
            "evaluate.grammar needs the grammar extra: pip install llguidance, or set it to false"
        ) from None
    # A model's vocabulary may be larger than the tokenizer's; tokens beyond it are never allowed.
    tokenizer = LLTokenizer(encoder.tokenizer.backend_tokenizer.to_str(), eos_token=encoder.end_of_turn_id)
    compiled = LLMatcher.grammar_from_lark(grammar.lark)
    closer_ids = [encoder.end_of_turn_id, *encoder.tokenizer.convert_tokens_to_ids(list(grammar.closers))]
    return lambda prompts: GrammarLogitsProcessor(
        [LLMatcher(tokenizer, compiled) for _ in range(prompts)],
        closer_ids,
        free_steps=max_new_tokens - CLOSING_TOKENS,
    )


class GrammarLogitsProcessor(LogitsProcessor):
    """Masks the tokens that the grammar does not allow next; used for one batch, with a matcher a prompt.

    Args:
        closer_ids: tokens of which, after ``free_steps`` steps, the first allowed one is forced.
    """

    def __init__(self, matchers: list[Any], closer_ids: list[int], *, free_steps: int) -> None:
        self._matchers, self._closer_ids, self._free_steps = matchers, closer_ids, free_steps
        self._steps = 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores with -inf for every token not allowed, ``(batch, vocabulary)`` as given."""
        if self._steps:  # 1) advance each matcher by the token selected in the step before
            for matcher, token in zip(self._matchers, input_ids[:, -1].tolist(), strict=True):
                if not matcher.is_stopped():
                    matcher.consume_token(token)
        self._steps += 1
        # 2) mask what may not come next: (batch, vocabulary) bool
        allowed = np.stack([self._allowed(matcher, scores.shape[1]) for matcher in self._matchers])
        return scores.masked_fill(~torch.from_numpy(allowed).to(scores.device), -torch.inf)

    def _allowed(self, matcher: Any, vocabulary: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which tokens may come next, bool, ``(vocabulary,)``."""
        allowed = np.zeros(vocabulary, dtype=bool)
        if matcher.is_stopped():
            allowed[self._closer_ids[0]] = True
            return allowed
        packed = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)  # 8 tokens a byte
        bits = np.unpackbits(packed, bitorder="little")[:vocabulary]
        allowed[: len(bits)] = bits
        closer = next((token for token in self._closer_ids if allowed[token]), None)
        if self._steps > self._free_steps and closer is not None:
            allowed[:] = False
            allowed[closer] = True
        return allowed

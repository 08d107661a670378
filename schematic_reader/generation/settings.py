"""How answers are generated, and what every way of generating them takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from transformers import LogitsProcessor, LogitsProcessorList, RepetitionPenaltyLogitsProcessor

from schematic_reader.config import Evaluate
from schematic_reader.generation.symbols_watch import EndWatch
from schematic_reader.tasks.contract import Grammar, SymbolsEnd

COMPILE_FROM = 2000
"""Sheets from which compiling the layers saves more time than it takes on a GPU (benchmarks/RESULTS.md)."""

LogitsProcessorFactory = Callable[[int], LogitsProcessor]
"""Makes the logits processor of a new batch of so many prompts."""


@dataclass(frozen=True)
class GenerationSettings:
    """How answers are generated; without beams, greedily.

    Args:
        batch_size: sheets that are answered at once.
        max_new_tokens: the most tokens of an answer.
        num_beams: of a beam search; 1 is greedy decoding.
        repetition_penalty: what the score of a token that the answer already has is divided by (Keskar et
            al., CTRL, 2019, section 4.1); 1 is none. The prompt does not count.
        grammar: what answers are constrained to; None for free text.
        symbols_end: where an answer ends because only its symbols are wanted; None asks for all of it.
        compile_from: so many sheets or more compile the model's layers; None compiles them for none.
    """

    batch_size: int
    max_new_tokens: int
    num_beams: int = 1
    repetition_penalty: float = 1.0
    grammar: Grammar | None = None
    symbols_end: SymbolsEnd | None = None
    compile_from: int | None = None

    @classmethod
    def of(
        cls,
        evaluate: Evaluate,
        grammar: Grammar | None,
        *,
        batch_size: int,
        symbols_end: SymbolsEnd | None = None,
        compile_from: int | None = None,
    ) -> GenerationSettings:
        """The settings of params.yaml's group ``evaluate``, for a task with this grammar."""
        return cls(
            batch_size=batch_size,
            max_new_tokens=evaluate.max_new_tokens,
            num_beams=evaluate.num_beams,
            repetition_penalty=evaluate.repetition_penalty,
            grammar=grammar if evaluate.grammar else None,
            symbols_end=symbols_end,
            compile_from=compile_from,
        )


@dataclass(frozen=True)
class GeneratedTokens:
    """The first shape of an answer: token ids and, but for a beam search, the probability of each."""

    ids: list[int]
    probs: list[float]


@dataclass(frozen=True)
class Decoding:
    """What decoding with one model needs beside the prompts.

    Args:
        stop_ids: tokens that end an answer.
        constraint: makes what constrains answers to a grammar; None for free text.
        watch: makes what tells where one answer ends before a stop token; None where nothing does.
    """

    settings: GenerationSettings
    stop_ids: list[int]
    pad_id: int
    constraint: LogitsProcessorFactory | None
    watch: Callable[[], EndWatch] | None = None

    def logits_processors(self, prompts: int, prompt_tokens: int) -> LogitsProcessorList:
        """What changes the scores of the next tokens of a batch before one is selected.

        Args:
            prompts: how many prompts the batch has.
            prompt_tokens: how many tokens of ``input_ids`` are the prompt.
        """
        found = LogitsProcessorList([self.constraint(prompts)] if self.constraint else [])
        if self.settings.repetition_penalty != 1:
            penalty = self.settings.repetition_penalty
            found.append(RepetitionPenaltyLogitsProcessor(penalty, prompt_ignore_length=prompt_tokens))
        return found

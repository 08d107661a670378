"""Raw confidence of each placed symbol that an answer to a structured task names.

That is the product of the probabilities of the tokens which say its reference, name and value: the
probability that all of them are as said. The library's nickname, which stands on no sheet, is left out.

How sure an answer is of a sheet as a whole tells more of a part on it than the part's own tokens do, since a
model errs most on sheets unlike those of its training. A value that is the symbol's name tells less, since it
is also said of a part whose value the sheet does not print. ``weighed_by_sheet`` counts all three.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from schematic_reader.kicad.bom import ListedSymbol
from schematic_reader.tasks.answer_tokens import EPS, Span, span_tokens, symbol_spans
from schematic_reader.tasks.description import DescriptionTask

MAX_LOGIT = 9.0
"""Logits are clipped to ±9, that is probabilities to 0.0001 and 0.9999."""

_SHEET_WEIGHT = 0.75
"""A logistic regression on both, on sheets that the reader was not trained on, has them at 0.90 and 0.28."""

_NAMED_BY_VALUE = 1.5
"""What a part's log odds lose where its value is its symbol's name; 1.55 in such a regression."""


def symbols_with_confidences(
    task: DescriptionTask, text: str, ends: Sequence[int], probabilities: Sequence[float]
) -> list[ListedSymbol]:
    """The placed symbols in the order of the answer (``task.symbols``), each with its raw confidence.

    That is None where the answer says a symbol in escapes or in the verbatim form.

    Args:
        ends, probabilities: as of ``tasks.contract.ModelAnswer``; empty where generation recorded none.
    """
    symbols = task.symbols(text)
    if not probabilities:
        return list(symbols)
    said = [(symbol.reference, symbol.lib_id, symbol.value) for symbol in symbols]
    return [
        replace(
            symbol, confidence=None if span is None else _probability(symbol, text, span, ends, probabilities)
        )
        for symbol, span in zip(symbols, symbol_spans(said, text), strict=True)
    ]


def weighed_by_sheet(symbols: Sequence[ListedSymbol]) -> list[ListedSymbol]:
    """The symbols with confidences whose log odds are a weighted mean of their own and the sheet's.

    The sheet's are the mean of those of its parts; without a part that has a confidence, all stay as they
    are. ``_SHEET_WEIGHT`` is the sheet's weight. A part's are lower by ``_NAMED_BY_VALUE`` where its value is
    its symbol's name.
    """
    parts = [log_odds(confidence) for confidence in part_confidences(symbols).values()]
    if not parts:
        return list(symbols)
    of_sheet = _SHEET_WEIGHT * sum(parts) / len(parts)

    def weighed(symbol: ListedSymbol) -> ListedSymbol:
        if symbol.confidence is None:
            return symbol
        odds = of_sheet + (1 - _SHEET_WEIGHT) * log_odds(symbol.confidence)
        if symbol.is_part and symbol.value == symbol.name:
            odds -= _NAMED_BY_VALUE
        return replace(symbol, confidence=1 / (1 + math.exp(-odds)))

    return [weighed(symbol) for symbol in symbols]


def log_odds(probability: float) -> float:
    """The logit, at most ``MAX_LOGIT`` either way."""
    odds = math.log(max(probability, EPS)) - math.log(max(1 - probability, EPS))
    return min(max(odds, -MAX_LOGIT), MAX_LOGIT)


def name_confidences(symbols: Iterable[ListedSymbol]) -> dict[str, float]:
    """The library symbols by name, each once with the highest confidence of its placed ones."""
    found: dict[str, float] = {}
    for symbol in symbols:
        if symbol.name and symbol.confidence is not None:
            found[symbol.name] = max(symbol.confidence, found.get(symbol.name, 0.0))
    return found


def part_confidences(symbols: Iterable[ListedSymbol]) -> dict[tuple[str, str], float]:
    """The parts by reference and value, each once with the confidence of the first symbol that says both."""
    found: dict[tuple[str, str], float] = {}
    for symbol in symbols:
        if symbol.is_part and symbol.confidence is not None:
            found.setdefault((symbol.reference, symbol.value), symbol.confidence)
    return found


def _probability(
    symbol: ListedSymbol, text: str, span: Span, ends: Sequence[int], probabilities: Sequence[float]
) -> float | None:
    """The product over the tokens of the span and the one after it; None where there is none."""
    nickname = symbol.lib_id.rfind(":") + 1
    first = text.find(symbol.lib_id, span[0] + len(symbol.reference))
    starts = [0, *ends[:-1]]
    chosen = range(len(ends))[span_tokens(ends, span)]
    logs = [
        math.log(max(probabilities[token], EPS))
        for token in chosen
        if not first <= starts[token] <= ends[token] <= first + nickname
    ]
    return math.exp(sum(logs)) if logs else None

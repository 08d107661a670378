"""Ends an answer where its symbols do, and where it repeats itself: what it would say then is not wanted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tokenizers.decoders import DecodeStream

from schematic_reader.model.encode import Encoder
from schematic_reader.tasks.contract import SymbolsEnd

EndWatch = Callable[[int], bool]
"""Told the tokens of one answer, one after the other; whether the answer ends with this one."""


REPEATED = 16
"""Copies of a period behind which an answer is taken to repeat itself without end. Of 15,642 tiles of real
sheets 5 have an answer with more, up to 26."""

_LONGEST_PERIOD = 64  # tokens


class Repetition:
    """Told the tokens of one answer, one after the other; whether the last ones are one period, repeated."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        # By the length of a period: how many of the last tokens are those of a period before.
        self._equal = [0] * (_LONGEST_PERIOD + 1)

    def __call__(self, token: int) -> bool:
        self._tokens.append(token)
        repeated = False
        for period in range(1, min(len(self._tokens), len(self._equal))):
            same = self._tokens[-1 - period] == token
            self._equal[period] = self._equal[period] + 1 if same else 0
            repeated |= self._equal[period] >= (REPEATED - 1) * period
        return repeated


class SymbolsWatch:
    """Follows one answer, token by token.

    An answer that repeats itself ends too, without being whole: as if it had reached the most tokens.

    Attributes:
        tokens: that it was told.
        whole: the symbols as a whole answer; None as long as symbols may follow.
    """

    def __init__(self, encoder: Encoder, end: SymbolsEnd) -> None:
        self._end, self._text = end, ""
        self._next = partial(DecodeStream(skip_special_tokens=True).step, encoder.tokenizer.backend_tokenizer)
        self._repeats = Repetition()
        self.tokens = 0
        self.whole: str | None = None

    def __call__(self, token: int) -> bool:
        self.tokens += 1
        if piece := self._next(token):  # None while a character lacks some of its bytes
            self._text += piece
            self.whole = self._end.whole(self._text)
        return self._repeats(token) or self.whole is not None

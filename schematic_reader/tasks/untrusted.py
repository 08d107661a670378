"""Limits on text that a model wrote or a stranger's file holds, checked before and after parsing."""

from __future__ import annotations

import re
from collections.abc import Iterable

from schematic_reader.io.sheet_texts import MAX_TEXT_CHARS

MAX_DEPTH = 64
"""Deepest nesting that is parsed. The data set's own JSON and KiCad texts stay under 16."""

_FENCE = re.compile(r"^[ \t]*```[^\n`]*$", re.MULTILINE)


class UnreadableError(ValueError):
    """A text that is not parsed; ``reason`` is one of the words of ``ParsedAnswer.reason``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_text(text: str) -> None:
    """Raises UnreadableError for text that is too long, blank or not storable as UTF-8 without NUL."""
    if len(text) > MAX_TEXT_CHARS:
        raise UnreadableError("too_long")
    check_characters(text)
    if not text.strip():
        raise UnreadableError("empty")


def check_characters(text: str) -> None:
    """Raises UnreadableError for NUL and unpaired surrogates."""
    if "\0" in text:
        raise UnreadableError("nul")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UnreadableError("surrogate") from None


def check_parts(parts: Iterable[str]) -> None:
    """``check_characters`` for what parsing made: escapes such as ``\\ud800`` only show then."""
    for part in parts:
        check_characters(part)


def unfenced(text: str) -> str:
    """The content of the first Markdown code fence, to the end where it never closes, or all of the text."""
    start, end = unfenced_span(text)
    return text[start:end]


def unfenced_span(text: str) -> tuple[int, int]:
    """Start and end of ``unfenced`` in the text, in characters."""
    start, end = 0, len(text)
    if opening := _FENCE.search(text):
        closing = _FENCE.search(text, opening.end())
        start, end = opening.end(), closing.start() if closing else len(text)
    content = text[start:end]
    start += len(content) - len(content.lstrip())
    return start, start + len(content.strip())

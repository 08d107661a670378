"""The interface of a task: prompt, target, parser of answers, and how items are compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

CleanRow = Mapping[str, Any]
"""A clean row: name, type, description, components (list of str), json, yaml, schematic (str or None)."""

Form = Literal["verbatim", "compact"]
"""The data set's own text, or the same content without coordinates, uuids and styling."""

EMPTY = {
    "components": "none",
    "json": '{"symbols":[]}',
    "yaml": "symbols: []",
    "schematic": "(kicad_sch)",
}
"""By task, the answer about a tile or a sheet with nothing on it."""

Item = str | tuple[str, ...]
"""One thing an answer names: a component's name, or (kind, field, ...) in a structured task."""

ItemSpan = tuple[Item, int, int]
"""An item and its span in the answer: index of its first character and of the one after its last."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """A model's answer as text, with the number of its tokens and why it ended: ``stop`` or ``length``.

    ``ends`` and ``probabilities`` have an entry for each token, the end-of-turn token, if it came, included:
    the number of characters of ``text`` up to the token's end, and the token's probability given all before
    it (softmax of the model's own logits). A beam search leaves both empty.
    """

    text: str
    tokens: int
    finish: str
    ends: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """The items of an answer, each as often as it occurs.

    An answer that is not valid has no items, and ``reason`` says why in one word: ``empty``, ``too_long``,
    ``nul``, ``surrogate``, ``syntax``, ``too_deep``, ``alias`` or ``shape``.
    """

    items: Counter[Item] = field(default_factory=Counter)
    valid: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Grammar:
    """A grammar in llguidance's Lark; the characters that close what is open, in the order of trying them."""

    lark: str
    closers: str


@dataclass(frozen=True, slots=True)
class SymbolsEnd:
    """Where the symbols of an answer in a structured task's compact form end, which has them before all else.

    Args:
        pattern: matches at the start of an answer that no symbol can follow any more; its group ``symbols``
            is the text up to the last symbol, and matches nothing where there is none.
        closers: what makes that text a whole answer.
        empty: the whole answer without symbols.
    """

    pattern: str
    closers: str
    empty: str

    def whole(self, text: str) -> str | None:
        """The symbols of an answer, which may go on, as a whole answer; None while symbols may follow."""
        found = re.match(self.pattern, text, re.DOTALL)
        if found is None:
            return None
        return self.empty if found["symbols"] is None else found["symbols"] + self.closers


class Task(Protocol):
    """One task; the instances are ``components``, ``json``, ``yaml`` and ``schematic``."""

    @property
    def name(self) -> str: ...
    @property
    def grammar(self) -> Grammar | None:
        """The grammar that constrains decoding of the compact form, or None."""

    def prompt(self, row: CleanRow, *, form: Form, with_name: bool) -> str:
        """The question; ``with_name`` puts the project's name and file type above it."""

    def target(self, row: CleanRow, *, form: Form) -> str | None:
        """The right answer, or None where the row does not hold one that ``parse`` reads."""

    def parse(self, answer: str) -> ParsedAnswer:
        """Parse untrusted text in bounded time and memory; never raises on its content."""

    def spans(self, answer: str) -> list[ItemSpan]:
        """The span of each item of a valid answer, in order; empty for a structured task."""

    def normalize(self, items: Counter[Item], *, loose: bool) -> Counter[Item]:
        """The items as they are compared: exact, or folded by ``folding.fold`` where ``loose``."""

    def name_of(self, item: Item) -> str:
        """The name in an item, which counts as seen or unseen in training."""


def heading(row: CleanRow, *, with_name: bool) -> str:
    """The project's name and file type, each on a line of its own, or nothing."""
    if not with_name:
        return ""
    name = " ".join(str(row.get("name") or "unknown").split())
    kind = " ".join(str(row.get("type") or "unknown").split())
    return f"Project: {name}\nFormat: {kind}\n"

"""What every task offers: a prompt, a target, a parser for answers and how items are compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Row = Mapping[str, Any]
"""A clean row: name, type, description, components (list of str), json, yaml, schematic (str or None)."""

Form = Literal["verbatim", "compact"]
"""The data set's own text, or the same content without coordinates, uuids and styling."""

Item = str | tuple[str, ...]
"""One thing an answer names: a component's name, or (kind, field, ...) in a structured task."""

Place = tuple[Item, int, int]
"""An item with the character of an answer at which it starts and the one at which it ends."""


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
    """What an answer says: its items as often as it says them.

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


class Task(Protocol):
    """One task; the instances are ``components``, ``json``, ``yaml`` and ``schematic``."""

    @property
    def name(self) -> str: ...
    @property
    def grammar(self) -> Grammar | None:
        """What answers of the compact form can be held to, or None."""

    def prompt(self, row: Row, *, form: Form, with_name: bool) -> str:
        """The question; ``with_name`` puts the project's name and file type above it."""

    def target(self, row: Row, *, form: Form) -> str | None:
        """The right answer, or None where the row does not hold one that ``parse`` reads."""

    def parse(self, answer: str) -> ParsedAnswer:
        """Reads untrusted text in bounded time and memory; never raises on what it says."""

    def places(self, answer: str) -> list[Place]:
        """Where a valid answer says each of its items, in its order; a structured task does not tell."""

    def judged(self, items: Counter[Item], *, loose: bool) -> Counter[Item]:
        """The items as they are compared: exact, or folded by ``folding.fold`` where ``loose``."""

    def name_of(self, item: Item) -> str:
        """The name within an item that training may or may not have shown."""


def heading(row: Row, *, with_name: bool) -> str:
    """The project's name and file type, each on a line of its own, or nothing."""
    if not with_name:
        return ""
    name = " ".join(str(row.get("name") or "unknown").split())
    kind = " ".join(str(row.get("type") or "unknown").split())
    return f"Project: {name}\nFormat: {kind}\n"

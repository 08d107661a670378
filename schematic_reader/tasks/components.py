"""The ``components`` task: which library symbols a sheet uses, as a comma-separated list.

The data set's lists are sets, each name once, so an answer is judged as a set of names; saying a name
again neither helps nor hurts, and ``scoring.repeating`` counts it.

A few library names hold a comma (``PCA9517DP,118``). Commas and line breaks always separate, so such a name
stands in double quotes, as in CSV, in the target, and a quoted name is read whole in an answer.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from schematic_reader.tasks.contract import CleanRow, Form, Item, ItemSpan, ParsedAnswer, heading
from schematic_reader.tasks.folding import fold
from schematic_reader.tasks.untrusted import UnreadableError, check_text, unfenced_span

_QUESTION = (
    "Which library symbols are placed on this schematic sheet? Give the name of each one as KiCad's symbol "
    "library spells it (such as R, C_Small, Conn_01x04_Pin, AMS1117-3.3), power symbols like GND or +3V3 "
    "included, and each name once.\n"
    "Answer with the names alone, separated by commas."
)

# One item and the separator after it: an optional bullet or number, then a quoted name or a bare one. The
# possessive quantifier keeps no trail to go back over in a quote that never closes.
_NAME = re.compile(
    r"""[ \t]*(?:(?:[-*•]|\d{1,4}[.)])[ \t]+)?
        (?:"(?P<quoted>(?:[^"\n]|"")*+)"[ \t]*\.?[ \t]*(?=[,\n]|\Z)|(?P<bare>[^,\n]*))
        (?:[,\n]|\Z)""",
    re.VERBOSE,
)

_NONE = frozenset(("none", "nothing", "n/a", "no components", "no parts"))


def is_none(name: str) -> bool:
    """Whether a name says that there is no part: a model's way to answer for an empty sheet."""
    return name.strip().strip(".[]()\"'`").casefold() in _NONE


@dataclass(frozen=True, slots=True)
class ComponentsTask:
    """The task as ``contract.Task`` has it. Both forms ask for and give the same list."""

    name: str = "components"
    grammar: None = None

    def prompt(self, row: CleanRow, *, form: Form, with_name: bool) -> str:  # noqa: ARG002
        return heading(row, with_name=with_name) + _QUESTION

    def target(self, row: CleanRow, *, form: Form) -> str | None:  # noqa: ARG002
        """The row's names in its order, each once."""
        names = (" ".join(name.split()) for name in row.get("components") or [] if name)
        text = ", ".join(_quoted(name) for name in dict.fromkeys(names) if name)
        return text if self.parse(text).valid else None

    def parse(self, answer: str) -> ParsedAnswer:
        """Reads a list separated by commas or line breaks.

        Code fences, bullets, numbering, quotes and backticks around a name, brackets around the list and a
        full stop at its end do not count.
        """
        try:
            check_text(answer)
        except UnreadableError as error:
            return ParsedAnswer(valid=False, reason=error.reason)
        names: Counter[Item] = Counter(name for name, _, _ in self.spans(answer))
        return ParsedAnswer(names) if names else ParsedAnswer(valid=False, reason="empty")

    def spans(self, answer: str) -> list[ItemSpan]:
        start, end = unfenced_span(answer)
        return [(name, start + first, start + last) for name, first, last in _spans(answer[start:end])]

    def normalize(self, items: Counter[Item], *, loose: bool) -> Counter[Item]:
        return Counter({fold(self.name_of(item)) if loose else item for item in items})

    def name_of(self, item: Item) -> str:
        return item if isinstance(item, str) else " ".join(item)


def _spans(text: str) -> list[tuple[str, int, int]]:
    """Each name with where it starts and ends in the text, its marks included."""
    shift = 0
    if text.startswith("[") and text.endswith("]"):
        text, shift = text[1:-1], 1
    spans = []
    bare_end = False
    for match in _NAME.finditer(text):
        quoted = match.group("quoted") is not None
        name = match.group("quoted").replace('""', '"') if quoted else _unwrapped(match.group("bare"))
        if name := " ".join(name.split()):
            start, end = match.span("quoted" if quoted else "bare")
            spans.append((name, start + shift, end + shift))
            bare_end = not quoted
    if bare_end and spans[-1][0].endswith("."):
        name, start, end = spans[-1]
        spans[-1] = (_unwrapped(name[:-1]), start, end)
    return [span for span in spans if span[0]]


def _unwrapped(name: str) -> str:
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'`\"":
        return name[1:-1].strip()
    return name


def _quoted(name: str) -> str:
    """The name as the target prints it: quoted where ``parse`` would not give it back as it is."""
    if name.startswith(("[", "```")) or [found for found, _, _ in _spans(name)] != [name]:
        return '"' + name.replace('"', '""') + '"'
    return name


TASK = ComponentsTask()

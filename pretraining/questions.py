"""What pre-training asks about a picture: what is printed on it and what is drawn, and where.

Nothing here asks in the way of the project's own tasks, and no answer uses the names of symbols in KiCad's
libraries (unless they are printed on the sheet).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from pretraining import formats
from pretraining.kinds import LABEL_KINDS
from pretraining.scene import Symbol, Text, View
from pretraining.tokens import position
from schematic_reader.kicad.drawing.palette import Ink

# Ranges of characters that share their first bytes.
_SCRIPTS = (
    *((0xA0, 0x370), (0x370, 0x600), (0x600, 0x800), (0x800, 0x1000), (0x1000, 0x2000), (0x2000, 0x2C00)),
    *((0x3040, 0x9FB0), (0xA000, 0xD7FF), (0xE000, 0xF900), (0xF900, 0xFFF0)),
    *((0x10000, 0x1FBFF), (0x20000, 0x110000)),
)
# Heights in mm of the bands in which a picture is read, from its upper edge on: lines of text, and rows of
# symbols (an inch, ten steps of KiCad's usual grid).
_LINE, _BAND = 3.81, 25.4
# What a text is for, by its ink.
_ROLES = {
    **LABEL_KINDS,
    Ink.NOTE: "note",
    Ink.FRAME: "title block",
    Ink.FIELD: "other field",
    Ink.SHEET_TEXT: "sheet name",
    Ink.SHEET_FILE: "sheet file",
}
# Kinds whose printed value says what the part is; that of the others is a quantity or a free name.
_PLAIN = (
    *("resistor", "capacitor", "inductor", "potentiometer", "trimmer", "crystal", "fuse", "bead", "varistor"),
    *("header", "socket", "strip", "terminal", "thermistor", "battery", "button", "toggle", "point", "flag"),
    *("hole", "mark", "bridge", "link"),
)


@dataclass(frozen=True, slots=True)
class Question:
    """``name`` is the question's kind, one of ``NAMES``."""

    name: str
    prompt: str
    answer: str


def _thing(symbol: Symbol) -> str:
    """The kind, with the printed value where that says which part it is."""
    if not symbol.value or any(word in symbol.kind for word in _PLAIN):
        return symbol.kind
    return f"{symbol.kind} {symbol.value}"


def _texts(view: View, *, numbers: bool = False) -> list[Text]:
    """Texts line by line, pin numbers only if asked for."""
    chosen = [t for t in view.texts if numbers or t.ink != Ink.PIN_NUMBER]
    return sorted(chosen, key=lambda t: (int(t.y / view.scale / _LINE), t.x, t.y))


def _symbols(view: View) -> list[Symbol]:
    """Symbols band by band, each from left to right."""
    return sorted(
        view.symbols, key=lambda s: (int(s.anchor[1] / view.scale // _BAND), s.anchor[0], s.anchor[1])
    )


def _at(view: View, x: float, y: float) -> str:
    return position(x / view.width, y / view.height)


def _joined(items: list[str]) -> str:
    return ", ".join(items) if items else "none"


def _once(items: list[str], *, ordered: bool) -> list[str]:
    return sorted(set(items)) if ordered else list(dict.fromkeys(items))


# Long answers.


def _transcribe(view: View, rng: random.Random) -> tuple[str, str]:
    numbers = rng.random() < 0.15
    where = rng.choice(["in the picture", "on this sheet"])
    if not numbers:
        where += ", without pin numbers"
    asked = rng.choice(["Transcribe all text", "Read all text", "Write down every text"])
    lines = [t.text for t in _texts(view, numbers=numbers)]
    return f"{asked} {where}, in reading order.", "\n".join(lines) or "none"


def _table(view: View, rng: random.Random) -> tuple[str, str]:
    rows = [" ".join(filter(None, (s.reference, s.kind, s.value))) for s in _symbols(view)]
    asked = rng.choice(
        [
            "List every symbol in reading order with its reference, its kind and its value.",
            "Go through the sheet and write down each symbol: reference, kind, value.",
        ]
    )
    return asked, "\n".join(rows) or "none"


def _structured(view: View, rng: random.Random) -> tuple[str, str]:
    rows = [(s.reference, s.kind, s.value) for s in _symbols(view)]
    return formats.ask(rows, rng)


# Lists.


def _things(view: View, rng: random.Random) -> tuple[str, str]:
    ordered = rng.random() < 0.6
    asked = rng.choice(["What is on this sheet", "Which different parts are on the sheet", "Name the parts"])
    how = "in alphabetical order" if ordered else "in reading order"
    answer = _joined(_once([_thing(s) for s in _symbols(view)], ordered=ordered))
    return f"{asked}, with what is printed beside those that need it, {how}?", answer


def _kinds(view: View, rng: random.Random) -> tuple[str, str]:
    ordered = rng.random() < 0.6
    asked = rng.choice(
        ["What kinds of symbols are drawn", "List the kinds of symbols", "Which kinds of parts are there"]
    )
    how = "in alphabetical order" if ordered else "in reading order"
    return f"{asked}, each once, {how}?", _joined(_once([s.kind for s in _symbols(view)], ordered=ordered))


def _counts(view: View, rng: random.Random) -> tuple[str, str]:
    counts = sorted(Counter(s.kind for s in view.symbols).items())
    asked = rng.choice(["How many symbols of each kind are there?", "Count the symbols of each kind."])
    return asked, _joined([f"{count} {kind}" for kind, count in counts])


def _labels(view: View, rng: random.Random) -> tuple[str, str]:
    """All labels, or those of one kind."""
    ordered = rng.random() < 0.5
    found = [t for t in _texts(view) if t.ink in LABEL_KINDS]
    asked = rng.choice(["Which net labels are there", "List the labels of the nets, each once"])
    if found and rng.random() < 0.6:
        kind = rng.choice(sorted({LABEL_KINDS[t.ink] for t in found}))
        found = [t for t in found if LABEL_KINDS[t.ink] == kind]
        asked = rng.choice([f"Which texts are a {kind}", f"List each {kind} once"])
    texts = _once([t.text for t in found], ordered=ordered)
    return f"{asked}, {'sorted' if ordered else 'in reading order'}?", _joined(texts)


def _values(view: View, rng: random.Random) -> tuple[str, str]:
    ordered = rng.random() < 0.5
    texts = _once([s.value for s in _symbols(view) if s.value], ordered=ordered)
    asked = rng.choice(["Which values are printed beside symbols", "List the values, each once"])
    return f"{asked}, {'sorted' if ordered else 'in reading order'}?", _joined(texts)


def _references(view: View, rng: random.Random) -> tuple[str, str]:
    ordered = rng.random() < 0.5
    texts = _once([s.reference for s in _symbols(view) if s.reference], ordered=ordered)
    asked = rng.choice(["Which references are there", "List the reference designators"])
    return f"{asked}, {'sorted' if ordered else 'in reading order'}?", _joined(texts)


def _pins(view: View, rng: random.Random) -> tuple[str, str]:
    """What is written inside one symbol, other than its fields."""
    inside: dict[int, list[Text]] = {}
    for text in _texts(view):
        if text.symbol >= 0 and text.ink not in (Ink.PIN_NUMBER,):
            inside.setdefault(text.symbol, []).append(text)
    rich = [texts for texts in inside.values() if len(texts) > 3]
    if not rich:
        return _references(view, rng)
    texts = rng.choice(rich)
    x, y = (sum(values) / len(texts) for values in ([t.x for t in texts], [t.y for t in texts]))
    return f"Which texts belong to the symbol at {_at(view, x, y)}?", _joined([t.text for t in texts])


# Short answers.


def _read(view: View, rng: random.Random) -> tuple[str, str]:
    texts = [t for t in view.texts if t.ink != Ink.PIN_NUMBER] or list(view.texts)
    if not texts:
        return "What is written in the picture?", "none"
    text = rng.choice(texts)
    asked = rng.choice(["What is written at", "Read the text at"])
    return f"{asked} {_at(view, text.x, text.y)}?", text.text


def _where(view: View, rng: random.Random) -> tuple[str, str]:
    counts = Counter(t.text for t in view.texts)
    single = [t for t in view.texts if counts[t.text] == 1 and t.ink != Ink.PIN_NUMBER]
    if not single:
        return "Where is the text ?", "none"
    text = rng.choice(single)
    return f"Where is the text {text.text}?", _at(view, text.x, text.y)


def _named(view: View, rng: random.Random) -> tuple[str, str]:
    named = [s for s in view.symbols if s.reference]
    if not named:
        return "What is U1?", "none"
    symbol = rng.choice(named)
    asked = rng.choice([f"What is {symbol.reference}?", f"What kind of part is {symbol.reference}?"])
    return asked, symbol.kind


def _value(view: View, rng: random.Random) -> tuple[str, str]:
    counts = Counter(s.reference for s in view.symbols)
    named = [s for s in view.symbols if s.reference and s.value and counts[s.reference] == 1]
    if not named:
        return "What is the value of U1?", "none"
    symbol = rng.choice(named)
    return f"What is the value of {symbol.reference}?", symbol.value


def _drawn(view: View, rng: random.Random) -> tuple[str, str]:
    if not view.symbols:
        return "What is drawn in the picture?", "none"
    symbol = rng.choice(view.symbols)
    parts = ", ".join(part for part in (symbol.reference, _thing(symbol)) if part)
    return f"What is drawn at {_at(view, symbol.x, symbol.y)}?", parts


def _role(view: View, rng: random.Random) -> tuple[str, str]:
    """What a text is for; each role that occurs is asked for as often."""
    references, values = ({getattr(s, field) for s in view.symbols} for field in ("reference", "value"))
    roles: dict[str, list[Text]] = {}
    for text in view.texts:
        role = _ROLES.get(text.ink, "")
        if text.ink == Ink.TEXT:
            role = "reference" if text.text in references else "value" if text.text in values else "pin name"
        if role:
            roles.setdefault(role, []).append(text)
    if not roles:
        return "What kind of text is there?", "none"
    role = rng.choice(sorted(roles))
    text = rng.choice(roles[role])
    return f"What kind of text stands at {_at(view, text.x, text.y)}?", f"{role} {text.text}"


def _count(view: View, rng: random.Random) -> tuple[str, str]:
    kinds = [s.kind for s in view.symbols] or ["resistor"]
    kind = rng.choice(kinds) if rng.random() < 0.8 else "toggle"
    return f"How often is a {kind} drawn?", str(sum(s.kind == kind for s in view.symbols))


def _repeat(words: tuple[str, ...], rng: random.Random) -> tuple[str, str]:
    """Every token is said now and then, whatever no sheet has on it: pieces of words, and any script."""
    text = ""
    if words and rng.random() < 0.6:
        for _ in range(rng.randrange(2, 9)):
            text += rng.choice(words) + rng.choice("0123456789_")
    else:
        for _ in range(rng.randrange(1, 5)):
            low, high = rng.choice(_SCRIPTS)
            text += chr(rng.randrange(low, high)) + rng.choice(["", "", "a", " ", "7"])
    text += chr(rng.randrange(0, 32)) if rng.random() < 0.2 else ""
    return f"Repeat this: {text}.", text


_Maker = Callable[[View, random.Random], tuple[str, str]]
_LONG: dict[str, tuple[_Maker, float]] = {
    "transcribe": (_transcribe, 0.4),
    "table": (_table, 0.3),
    "structured": (_structured, 0.3),
}
_LISTS: dict[str, tuple[_Maker, float]] = {
    "things": (_things, 0.3),
    "kinds": (_kinds, 0.1),
    "counts": (_counts, 0.1),
    "labels": (_labels, 0.15),
    "values": (_values, 0.1),
    "references": (_references, 0.15),
    "pins": (_pins, 0.1),
}
_SHORT: dict[str, tuple[_Maker, float]] = {
    "read": (_read, 0.33),
    "where": (_where, 0.14),
    "named": (_named, 0.09),
    "value": (_value, 0.14),
    "drawn": (_drawn, 0.14),
    "count": (_count, 0.07),
    "role": (_role, 0.09),
}
_REPEAT = "repeat"
_REPEATED = 0.04  # share of short questions
NAMES: tuple[str, ...] = (*_LONG, *_LISTS, *_SHORT, _REPEAT)
LIST_NAMES = frozenset(_LISTS)


def ask(view: View, slots: int, words: tuple[str, ...], rng: random.Random) -> list[Question]:
    """One question a slot: a long answer first, then a list, then short answers.

    Args:
        words: texts of the tokens that must not be forgotten.
    """
    asked = []
    for number in range(slots):
        group = _LONG if number == 0 else _LISTS if number == 1 else _SHORT
        if group is _SHORT and rng.random() < _REPEATED:
            asked.append(Question(_REPEAT, *_repeat(words, rng)))
            continue
        (name,) = rng.choices(list(group), [weight for _, weight in group.values()])
        asked.append(Question(name, *group[name][0](view, rng)))
    return asked

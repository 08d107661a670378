"""What pre-training asks about a sheet: what is printed on it and what is drawn, and where.

Nothing here asks in the way of the project's own tasks, and no answer uses the names of symbols in KiCad's
libraries (unless they are printed on the sheet).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from pretraining.kinds import kind_of
from schematic_reader.kicad.drawing.layout import Box, SheetLayout
from schematic_reader.kicad.drawing.palette import Ink
from schematic_reader.kicad.model import Sheet

_ROW = 32  # px: texts whose middles lie in one band of this height are one line of the reading order
_LABELS = {Ink.LABEL, Ink.GLOBAL_LABEL, Ink.HIERARCHICAL_LABEL, Ink.SHEET_LABEL}
# Kinds whose printed value says what the part is; that of the others is a quantity or a free name.
_PLAIN = (
    *("resistor", "capacitor", "inductor", "potentiometer", "trimmer", "crystal", "fuse", "bead", "varistor"),
    *("header", "socket", "strip", "terminal", "thermistor", "battery", "button", "toggle", "point", "flag"),
    *("hole", "mark", "bridge", "link"),
)
# Words in the kinds of each group, in the order in which grouped lists name them.
_GROUPS = (
    ("plug", "header", "socket", "strip", "terminal", "jack", "point"),
    ("resistor", "capacitor", "inductor", "potentiometer", "trimmer", "crystal", "fuse", "bead", "varistor"),
    ("diode", "transistor", "mosfet", "rectifier", "amplifier", "chip", "optocoupler"),
    ("button", "toggle", "encoder", "relay", "bridge", "link"),
    ("supply", "ground", "earth", "flag"),
)


@dataclass(frozen=True, slots=True)
class Text:
    """A text that can be seen."""

    text: str
    x: float  # px, middle
    y: float
    ink: Ink


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol that can be seen."""

    kind: str
    reference: str  # as printed, or ""
    value: str  # as printed, or ""
    x: float  # px, middle of the body
    y: float
    body: Box

    @property
    def thing(self) -> str:
        """The kind, with the printed value where that says which part it is."""
        if not self.value or any(word in self.kind for word in _PLAIN):
            return self.kind
        return f"{self.kind} {self.value}"


@dataclass(frozen=True, slots=True)
class View:
    """A sheet as it is asked about; both lists in reading order."""

    width: int
    height: int
    texts: tuple[Text, ...]
    symbols: tuple[Symbol, ...]


def view(sheet: Sheet, layout: SheetLayout) -> View:
    """What can be seen inside the picture."""
    inside = [
        (i, Text(t.text, (t.box[0] + t.box[2]) / 2, (t.box[1] + t.box[3]) / 2, t.ink))
        for i, t in enumerate(layout.texts)
    ]
    inside = [(i, t) for i, t in inside if 0 <= t.x < layout.width and 0 <= t.y < layout.height]
    printed: dict[int, list[str]] = {}
    for i, text in inside:
        printed.setdefault(layout.texts[i].symbol, []).append(text.text)
    symbols = []
    for number, drawn in enumerate(layout.symbols):
        x, y = (drawn.body[0] + drawn.body[2]) / 2, (drawn.body[1] + drawn.body[3]) / 2
        placed = drawn.symbol
        library = sheet.lib_symbols.get(placed.lib_name or placed.lib_id)
        if library is None or not (0 <= x < layout.width and 0 <= y < layout.height):
            continue
        seen = printed.get(number, [])
        reference = next((t for t in seen if t.startswith(placed.reference)), "") if placed.reference else ""
        value = placed.value if placed.value in seen else ""
        prefix = placed.reference.rstrip("?0123456789")
        symbols.append(Symbol(kind_of(library, prefix), reference, value, x, y, drawn.body))
    return View(
        layout.width,
        layout.height,
        tuple(sorted((t for _, t in inside), key=_order)),
        tuple(sorted(symbols, key=_order)),
    )


def _order(item: Text | Symbol) -> tuple[int, float, float]:
    return int(item.y) // _ROW, item.x, item.y


@dataclass(frozen=True, slots=True)
class Asked:
    """``name`` is the question's kind, one of ``NAMES``."""

    name: str
    prompt: str
    answer: str


def _place(view: View, x: float, y: float) -> str:
    """A place in percent of width and height."""
    return f"{int(100 * x / view.width)} {int(100 * y / view.height)}"


def _joined(items: list[str]) -> str:
    return ", ".join(items) if items else "none"


def _once(items: list[str], *, ordered: bool) -> list[str]:
    return sorted(set(items)) if ordered else list(dict.fromkeys(items))


# Long answers.


def _transcribe(view: View, rng: random.Random) -> tuple[str, str]:
    if rng.random() < 0.6:
        texts = [t for t in view.texts if t.ink != Ink.PIN_NUMBER]
        where = rng.choice(["on this sheet", "in the picture", "of the drawing"]) + " other than pin numbers"
    else:
        first = rng.randrange(0, 8)
        last = rng.randrange(first + 1, 10)
        low, high = view.height * first / 10, view.height * last / 10
        texts = [t for t in view.texts if low <= t.y < high]
        where = f"between {first * 10} and {last * 10} percent of the height"
    asked = rng.choice(["Transcribe all text", "Read all text", "Write down every text"])
    return f"{asked} {where} in reading order.", "\n".join(t.text for t in texts) or "none"


def _table(view: View, rng: random.Random) -> tuple[str, str]:
    rows = [" ".join(filter(None, (s.reference, s.kind, s.value))) for s in view.symbols]
    asked = rng.choice(
        [
            "List every symbol in reading order with its reference, its kind and its value.",
            "Go through the sheet and write down each symbol: reference, kind, value.",
        ]
    )
    return asked, "\n".join(rows) or "none"


# Lists.


def _kinds(view: View, rng: random.Random) -> tuple[str, str]:
    ordered = rng.random() < 0.6
    asked = rng.choice(
        ["What kinds of symbols are drawn", "List the kinds of symbols", "Which kinds of parts are there"]
    )
    how = "in alphabetical order" if ordered else "in reading order"
    return f"{asked}, each once, {how}?", _joined(_once([s.kind for s in view.symbols], ordered=ordered))


def _things(view: View, rng: random.Random) -> tuple[str, str]:
    ordered = rng.random() < 0.6
    asked = rng.choice(["What is on this sheet", "Which different parts are on the sheet", "Name the parts"])
    how = "in alphabetical order" if ordered else "in reading order"
    answer = _joined(_once([s.thing for s in view.symbols], ordered=ordered))
    return f"{asked}, with what is printed beside those that need it, {how}?", answer


def _backwards(view: View, rng: random.Random) -> tuple[str, str]:
    things = sorted({s.thing for s in view.symbols}, key=lambda thing: thing.split()[::-1])
    asked = rng.choice(["What is on this sheet", "Name the parts"])
    return f"{asked}, sorted by the last word?", _joined(things)


def _grouped(view: View, rng: random.Random) -> tuple[str, str]:
    def rank(thing: str) -> int:
        return next(
            (i for i, words in enumerate(_GROUPS) if any(word in thing for word in words)), len(_GROUPS)
        )

    things = sorted({s.thing for s in view.symbols}, key=lambda thing: (rank(thing), thing))
    asked = rng.choice(["What is on this sheet", "Which different parts are on the sheet", "Name the parts"])
    return f"{asked}, connectors first, then passive parts, semiconductors, switches, supplies?", _joined(
        things
    )


def _counts(view: View, rng: random.Random) -> tuple[str, str]:
    counts = sorted(Counter(s.kind for s in view.symbols).items())
    asked = rng.choice(["How many symbols of each kind are there?", "Count the symbols of each kind."])
    return asked, _joined([f"{count} {kind}" for kind, count in counts])


def _labels(view: View, rng: random.Random) -> tuple[str, str]:
    texts = _once([t.text for t in view.texts if t.ink in _LABELS], ordered=False)
    return rng.choice(["Which net labels are there?", "List the labels of the nets, each once."]), _joined(
        texts
    )


def _values(view: View, rng: random.Random) -> tuple[str, str]:
    texts = _once([s.value for s in view.symbols if s.value], ordered=True)
    return rng.choice(
        ["Which values are printed beside symbols?", "List the values, each once, sorted."]
    ), _joined(texts)


# Short answers.


def _count(view: View, rng: random.Random) -> tuple[str, str]:
    kinds = [s.kind for s in view.symbols] or ["resistor"]
    kind = rng.choice(kinds) if rng.random() < 0.8 else "toggle"
    return f"How often is a {kind} drawn?", str(sum(s.kind == kind for s in view.symbols))


def _read(view: View, rng: random.Random) -> tuple[str, str]:
    if not view.texts:
        return "What is written on the sheet?", "none"
    text = rng.choice([t for t in view.texts if t.ink != Ink.PIN_NUMBER] or view.texts)
    asked = rng.choice(["What is written at", "Read the text at"])
    return f"{asked} {_place(view, text.x, text.y)}?", text.text


def _where(view: View, rng: random.Random) -> tuple[str, str]:
    counts = Counter(t.text for t in view.texts)
    single = [t for t in view.texts if counts[t.text] == 1]
    if not single:
        return "Where is the text ?", "none"
    text = rng.choice(single)
    return f"Where is the text {text.text}?", _place(view, text.x, text.y)


def _named(view: View, rng: random.Random) -> tuple[str, str]:
    named = [s for s in view.symbols if s.reference]
    if not named:
        return "What is U1?", "none"
    symbol = rng.choice(named)
    return rng.choice(
        [f"What is {symbol.reference}?", f"What kind of part is {symbol.reference}?"]
    ), symbol.kind


def _value(view: View, rng: random.Random) -> tuple[str, str]:
    named = [s for s in view.symbols if s.reference and s.value]
    if not named:
        return "What is the value of U1?", "none"
    symbol = rng.choice(named)
    return f"What is the value of {symbol.reference}?", symbol.value


def _drawn(view: View, rng: random.Random) -> tuple[str, str]:
    if not view.symbols:
        return "What is drawn at 50 50?", "none"
    symbol = rng.choice(view.symbols)
    return f"What is drawn at {_place(view, symbol.x, symbol.y)}?", symbol.thing


_Maker = Callable[[View, random.Random], tuple[str, str]]
_LONG: dict[str, tuple[_Maker, float]] = {"transcribe": (_transcribe, 0.5), "table": (_table, 0.5)}
_LISTS: dict[str, tuple[_Maker, float]] = {
    "kinds": (_kinds, 0.1),
    "things": (_things, 0.3),
    "backwards": (_backwards, 0.1),
    "grouped": (_grouped, 0.2),
    "counts": (_counts, 0.1),
    "labels": (_labels, 0.1),
    "values": (_values, 0.1),
}
_SHORT: dict[str, tuple[_Maker, float]] = {
    "count": (_count, 0.1),
    "read": (_read, 0.3),
    "where": (_where, 0.1),
    "named": (_named, 0.1),
    "value": (_value, 0.2),
    "drawn": (_drawn, 0.2),
}
NAMES: tuple[str, ...] = (*_LONG, *_LISTS, *_SHORT)


def ask(view: View, slots: int, rng: random.Random) -> list[Asked]:
    """One question a slot: a long answer first, then a list, then short answers."""
    asked = []
    for number in range(slots):
        group = _LONG if number == 0 else _LISTS if number == 1 else _SHORT
        (name,) = rng.choices(list(group), [weight for _, weight in group.values()])
        asked.append(Asked(name, *group[name][0](view, rng)))
    return asked

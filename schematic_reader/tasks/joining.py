"""The answers about the tiles of a sheet as one answer about the sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from schematic_reader.config import ImageLimits
from schematic_reader.tasks.answer_tokens import Span, geometric_mean, span_tokens, symbol_spans
from schematic_reader.tasks.components import is_none
from schematic_reader.tasks.contract import EMPTY, ModelAnswer, Task
from schematic_reader.tasks.description import Description, DescriptionTask, Entry
from schematic_reader.tasks.untrusted import unfenced

_EMPTY_RULE = {"json": r'"{" "\"symbols\":[" "]" "}"', "yaml": '"symbols:" " []"'}
"""By task with a grammar, ``EMPTY`` in the tokens of that grammar."""

_LOOP = 3  # copies of a period, at the end of an answer that was cut off


def asked_about(task: Task, limits: ImageLimits) -> Task:
    """The task as a model is asked: where sheets are cut, the grammar has the answer about an empty tile."""
    if limits.tiles == 1 or not isinstance(task, DescriptionTask) or task.grammar is None:
        return task
    rule = "\nstart: "
    lark = task.grammar.lark.replace(rule, f"{rule}{_EMPTY_RULE[task.name]} | ", 1)
    return replace(task, grammar=replace(task.grammar, lark=lark))


def joined(task: Task, answers: Sequence[ModelAnswer]) -> ModelAnswer:
    """One answer that says what the answers about a sheet's tiles say, in the compact form.

    Of a tile's answer that was cut off, what stands before the cut counts, and a loop there once. A name that
    several tiles say, in a structured task a reference that none says twice, is taken from the one that says
    it with the highest confidence. A part without a value, as a tile's answer has it where the sheet shows
    none, gets the name of its library symbol, as KiCad sets it. Answers that are not valid say nothing; only
    where no tile's is, this one is not either.

    Args:
        answers: in the order of the tiles, without tiles that were not asked about.

    Returns:
        ``tokens`` are those of all tiles, and ``finish`` is ``length`` where any tile's is; ``ends`` and
        ``probabilities`` are those of the tokens of its names or symbols.
    """
    whole: ModelAnswer | None = ModelAnswer(EMPTY[task.name], 0, "stop")
    if answers and isinstance(task, DescriptionTask):
        whole = _joined_descriptions(task, answers)
    elif answers:
        whole = _joined_names(task, answers)
    if whole is None:
        whole = next((answer for answer in answers if answer.text), answers[0])
    finish = "length" if any(answer.finish == "length" for answer in answers) else "stop"
    return replace(whole, tokens=sum(answer.tokens for answer in answers), finish=finish)


@dataclass(frozen=True, slots=True)
class _Said:
    """The tokens with which an answer says something: their ends from its first character on."""

    ends: Sequence[int]
    probabilities: Sequence[float]

    @property
    def confidence(self) -> float:
        return geometric_mean(self.probabilities) if self.probabilities else 1.0


def _said(answer: ModelAnswer, span: Span | None) -> _Said:
    """The tokens of the span; where it is not known, one with the mean probability of all tokens."""
    if not answer.probabilities:
        return _Said((), ())
    chosen = span_tokens(answer.ends, span) if span else slice(0)
    if span and answer.probabilities[chosen]:
        return _Said([end - span[0] for end in answer.ends[chosen]], answer.probabilities[chosen])
    return _Said([1], [geometric_mean(answer.probabilities)])


def _with_tokens(text: str, pieces: Sequence[tuple[Span, _Said]]) -> ModelAnswer:
    """An answer with this text; ``pieces`` are the spans in it, in order, and what they were said with.

    The last token of each, which ends it, reaches up to the next. Without pieces there are no tokens.
    """
    if not pieces or not all(said.probabilities for _, said in pieces):
        return ModelAnswer(text, 0, "stop")
    ends: list[int] = []
    probabilities: list[float] = []
    nexts = [first for (first, _), _ in pieces[1:]] + [len(text)]
    for ((first, last), said), following in zip(pieces, nexts, strict=True):
        ends += [min(first + end, last) for end in said.ends[:-1]] + [following]
        probabilities += said.probabilities
    return ModelAnswer(text, 0, "stop", ends, probabilities)


def _joined_names(task: Task, answers: Sequence[ModelAnswer]) -> ModelAnswer | None:
    """Each name once, in the order of the tiles; None where no answer is valid."""
    best: dict[str, _Said] = {}
    valid = False
    for answer in answers:
        if not task.parse(answer.text).valid:
            continue
        valid = True
        spans = task.spans(answer.text)
        if answer.finish == "length" and not set(answer.text[spans[-1][2] :]) & set(",\n"):
            del spans[-1]  # the cut may go through it
        for item, first, last in spans:
            name, said = task.name_of(item), _said(answer, (first, last))
            if not is_none(name) and (name not in best or said.confidence > best[name].confidence):
                best[name] = said
    if not valid:
        return None
    text = task.target({"components": list(best)}, form="compact")
    if text is None:
        return ModelAnswer(EMPTY[task.name], 0, "stop")
    places = ((task.name_of(item), (first, last)) for item, first, last in task.spans(text))
    return _with_tokens(text, [(span, best[name]) for name, span in places if name in best])


_Symbols = list[tuple[Entry, _Said]]


def _joined_descriptions(task: DescriptionTask, answers: Sequence[ModelAnswer]) -> ModelAnswer | None:
    """The entries of all tiles, in their order; None where no answer is valid."""
    tiles: list[_Symbols] = []
    whole = Description()
    for answer in answers:
        if (description := _description(task, answer)) is None:
            continue
        spans = symbol_spans([entry.texts for entry in description.symbols], answer.text)
        said = (_said(answer, span) for span in spans)
        tiles.append(list(zip(description.symbols, said, strict=True)))
        whole.labels.extend(description.labels)
        whole.sheets.extend(description.sheets)
    if not tiles:
        return None
    symbols = [(_with_value(entry), said) for entry, said in _each_reference_of_one_tile(tiles)]
    whole.symbols.extend(entry for entry, _ in symbols)
    if not whole.items():
        return ModelAnswer(EMPTY[task.name], 0, "stop")
    text = task.write(whole)
    found = zip(symbol_spans([entry.texts for entry in whole.symbols], text), symbols, strict=True)
    return _with_tokens(text, [(span, said) for span, (_, said) in found if span])


def _with_value(entry: Entry) -> Entry:
    """The symbol, where it is a part without a value with that which KiCad gives a part at first."""
    reference, lib_id, value = entry.texts
    if value or not reference:
        return entry
    return entry._replace(texts=(reference, lib_id, lib_id.rpartition(":")[2]))


def _description(task: DescriptionTask, answer: ModelAnswer) -> Description | None:
    """What an answer says, up to the cut where it was cut off; None where it is not valid."""
    found = task.description(answer.text)
    if found is None and answer.finish == "length":
        found = task.description(task.closed(unfenced(answer.text)))
        return found and _without_loop(found)
    return found


def _without_loop(description: Description) -> Description:
    """The description of an answer that was cut off, the period of a loop at its end once."""
    entries = description.symbols + description.labels + description.sheets
    for period in range(1, len(entries) // _LOOP + 1):
        same = 0
        while same < len(entries) - period and entries[-1 - same] == entries[-1 - same - period]:
            same += 1
        if same >= (_LOOP - 1) * period:
            left = iter(entries[: len(entries) - same])
            symbols, labels, sheets = (
                list(islice(left, len(section)))
                for section in (description.symbols, description.labels, description.sheets)
            )
            return Description(symbols, labels, sheets, description.unread)
    return description


def _each_reference_of_one_tile(tiles: Sequence[_Symbols]) -> Iterator[tuple[Entry, _Said]]:
    """The symbols of all tiles; of those with a reference that several tiles say, the surest tile's.

    A reference that one tile says more than once is that of a part with several units, all of which count.
    """
    surest: dict[str, tuple[float, int]] = {}
    units: set[str] = set()
    for number, symbols in enumerate(tiles):
        counts = Counter(entry.texts for entry, _ in symbols)
        units.update(reference for (reference, *_), count in counts.items() if count > 1)
        for entry, said in symbols:
            reference = entry.texts[0]
            if reference not in surest or said.confidence > surest[reference][0]:
                surest[reference] = said.confidence, number
    for number, symbols in enumerate(tiles):
        for entry, said in symbols:
            reference = entry.texts[0]
            several = not reference or reference.endswith("?") or reference in units
            if several or surest[reference][1] == number:
                yield entry, said

"""Where the symbols of a growing answer end, in each compact form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schematic_reader.tasks import json_description, schematic, yaml_description
from schematic_reader.tasks.contract import EMPTY
from schematic_reader.tasks.description import Description, DescriptionTask, Entry, symbol

STRUCTURED = [json_description.TASK, yaml_description.TASK, schematic.TASK]
_TEXTS = st.text(st.sampled_from("aR1 []{}(),:\"'\\-\n#Ω"), min_size=1, max_size=8).map(
    lambda text: text.strip() or "x"
)
_SYMBOLS = st.lists(st.builds(symbol, st.just("") | _TEXTS, _TEXTS, _TEXTS), max_size=4)
_LABELS = st.lists(st.builds(lambda text: Entry((0.0, 0.0), ("local", text)), _TEXTS), max_size=3)
_SHEETS = st.lists(st.builds(lambda text: Entry((0.0, 0.0), (text,)), _TEXTS), max_size=2)


def ended(task: DescriptionTask, text: str) -> tuple[int, str] | None:
    """After how many characters a growing answer ends, and the whole answer then."""
    for count in range(len(text) + 1):
        if (whole := task.symbols_end.whole(text[:count])) is not None:
            return count, whole
    return None


@pytest.mark.parametrize("task", STRUCTURED, ids=lambda task: task.name)
@given(symbols=_SYMBOLS, labels=_LABELS, sheets=_SHEETS)
def test_a_growing_answer_ends_behind_its_last_symbol_and_has_them_all(
    task: DescriptionTask, symbols: list[Entry], labels: list[Entry], sheets: list[Entry]
) -> None:
    text = task.write(Description(symbols, labels, sheets))
    found = ended(task, text)
    if found is None:  # what follows the symbols is all that tells yaml and schematic where they end
        assert not labels + sheets
        assert task.name != "json" or not symbols
        return
    count, whole = found
    assert count == len(text) or task.symbols_end.whole(text) == whole
    assert (read := task.description(whole)) is not None
    assert read == Description([Entry((0.0, 0.0), one.texts) for one in symbols], [], [])
    last = task.write(Description(symbols)).rstrip("})\n") if symbols else ""
    assert count <= len(last) + 24  # the key or the word of the next section is the most that is read on


@pytest.mark.parametrize("task", STRUCTURED, ids=lambda task: task.name)
def test_labels_alone_end_an_answer_at_once(task: DescriptionTask) -> None:
    text = task.write(Description(labels=[Entry((0.0, 0.0), ("local", "SDA"))] * 9))
    found = ended(task, text)
    assert found is not None
    assert found[1] == EMPTY[task.name]
    assert found[0] < len(text) // 2


@pytest.mark.parametrize("task", STRUCTURED, ids=lambda task: task.name)
@pytest.mark.parametrize(
    "text", ["", "none", "[" * 99, '{"symbols" : [["R1"]], "a', "symbols", '{"symbols":[["a']
)
def test_what_is_no_compact_answer_or_not_whole_goes_on(task: DescriptionTask, text: str) -> None:
    assert task.symbols_end.whole(text) is None

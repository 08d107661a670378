"""Structured answers are what they say they are, and none is an answer to a task of the project."""

from __future__ import annotations

import json
import random
import re

import pytest
import yaml

from pretraining import formats
from pretraining.scene import Scene
from schematic_reader.kicad.kiutils import to_mapping
from schematic_reader.kicad.sexpr import Symbol, parse
from schematic_reader.kicad.writer import write_sheet
from schematic_reader.synthetic.yaml_text import dump_yaml
from schematic_reader.tasks import task
from tests.support.pretraining import generated

ROWS = [
    ("R1", "resistor", "4k7"),
    ("U2A", "amplifier", 'say "no"\\'),
    ("", "supply arrow", "+3V3"),
    ("Q3", "outward transistor", ""),
    ("NO", "chip", "on"),
    ("X1", "crystal", ".5"),
    ("C10", "capacitor", "1e5"),
    ("C11", "small capacitor", "10 µF/50V"),
    ("", "hole", ""),
]
ASKED = re.compile(
    r"(?:Write the symbols as|Give all symbols as|The symbols in reading order, as) (?:"
    r"JSON (?P<how>in one line|with blanks|indented), "
    r"(?:(?P<objects>\w+) with objects of|(?P<arrays>arrays) of|(?P<keyed>\w+) by designator with)"
    r"|YAML, (?:(?P<entries>\w+) with entries of|(?P<sequences>sequences) of)"
    r"|an S-expression, \((?P<nodes>\w+) \(part \.\.\.\)\) with"
    r"|(?P<lists>S-expressions) of"
    r") (?P<keys>[\w ]+(?:, [\w ]+)*?)(?:, one a line)?\."
)
FIELDS = {
    key: i for i, keys in enumerate((formats._REFERENCE, formats._KIND, formats._VALUE)) for key in keys
}


def plain(text: str, how: str) -> bool:
    """Whether JSON is laid out as the question asks."""
    document = json.loads(text)
    layouts = {
        "in one line": json.dumps(document, ensure_ascii=False, separators=(",", ":")),
        "with blanks": json.dumps(document, ensure_ascii=False),
        "indented": json.dumps(document, ensure_ascii=False, indent=1),
    }
    return text == layouts[how]


def read(prompt: str, answer: str) -> tuple[list[str], list[list[str]]]:
    """Keys that the question names and the answer's rows in their order; the key "" is the reference's."""
    found = ASKED.fullmatch(prompt)
    assert found, prompt
    keys = found["keys"].split(", ")
    if found["how"]:
        assert plain(answer, found["how"])
    if head := found["objects"] or found["entries"]:
        document = json.loads(answer) if found["objects"] else yaml.safe_load(answer)
        assert list(document) == [head]
        for entry in document[head]:
            assert list(entry) == [key for key in keys if key in entry] and all(entry.values())
        rows = [[entry.get(key, "") for key in keys] for entry in document[head]]
    elif found["arrays"] or found["sequences"]:
        rows = json.loads(answer) if found["arrays"] else yaml.safe_load(answer)
    elif head := found["keyed"]:
        document = json.loads(answer)
        assert list(document) == [head]
        rows = [[name, *(entry.get(key, "") for key in keys)] for name, entry in document[head].items()]
        return ["", *keys], rows
    elif head := found["nodes"]:
        (name, *parts) = parse(answer)
        assert name == head and isinstance(name, Symbol)
        assert all(part[0] == "part" and all(len(node) == 2 for node in part[1:]) for part in parts)
        entries = [{str(node[0]): node[1] for node in part[1:]} for part in parts]
        rows = [[entry.pop(key.split()[0], "") for key in keys] for entry in entries]
        assert not any(entries)
    else:
        rows = [parse(line) for line in answer.split("\n")] if answer != "()" else []
    return keys, rows


def test_answers_hold_the_fields_that_the_question_names():
    for seed in range(200):
        prompt, answer = formats.ask(ROWS, random.Random(seed))
        keys, rows = read(prompt, answer)
        columns = [FIELDS[key] if key else 0 for key in keys]
        assert len(set(columns)) == len(columns)
        expected = [[row[i] for i in columns] for row in ROWS if any(row[i] for i in columns)]
        if "" in keys:  # by designator: the others have none
            expected = [row for row in expected if row[0]]
        assert rows == expected, prompt
        assert all(type(text) is str for row in rows for text in row)


def test_every_shape_comes():
    shapes = [ASKED.fullmatch(formats.ask(ROWS, random.Random(seed))[0]).groupdict() for seed in range(200)]
    kinds = ("objects", "arrays", "keyed", "entries", "sequences", "nodes", "lists")
    for kind in kinds:
        assert any(shape[kind] for shape in shapes), kind


def test_a_sheet_without_symbols_gives_an_empty_document():
    for seed in range(40):
        assert read(*formats.ask([], random.Random(seed)))[1] == []


@pytest.mark.parametrize("name", ["json", "yaml", "schematic"])
def test_no_answer_is_one_to_a_structured_task_of_the_project(name):
    """Pre-training must not teach what fine-tuning is measured on: the task finds no item in it."""
    sheet = generated(0)
    content = to_mapping(sheet)
    row = {"json": json.dumps(content), "yaml": dump_yaml(content), "schematic": write_sheet(sheet)}
    target = task(name).target(row, form="compact")
    assert len(task(name).parse(target).items) > 10
    seen = Scene(sheet, 640, 448).view(0, 0, 640, 448)
    rows = [(s.reference, s.kind, s.value) for s in seen.symbols]
    assert len(rows) > 10
    for seed in range(150):
        _, answer = formats.ask(rows, random.Random(seed))
        assert not task(name).parse(answer).items, answer

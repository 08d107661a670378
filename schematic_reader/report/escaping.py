"""Text from outside on its way into a page."""

from __future__ import annotations

from html import escape

# Control characters as their own pictures (U+2400), and the marks that turn the direction of what follows as
# the replacement character, so that none acts on the page.
_UNSHOWN: dict[int, int] = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
_UNSHOWN |= dict.fromkeys((*range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD)


def shown(text: str, limit: int) -> str:
    """The text as HTML, cut after ``limit`` characters with a note of how many follow."""
    cut = text[:limit] + (f"… ({len(text) - limit} more characters)" if len(text) > limit else "")
    return escape(cut.encode("utf-8", "replace").decode("utf-8").translate(_UNSHOWN))

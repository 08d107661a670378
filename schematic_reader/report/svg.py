"""Small charts as inline SVG, whose colours come from the page's style sheet (``report.css``).

All are drawn 380 units wide, so that their text is readable on a phone without scaling. Values are shares
from 0 to 1, but those of ``lines``, which may be larger, and of ``ranked``, which are counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from schematic_reader.report.escaping import shown

WIDTH = 380
MAX_TEXT = 120
_HEIGHT, _LEFT, _BOTTOM, _TOP, _ROW = 220, 40, 34, 10, 19


def columns(labels: Sequence[str], series: Mapping[str, Sequence[float]], caption: str) -> str:
    """Groups of columns, one a label, with a column of each series."""
    if not labels:
        return _empty(caption)
    room = (WIDTH - _LEFT) / len(labels)
    width = min(26.0, room * 0.8 / len(series))
    parts = _share_axis()
    for i, label in enumerate(labels):
        middle = _LEFT + room * (i + 0.5)
        for j, (name, values) in enumerate(series.items()):
            x = middle + (j - len(series) / 2) * width
            y = _share_y(values[i])
            parts.append(
                f'<rect class="s{j}" x="{x:.1f}" y="{y:.1f}" width="{width - 1:.1f}" '
                f'height="{_share_y(0) - y:.1f}"><title>{_shown(f"{label}, {name}: {values[i]:.3f}")}</title>'
                "</rect>"
            )
        parts.append(_text(middle, _HEIGHT - _BOTTOM + 14, label, "middle"))
    return _legend(series) + _drawn(parts, _HEIGHT - 14, caption)


def scatter(series: Mapping[str, Sequence[tuple[float, float]]], caption: str) -> str:
    """Points of recall (x) and precision (y); a darker point is several."""
    parts = _share_axis()
    for value in (0.0, 0.5, 1.0):
        parts.append(_text(_share_x(value), _HEIGHT - _BOTTOM + 14, f"{value:g}", "middle"))
    parts += _axis_names("recall", "precision")
    for j, (name, points) in enumerate(series.items()):
        for x, y in points:
            parts.append(
                f'<circle class="s{j} point" cx="{_share_x(x):.1f}" cy="{_share_y(y):.1f}" r="4">'
                f"<title>{_shown(f'{name}: {x:.3f}, {y:.3f}')}</title></circle>"
            )
    return _legend(series) + _drawn(parts, _HEIGHT, caption)


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    caption: str,
    *,
    x: str,
    y: str,
    diagonal: bool = False,
) -> str:
    """Points from 0 upwards, joined in their order; ``x`` and ``y`` name the axes.

    Args:
        diagonal: draw the line from corner to corner too, where both axes end at the same value.
    """
    points = [point for one in series.values() for point in one]
    if not points:
        return _empty(caption)
    right, top = (_round_end(max(point[axis] for point in points)) for axis in (0, 1))
    parts = _share_axis(top)
    for share in (0.0, 0.5, 1.0):
        parts.append(_text(_share_x(share), _HEIGHT - _BOTTOM + 14, f"{share * right:g}", "middle"))
    parts += _axis_names(x, y)
    if diagonal:
        ends = f'x1="{_share_x(0):.1f}" y1="{_share_y(0):.1f}" x2="{_share_x(1):.1f}" y2="{_share_y(1):.1f}"'
        parts.append(f'<line class="grid ideal" {ends}/>')
    for j, (name, one) in enumerate(series.items()):
        places = [(_share_x(a / right), _share_y(b / top)) for a, b in one]
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
        parts.append(f'<polyline class="l{j}" points="{path}"/>')
        for (across, down), (a, b) in zip(places, one, strict=True):
            parts.append(
                f'<circle class="s{j}" cx="{across:.1f}" cy="{down:.1f}" r="2.5">'
                f"<title>{_shown(f'{name}: {a:g}, {b:.3f}')}</title></circle>"
            )
    return _legend(series) + _drawn(parts, _HEIGHT, caption)


def ranked(rows: Sequence[tuple[str, float]], caption: str, *, tone: str) -> str:
    """A bar a row with its text and its count, in the order given; ``tone`` is a class of the style sheet."""
    if not rows:
        return _empty(caption)
    most = max(abs(value) for _, value in rows) or 1
    text_width, parts = 150, []
    for i, (label, value) in enumerate(rows):
        y = i * _ROW
        length = abs(value) / most * (WIDTH - text_width - 40)
        shown = label if len(label) <= 20 else label[:19] + "…"
        parts.append(
            f'<text x="{text_width - 6}" y="{y + 13}" text-anchor="end">{_shown(shown)}'
            f"<title>{_shown(label)}</title></text>"
            f'<rect class="{tone}" x="{text_width}" y="{y + 3}" width="{length:.1f}" height="{_ROW - 6}"/>'
        )
        parts.append(_text(text_width + length + 5, y + 13, f"{value:g}", "start"))
    return _drawn(parts, len(rows) * _ROW + 4, caption)


def interval(low: float, value: float, high: float, *, bottom: float, top: float) -> str:
    """A value and its interval on the scale from ``bottom`` to ``top``, to stand in a table's cell."""

    def place(number: float) -> float:
        return 4 + 132 * (number - bottom) / (top - bottom)

    return (
        '<svg class="interval" viewBox="0 0 140 14" role="presentation">'
        '<line class="grid" x1="4" x2="136" y1="7" y2="7"/>'
        f'<line class="range" x1="{place(low):.1f}" x2="{place(high):.1f}" y1="7" y2="7"/>'
        f'<circle class="s1" cx="{place(value):.1f}" cy="7" r="4"/></svg>'
    )


def _shown(text: str) -> str:
    return shown(text, MAX_TEXT)


def _share_x(value: float) -> float:
    return _LEFT + 8 + value * (WIDTH - _LEFT - 20)


def _share_y(value: float) -> float:
    return _HEIGHT - _BOTTOM - value * (_HEIGHT - _BOTTOM - _TOP)


def _share_axis(top: float = 1.0) -> list[str]:
    """Lines across at every quarter of ``top``, the value at the upper end."""
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _share_y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(_LEFT - 4, math.floor(y) + 4, f"{value * top:g}", "end"))
    return parts


def _axis_names(x: str, y: str) -> list[str]:
    return [
        _text((WIDTH + _LEFT) / 2, _HEIGHT - _BOTTOM + 28, x, "middle"),
        f'<text transform="translate(9 {(_HEIGHT - _BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        f"{_shown(y)}</text>",
    ]


def _round_end(value: float) -> float:
    """The smallest of 1, 2, 4 and 8 times a power of ten that is no less than ``value``; 1 for none."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value * (1 - 1e-9))


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_shown(text)}</text>'


def _legend(names: Mapping[str, object]) -> str:
    keys = (f'<span><i class="key s{j}"></i>{_shown(name)}</span>' for j, name in enumerate(names))
    return f'<p class="legend">{" ".join(keys)}</p>'


def _drawn(parts: Sequence[str], height: float, caption: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{_shown(caption)}">'
        f"{''.join(parts)}</svg>"
    )


def _empty(caption: str) -> str:
    return f'<p class="note">{_shown(caption)}: none.</p>'

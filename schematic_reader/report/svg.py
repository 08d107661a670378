"""Small charts as SVG, drawn by the rules of ``charts.css`` in the colours of ``report.css``.

All are drawn 380 units wide, so that their text is readable on a phone without scaling. Values are shares
from 0 to 1, but those of ``lines``, which may be larger, and of ``ranked``, which are counts. Texts are
escaped by ``Markup.format``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from schematic_reader.io.display import clipped, ellipsized

WIDTH = 380
MAX_TEXT = 120
_HEIGHT, _LEFT, _BOTTOM, _TOP, _ROW = 220, 40, 34, 10, 19
_LEGEND_HEIGHT = 22
_CHAR_WIDTH = 6.2  # of the legend's text, on average

_RECT = Markup(
    '<rect class="s{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
)
_POINT = Markup('<circle class="s{} point" cx="{:.1f}" cy="{:.1f}" r="4"><title>{}</title></circle>')
_DOT = Markup('<circle class="s{}" cx="{:.1f}" cy="{:.1f}" r="2.5"><title>{}</title></circle>')
_POLYLINE = Markup('<polyline class="l{}" points="{}"/>')
_LINE = Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
_TEXT = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
_VERTICAL = Markup('<text transform="translate(9 {}) rotate(-90)" text-anchor="middle">{}</text>')
_BAR_NAME = Markup('<text x="{}" y="{}" text-anchor="end">{}<title>{}</title></text>')
_BAR = Markup('<rect class="{}" x="{}" y="{}" width="{:.1f}" height="{}"/>')
_KEY = Markup('<rect class="s{}" x="{:.1f}" y="3" width="11" height="11" rx="2"/>')
_CHART = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {} {:g}" role="img" aria-label="{}">'
    "{}</svg>"
)
_BELOW_LEGEND = Markup('<g transform="translate(0 {})">{}</g>')
_EMPTY = Markup('<p class="note">{}: none.</p>')
_INTERVAL = Markup(
    '<svg class="interval" viewBox="0 0 140 14" role="presentation">'
    '<line class="grid" x1="4" x2="136" y1="7" y2="7"/>'
    '<line class="range" x1="{:.1f}" x2="{:.1f}" y1="7" y2="7"/>'
    '<circle class="s1" cx="{:.1f}" cy="7" r="4"/></svg>'
)


def columns(labels: Sequence[str], series: Mapping[str, Sequence[float]], caption: str) -> Markup:
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
            title = _short(f"{label}, {name}: {values[i]:.3f}")
            parts.append(_RECT.format(j, x, y, width - 1, _share_y(0) - y, title))
        parts.append(_text(middle, _HEIGHT - _BOTTOM + 14, label, "middle"))
    return _chart(parts, _HEIGHT - 14, caption, legend=series)


def scatter(series: Mapping[str, Sequence[tuple[float, float]]], caption: str) -> Markup:
    """Points of recall (x) and precision (y); a darker point is several."""
    parts = _share_axis()
    for value in (0.0, 0.5, 1.0):
        parts.append(_text(_share_x(value), _HEIGHT - _BOTTOM + 14, f"{value:g}", "middle"))
    parts += _axis_names("recall", "precision")
    for j, (name, points) in enumerate(series.items()):
        for x, y in points:
            parts.append(_POINT.format(j, _share_x(x), _share_y(y), _short(f"{name}: {x:.3f}, {y:.3f}")))
    return _chart(parts, _HEIGHT, caption, legend=series)


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    caption: str,
    *,
    x: str,
    y: str,
    diagonal: bool = False,
) -> Markup:
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
        parts.append(_LINE.format("grid ideal", _share_x(0), _share_y(0), _share_x(1), _share_y(1)))
    for j, (name, one) in enumerate(series.items()):
        drawn = [(_share_x(a / right), _share_y(b / top)) for a, b in one]
        parts.append(_POLYLINE.format(j, " ".join(f"{across:.1f},{down:.1f}" for across, down in drawn)))
        for (across, down), (a, b) in zip(drawn, one, strict=True):
            parts.append(_DOT.format(j, across, down, _short(f"{name}: {a:g}, {b:.3f}")))
    return _chart(parts, _HEIGHT, caption, legend=series)


def ranked(rows: Sequence[tuple[str, float]], caption: str, *, tone: str) -> Markup:
    """A bar a row with its text and its count, in the order given; ``tone`` is a class of the style sheet."""
    if not rows:
        return _empty(caption)
    most = max(abs(value) for _, value in rows) or 1
    text_width = 150
    parts: list[Markup] = []
    for i, (label, value) in enumerate(rows):
        y = i * _ROW
        length = abs(value) / most * (WIDTH - text_width - 40)
        parts += [
            _BAR_NAME.format(text_width - 6, y + 13, _short(ellipsized(label, 20)), _short(label)),
            _BAR.format(tone, text_width, y + 3, length, _ROW - 6),
            _text(text_width + length + 5, y + 13, f"{value:g}", "start"),
        ]
    return _chart(parts, len(rows) * _ROW + 4, caption)


def interval(low: float, value: float, high: float, *, bottom: float, top: float) -> Markup:
    """A value and its interval on the scale from ``bottom`` to ``top``, to stand in a table's cell."""
    return _INTERVAL.format(*(4 + 132 * (number - bottom) / (top - bottom) for number in (low, high, value)))


def light_style() -> str:
    """The style sheet of the charts in the colours of the page's light theme, for a chart on its own."""
    page, charts = (Path(__file__).with_name(name) for name in ("report.css", "charts.css"))
    light = page.read_text(encoding="utf-8").partition("@media")[0]
    colours = dict(re.findall(r"--([\w-]+): (#\w+)", light))
    rules = charts.read_text(encoding="utf-8")
    return re.sub(r"var\(--([\w-]+)\)", lambda match: colours[match[1]], rules)


def _short(text: str) -> str:
    return clipped(text, MAX_TEXT)


def _share_x(value: float) -> float:
    return _LEFT + 8 + value * (WIDTH - _LEFT - 20)


def _share_y(value: float) -> float:
    return _HEIGHT - _BOTTOM - value * (_HEIGHT - _BOTTOM - _TOP)


def _share_axis(top: float = 1.0) -> list[Markup]:
    """Lines across at every quarter of ``top``, the value at the left end."""
    parts = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _share_y(value)
        parts.append(_LINE.format("grid", _LEFT, y, WIDTH, y))
        parts.append(_text(_LEFT - 4, math.floor(y) + 4, f"{value * top:g}", "end"))
    return parts


def _axis_names(x: str, y: str) -> list[Markup]:
    return [
        _text((WIDTH + _LEFT) / 2, _HEIGHT - _BOTTOM + 28, x, "middle"),
        _VERTICAL.format((_HEIGHT - _BOTTOM) / 2, _short(y)),
    ]


def _round_end(value: float) -> float:
    """The smallest of 1, 2, 4 and 8 times a power of ten that is no less than ``value``; 1 for none."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value * (1 - 1e-9))


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return _TEXT.format(x, y, anchor, _short(text))


def _legend(names: Iterable[str]) -> list[Markup]:
    """A key and the name of each series, side by side."""
    parts = []
    x = float(_LEFT)
    for j, name in enumerate(names):
        parts += [_KEY.format(j, x), _text(x + 17, 12.5, name, "start")]
        x += 17 + _CHAR_WIDTH * len(name) + 18
    return parts


def _chart(parts: Iterable[Markup], height: float, caption: str, *, legend: Iterable[str] = ()) -> Markup:
    content = Markup("").join(parts)
    if keys := _legend(legend):
        content = Markup("").join([*keys, _BELOW_LEGEND.format(_LEGEND_HEIGHT, content)])
        height += _LEGEND_HEIGHT
    return _CHART.format(WIDTH, height, _short(caption), content)


def _empty(caption: str) -> Markup:
    return _EMPTY.format(_short(caption))

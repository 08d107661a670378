"""The result as a table for the terminal: the prior, the model before and after tuning, and the gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_BOM = {
    "references": "references",
    "values": "with values",
    "value_lines": "lines by value",
    "lines": "with symbol",
    "purchases": "purchases",
}
"""What the table has of a bill of materials, with its heading there (docs/metrics.md)."""

_HEADER = ("", "precision", "recall", "F1", "95 % interval", "loose F1", "exact")


def result_table(baseline: Mapping[str, Any], tuned: Mapping[str, Any]) -> str:
    """The table of a ``baseline.json`` and an ``evaluate.json``, without a final newline."""
    prior = baseline.get("prior")
    rows: list[tuple[str, ...]] = [_HEADER]
    if prior:
        rows.append(_row(f"prior (k = {prior['k']:.0f})", prior))
    if "ocr" in baseline:
        rows.append(_row("OCR", baseline["ocr"]))
    for name, metrics in (("baseline", baseline), ("tuned", tuned)):
        rows.append(_row(name, metrics))
        if "no_image" in metrics:
            rows.append(
                _row(f"- no picture, {metrics['no_image']['sheets']:.0f} sheets", metrics["no_image"])
            )
    if "gain" in tuned:
        rows.append(_gain_row(tuned["gain"]))
    bom = tuned.get("bom", {})
    if bom.get("sheets"):
        rows.append((f"bill of materials, {bom['sheets']:.0f} sheets", *("",) * (len(_HEADER) - 1)))
        rows += [_row(f"- {heading}", bom[name]) for name, heading in _BOM.items()]
    return _aligned(rows, sheets=tuned["sheets"])


def comparison_table(models: Sequence[tuple[str, Mapping[str, Any]]], gain: Mapping[str, float]) -> str:
    """The table of several models' metrics by name, and the last one's gain; without a final newline."""
    rows = [_HEADER, *(_row(name, metrics) for name, metrics in models), _gain_row(gain)]
    return _aligned(rows, sheets=models[-1][1]["sheets"])


def _gain_row(gain: Mapping[str, float]) -> tuple[str, ...]:
    interval = f"{gain['f1_low']:+.3f} to {gain['f1_high']:+.3f}"
    return ("gain", "", "", f"{gain['f1']:+.3f}", interval, "", "")


def _aligned(rows: Sequence[tuple[str, ...]], *, sheets: float) -> str:
    """The rows in columns, and a note on what they are about."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    note = f"{sheets:.0f} test sheets; intervals by resampling repositories"
    return "\n".join([*lines, note])


def _row(name: str, metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """One line, without what a group such as ``prior`` does not have."""
    loose = metrics.get("loose_f1", metrics.get("loose", {}).get("f1"))
    return (
        name,
        *(f"{metrics[key]:.3f}" for key in ("precision", "recall", "f1")),
        f"{metrics['f1_low']:.3f} to {metrics['f1_high']:.3f}" if "f1_low" in metrics else "",
        "" if loose is None else f"{loose:.3f}",
        f"{metrics['exact_match']:.3f}" if "exact_match" in metrics else "",
    )

"""Answers of the worst kind through the whole of the scoring: measures, gain, plots and page.

There is no clock here: anything that is worse than linear in an answer's length would take hours, or more
memory than there is, on texts of this size.
"""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from schematic_reader.report.page import report_page
from schematic_reader.report.plots import write_plots
from schematic_reader.scoring.confidence import Calibration
from schematic_reader.scoring.connectivity import has_nets
from schematic_reader.scoring.metrics import gain, score
from schematic_reader.scoring.predictions import PredictionRow, prediction_row
from schematic_reader.tasks import task
from schematic_reader.tasks.contract import ModelAnswer

TARGETS = {
    "components": "R, C, GND",
    "json": '{"symbols":[["R1","Device:R","10k"]],"labels":["SDA"]}',
    "yaml": "symbols: [[R1, 'Device:R', 10k]]\nlabels: [SDA]",
    "schematic": '(kicad_sch (symbol "R1" "Device:R" "10k") (label "SDA"))',
}
ALIASES = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
)
LABELS = [f"N{i}" for i in range(20_000)]
# Scored as invalid by every task.
REFUSED = {
    "10 MB": "R, " * 3_400_000,
    "NUL": "R\0, C",
    "unpaired surrogate": "R\ud800, C",
    "blank": " \n" * 500_000,
}
# Each is whatever the task makes of it.
JUDGED = {
    "alias bomb": ALIASES,
    "10,000 deep": '{"a":' * 10_000,
    "10,000 lists": "[" * 10_000 + "]" * 10_000,
    "10,000 brackets": "(kicad_sch " + "(" * 10_000 + ")" * 10_001,
    "one long name": "x" * 1_000_000,
    "one name of separators": "a" + "_-. " * 100_000 + "b",
    "combining marks": "a" + "\u0301" * 100_000,
    "loop": "R, " * 100_000,
    "many names": ", ".join(LABELS),
    "many labels": json.dumps({"labels": LABELS}),
    "many nodes": "(kicad_sch " + "".join(f'(label "{name}")' for name in LABELS) + ")",
    "mark-up": "<script>" * 20_000 + "]]>-->" * 20_000,
}
TEXTS = {**REFUSED, **JUDGED}


def rows(name: str, answers: list[str]) -> list[PredictionRow]:
    return [
        prediction_row(
            task(name),
            {"id": f"{i:02}", "name": "o/r", "prompt": "", "target": TARGETS[name]},
            ModelAnswer(answer, 9, "length"),
        )
        for i, answer in enumerate(answers)
    ]


@pytest.mark.parametrize("name", TARGETS)
def test_every_hostile_answer_goes_through_all_measures(tmp_path: Path, name: str) -> None:
    picture = io.BytesIO()
    Image.new("L", (9, 9)).save(picture, "PNG")
    tuned, baseline = rows(name, list(TEXTS.values())), rows(name, [TARGETS[name]] * len(TEXTS))
    schematics = {row.id: "(kicad_sch)" for row in tuned} if has_nets(name, "verbatim") else None
    before, after = (
        score(
            side, task=task(name), train_items=[Counter()], printed={}, bootstrap_samples=20, seed=1,
            schematics=schematics,
        )
        for side in (baseline, tuned)
    )  # fmt: skip
    after["gain"] = gain(tuned, baseline, task=task(name), bootstrap_samples=20, seed=1)
    write_plots(tmp_path, baseline, tuned, task(name), before=before, after=after, calibration=Calibration())
    page = report_page(
        before=before, after=after, baseline=baseline, tuned=tuned, plots=tmp_path,
        picture=lambda _: picture.getvalue(), task=task(name),
    )  # fmt: skip
    assert len(page.encode()) < 1_000_000
    assert all(path.stat().st_size < 100_000 for path in tmp_path.iterdir())
    numbers = [
        v for value in after.values() for v in (value.values() if isinstance(value, dict) else [value])
    ]
    assert all(math.isfinite(number) for number in numbers)
    assert [row.f1 for row in tuned[: len(REFUSED)]] == [0.0] * len(REFUSED)
    assert isinstance(after["answers"], dict)
    assert after["answers"]["invalid"] >= len(REFUSED) / len(TEXTS)


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("name", TARGETS)
def test_these_are_invalid_for_every_task(name: str, text: str) -> None:
    parsed = task(name).parse(REFUSED[text])
    assert not parsed.valid and not parsed.items

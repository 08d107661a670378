"""The report as a browser reads it, with answers that try to get out of their place."""

from __future__ import annotations

import base64
import io
import os
import re
from collections import Counter
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

from PIL import Image

from schematic_reader.report import gallery, pictures, svg
from schematic_reader.report import page as report
from schematic_reader.report.page import report_page
from schematic_reader.report.plots import write_plots
from schematic_reader.scoring.confidence import Calibration
from schematic_reader.scoring.metrics import gain, score
from schematic_reader.scoring.predictions import PredictionRow, prediction_row
from schematic_reader.tasks import task
from schematic_reader.tasks.contract import ModelAnswer

COMPONENTS = task("components")
EVIL = [
    "<script>document.title='owned'</script>",
    "</script></title><script>document.title='owned'//",
    '"><img src=x onerror=alert(1)>',
    "</pre></style></article>",
    "&lt;b&gt;",
    "\u202egnirts",
]


def png(size: tuple[int, int], data: bytes | None = None) -> bytes:
    image = Image.frombytes("RGB", size, data) if data else Image.new("RGBA", size, (0, 0, 0, 0))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def row(i: int, target: str, prediction: str, finish: str = "stop") -> PredictionRow:
    return prediction_row(
        COMPONENTS,
        {"id": f"{i:02}", "name": f"<i>o</i>/{i}", "prompt": "", "target": target},
        ModelAnswer(prediction, 9, finish, [len(prediction)], [0.8]),
    )


def page(folder: Path, tuned: list[PredictionRow]) -> str:
    baseline = [row(int(one.id), one.target, "R") for one in tuned]
    measured = {
        name: score(
            side, task=COMPONENTS, train_items=[Counter(["R"])], printed={}, bootstrap_samples=20, seed=1
        )
        for name, side in (("before", baseline), ("after", tuned))
    }
    control = {"sheets": 2, "precision": 0.5, "recall": 0.5, "f1": 0.5, "unchanged": 0.25}
    gains = {"image_gain": 0.1, "image_gain_low": -0.1, "image_gain_high": 0.3}
    measured["after"]["no_image"] = control | gains
    measured["after"]["confidence"] = {"raw_ece": 0.25, "ece": 0.125}
    measured["before"]["prior"] = {"k": 2, "precision": 0.5, "recall": 0.5, "f1": 0.5}
    measured["after"]["gain"] = gain(tuned, baseline, task=COMPONENTS, bootstrap_samples=20, seed=1)
    write_plots(folder, baseline, tuned, COMPONENTS, **measured, calibration=Calibration())
    (folder / "train.tsv").write_text("step\tloss\n1\t6.5\n10\t2.5\n20\t1.25\n")
    (folder / "validation.tsv").write_text("step\tloss\n0\t7.0\n20\t1.5\n")
    return report_page(
        **measured, baseline=baseline, tuned=tuned, plots=folder, picture=lambda _: png((60, 40)),
        task=COMPONENTS,
    )  # fmt: skip


HOSTILE = [row(i, "R, C, GND", ", ".join(["R", "LED", *EVIL])) for i in range(5)]


class Read(HTMLParser):
    """The tags with their attributes and the text of a page, as Python's parser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def flat(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())


def test_what_a_model_says_stays_text_and_nothing_is_fetched(tmp_path: Path) -> None:
    read = Read(page(tmp_path, HOSTILE))
    names = {tag for tag, _ in read.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "base", "form", "a"}
    attributes = [(key, value or "") for _, attrs in read.tags for key, value in attrs.items()]
    assert not [key for key, _ in attributes if key.startswith("on") or key in ("href", "srcdoc", "style")]
    assert {value[:23] for key, value in attributes if key == "src"} == {"data:image/webp;base64,"}
    for text in EVIL[:-1]:
        assert text in read.text
    assert "\u202e" not in read.text
    assert "url(" not in read.text and "@import" not in read.text
    assert "<i>o</i>/1" in read.text


def test_right_missed_and_invented_are_marked(tmp_path: Path) -> None:
    text = page(tmp_path, [row(1, "R, C, GND", "R, LED")])
    card = text[text.index("<article") :]
    marked = [(kind, unescape(name)) for kind, name in re.findall(r'<li class="(\w+)">([^<]*)</li>', card)]
    assert marked == [
        ("right", "R"), ("missed", "C"), ("missed", "GND"), ("right", "R"), ("invented", "LED")
    ]  # fmt: skip
    assert "F1 0.400" in card and "baseline F1 0.500" in flat(card)
    assert "0.250 raw, 0.125 calibrated." in text
    assert "by +0.100 (-0.100 to +0.300); without it the answer is unchanged on 25 % of" in flat(text)


def test_faults_of_an_answer_are_told(tmp_path: Path) -> None:
    text = page(tmp_path, [row(1, "R", "", "length")])
    assert "does not parse (empty)" in text and "truncated at the limit of tokens" in text


def test_best_median_and_worst_are_shown_once() -> None:
    sheets = [row(i, "R, C, L, D, U", ", ".join("RCLDU"[: i % 6]) + ", X") for i in range(12)]
    found = gallery.chosen(sheets)
    f1 = {title: [sheets[i].f1 for i in numbers] for title, numbers in found.items()}
    assert [len(numbers) for numbers in found.values()] == [3, 3, 3]
    assert min(f1["Best"]) >= max(f1["Median"]) >= min(f1["Median"]) >= max(f1["Worst"])
    assert f1["Best"][0] == max(one.f1 for one in sheets) and f1["Worst"][-1] == 0.0
    few = gallery.chosen(sheets[:4])
    assert sorted(i for numbers in few.values() for i in numbers) == [0, 1, 2, 3]


def test_the_page_stays_under_10_mb(tmp_path: Path) -> None:
    names = ", ".join(f"{'<&' * 100}{i}" for i in range(3_000))
    sheets = [row(i, names, names[::-1] if i % 2 else "&" * 700_000) for i in range(9)]
    encoded = 9 * pictures.MAX_PICTURE_BYTES * 4 // 3
    assert len(page(tmp_path, sheets).encode()) + encoded < 10_000_000


def test_a_picture_is_shrunk_until_it_fits() -> None:
    noise = Image.frombytes("L", (1500, 1100), os.urandom(1500 * 1100))
    out = io.BytesIO()
    noise.save(out, "PNG")
    uri = pictures.picture_uri(out.getvalue())
    assert len(uri) <= pictures.MAX_PICTURE_BYTES * 4 / 3 + 40
    small = pictures.picture_uri(png((60, 40)))
    picture = Image.open(io.BytesIO(base64.b64decode(small.partition(",")[2])))
    assert (picture.size, picture.convert("RGB").getpixel((3, 3))) == ((60, 40), (255, 255, 255))


def test_lines_by_hand() -> None:
    """Axes end at round values: 0.25 is an eighth of 2 up, 7 is seven eighths of 8 to the right."""
    text = svg.lines({"a": [(0, 0.0), (7, 0.25)], "b": [(3.5, 2.0)]}, "c", x="x<y", y="loss", diagonal=True)
    left, width, bottom, height = 48.0, 320.0, 186.0, 176.0
    assert (
        f'<polyline class="l0" points="{left},{bottom} {left + width * 7 / 8},{bottom - height / 8}"/>'
        in text
    )
    assert f'cx="{left + width * 3.5 / 8}" cy="{bottom - height}"' in text
    assert "x&lt;y" in text and 'class="grid ideal"' in text and "<title>a: 7, 0.250</title>" in text
    assert svg.lines({"a": []}, "c", x="x", y="y") == '<p class="note">c: none.</p>'


def test_loss_and_reliability_are_drawn_and_a_missing_curve_is_left_out(tmp_path: Path) -> None:
    text = page(tmp_path, HOSTILE)
    assert "<title>training: 10, 2.500</title>" in text and "<title>validation: 20, 1.500</title>" in text
    # One token a sheet: each of its names is as sure, and one of eight is right.
    assert "<title>raw: 0.8, 0.125</title>" in text
    for name in ("train", "validation"):
        (tmp_path / f"{name}.tsv").unlink()
    assert "Loss by step: none." in "".join(chart for _, chart in report._charts(tmp_path))

"""Report, comparison and data as Chromium lays them out, with texts that try to get out of their place."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from schematic_reader.report.comparison import compare, comparison_page
from tests.unit.report.test_comparison import evaluated
from tests.unit.report.test_data_page import build as build_data
from tests.unit.report.test_data_page import page as data_page_of
from tests.unit.report.test_page import EVIL, HOSTILE, page, png


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, False), (1280, True)])
def test_in_a_browser(tmp_path: Path, width: int, dark: bool) -> None:
    found = seen(tmp_path, page(tmp_path, HOSTILE), width=width, dark=dark)
    assert found == {
        "width": width, "overflow": 0, "scripts": 0, "title": "Schematic reader: components", "dark": dark,
        "pictures": [60] * 5, "charts": 9, "invented": found["invented"],
    }  # fmt: skip
    assert found["invented"] >= 6


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_a_comparison_in_a_browser(tmp_path: Path, width: int, dark: bool) -> None:
    before = evaluated("<script>document.title='owned'</script>" * 9, ["R"] * len(EVIL))
    after = evaluated("x" * 200, [f"R, {text}{'x' * 200}" for text in EVIL])
    compared = compare(before, after, bootstrap_samples=20, seed=1)
    found = seen(tmp_path, comparison_page(compared, lambda _: png((60, 40))), width=width, dark=dark)
    assert (found["width"], found["overflow"], found["scripts"], found["dark"]) == (width, 0, 0, dark)
    assert found["pictures"] == [60] * len(compared.changed) and found["title"] != "owned"
    assert found["invented"] >= 1


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, False), (1280, True)])
def test_the_data_in_a_browser(data: Path, tmp_path: Path, width: int, dark: bool) -> None:
    found = seen(tmp_path, data_page_of(data), width=width, dark=dark)
    assert (found["width"], found["overflow"], found["scripts"], found["dark"]) == (width, 0, 0, dark)
    assert found["title"] == "The data: components" and found["charts"] == 4
    assert len(found["pictures"]) == 14 and all(found["pictures"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_data(tmp_path_factory.mktemp("data"))


def seen(folder: Path, text: str, *, width: int, dark: bool) -> dict[str, Any]:
    """Chromium lays the page out in a frame of that width and tells what became of it."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    probe = """
      const d = document.querySelector("iframe").contentDocument, root = d.documentElement;
      const colour = getComputedStyle(d.body).backgroundColor.match(/\\d+/g).map(Number);
      document.title = JSON.stringify({
        width: root.clientWidth, overflow: root.scrollWidth - root.clientWidth,
        scripts: d.scripts.length, title: d.title, dark: colour[0] < 128,
        pictures: [...d.images].map(image => image.naturalWidth),
        charts: d.querySelectorAll("svg.chart").length,
        invented: d.querySelectorAll("article:first-of-type li.invented").length,
      });"""
    frame = f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{escape(text)}">'
    outer = folder / "outer.html"
    outer.write_text(f"<!doctype html>{frame}</iframe><script>onload = () => {{{probe}}}</script>")
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update",
        "--disable-sync", "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000", "--virtual-time-budget=4000",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--dump-dom", outer.as_uri(),
    ]  # fmt: skip
    done = subprocess.run([browser, *flags], capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None, done.stdout[:500]
    found: dict[str, Any] = json.loads(unescape(title[1]))
    return found

"""The report as Chromium lays it out, with answers that try to get out of their place."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest

from tests.unit.report.test_page import HOSTILE, page


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, False), (1280, True)])
def test_in_a_browser(tmp_path: Path, width: int, dark: bool) -> None:
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
    frame = (
        f'<iframe style="width:{width}px;height:900px;border:0" srcdoc="{escape(page(tmp_path, HOSTILE))}">'
    )
    outer = tmp_path / "outer.html"
    outer.write_text(f"<!doctype html>{frame}</iframe><script>onload = () => {{{probe}}}</script>")
    flags = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update",
        "--disable-sync", "--hide-scrollbars",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,1000", "--virtual-time-budget=4000",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}", "--dump-dom", outer.as_uri(),
    ]  # fmt: skip
    done = subprocess.run([browser, *flags], capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None, done.stdout[:500]
    found = json.loads(unescape(title[1]))
    assert found == {
        "width": width, "overflow": 0, "scripts": 0, "title": "Schematic reader: components", "dark": dark,
        "pictures": [60] * 5, "charts": 9, "invented": found["invented"],
    }  # fmt: skip
    assert found["invented"] >= 6

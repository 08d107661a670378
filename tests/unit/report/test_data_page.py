"""The page about the data, made of rows that try to get out of their place."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from schematic_reader.cleaning.clean_to_parquet import clean_to_parquet
from schematic_reader.cli import UserError
from schematic_reader.config import Clean, ImageLimits, Params, load_params
from schematic_reader.io.tables import SPLITS, read_messages
from schematic_reader.report import data_facts, data_page
from schematic_reader.report.data_facts import NO_TEXT, paper_of, sheet_facts, text_pixels
from schematic_reader.tasks.build_messages import build_messages
from tests.support.paths import ROOT
from tests.support.raw_rows import png, raw_row, write_raw
from tests.unit.report.test_page import EVIL

SHEETS = 40
CLEAN = Clean(
    max_pixels=10**6, max_text_chars=10**5, mismatch="keep", validation=0.2, test=0.2, rows_per_part=25
)


def params() -> Params:
    found = load_params(ROOT / "params.yaml")
    sample = found.profiles["sample"]
    model = replace(sample.model, base=str(ROOT / "models" / "tiny"))
    return replace(found, profiles={**found.profiles, "sample": replace(sample, model=model)})


def hostile(number: int) -> dict[str, Any]:
    evil = EVIL[number % len(EVIL)]
    placed = "".join(f'(symbol (lib_id "Device:R") (at {x} 1))' for x in range(number))
    return raw_row(
        number,
        name=f"{evil}/{number}",
        components_used=["R", f"{evil}{number}", "GND"],
        schematic=f'(kicad_sch (paper "A4") (generator "{number}") {placed})',
        image=png(number, (297, 210)),
        type=evil,
    )


def build(folder: Path) -> Path:
    """Clean rows, message rows and the record of cleaning, of good rows, twins and damaged ones."""
    twin = [
        raw_row(
            0,
            name=f"twins/{name}",
            schematic=f'(kicad_sch (paper "A3") (text "{name}") '
            + "".join(f'(symbol (lib_id "Device:R{n}") (property "Value" "{n} k"))' for n in range(12))
            + ")",
            json=None,
            components_used=[f"R{n}" for n in range(12)],
            image=png(200 + number, (420, 297)),
        )
        for number, name in enumerate(("one", "other"))
    ]
    lost = [raw_row(300 + n, name=f"{EVIL[n]}/lost", components_used=[]) for n in range(5)]
    corrupt = [raw_row(400, image=b"\x89PNG", name="b" * 5_000)]
    rows = [*map(hostile, range(SHEETS)), *twin, *lost, *corrupt]
    clean_to_parquet(
        write_raw(folder / "raw", [rows[:20], rows[20:]]),
        folder / "clean",
        CLEAN,
        workers=1,
        examples=folder / "cleaning.json",
    )
    found = params()
    build_messages(
        folder / "clean", folder / "messages", "components", found.messages, found.active.image, workers=1
    )
    return folder


def page(folder: Path, chosen: Params | None = None) -> str:
    return data_page.data_page(
        folder / "clean", folder / "messages", folder / "cleaning.json", chosen or params(), workers=1
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("data"))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_nothing_of_the_data_is_markup(data: Path) -> None:
    text = page(data)
    tags = _Tags()
    tags.feed(text)
    assert not {"script", "iframe", "object", "link"} & {tag for tag, _ in tags.found}
    assert not [name for _, attrs in tags.found for name in attrs if name.startswith("on")]
    pictures = [str(attrs["src"]) for tag, attrs in tags.found if tag == "img"]
    assert len(pictures) == 12 + 2 and all(src.startswith("data:image/webp;base64,") for src in pictures)
    assert "owned" in unescape(text) and "\u202e" not in text
    assert text.count("</html>") == text.count("</body>") == 1


def test_the_same_data_give_the_same_bytes(data: Path, tmp_path: Path) -> None:
    again = page(build(tmp_path))
    assert again == page(data)
    assert str(data) not in again and len(again.encode()) < 10_000_000


def test_dropped_rows_with_three_examples_of_each_reason(data: Path) -> None:
    record = json.loads((data / "cleaning.json").read_text())
    assert (record["rows_read"], record["rows_kept"]) == (SHEETS + 8, SHEETS + 2)
    assert {reason: found["rows"] for reason, found in record["dropped"].items()} == {
        "no_components": 5,
        "image_corrupt": 1,
    }
    shard = "shard-00001.parquet"
    assert record["dropped"]["no_components"]["examples"] == [
        {"shard": shard, "row": 22 + n, "name": f"{EVIL[n]}/lost"} for n in range(3)
    ]
    (corrupt,) = record["dropped"]["image_corrupt"]["examples"]
    assert (corrupt["row"], len(corrupt["name"])) == (27, 200)
    assert re.search(r"<td>no components</td><td>5</td>", page(data))


def test_near_duplicates_stand_side_by_side(data: Path) -> None:
    record = json.loads((data / "cleaning.json").read_text())
    (pair,) = record["near_duplicates"]
    rows = {row["id"]: row["name"] for split in SPLITS for row in read_messages(data / "messages", split)}
    assert [rows[id] for id in pair["ids"]] == ["twins/one", "twins/other"]
    assert pair["tied_by"] == "signature"
    (shown,) = re.findall(r'<div class="pair">.*?</div>', page(data), re.DOTALL)
    assert shown.count("<figure>") == 2 and "the same structure" in shown


def test_chats_show_their_tokens(data: Path) -> None:
    text = page(data)
    chats = re.findall(r'<pre class="tokens">(.*?)</pre>', text, re.DOTALL)
    rows = sorted(read_messages(data / "messages", "train"), key=lambda row: row["id"])[:12]
    for chat, row in zip(chats, rows, strict=True):
        plain = unescape(re.sub(r"<[^>]*>", "", chat)).replace("↵", "")
        learned = "".join(re.findall(r'<b class="[^"]* y">(.*?)</b>', chat, re.DOTALL))
        hidden = row["target"].replace("\u202e", "\ufffd")
        assert unescape(learned) == f"{hidden}<|im_end|>"
        assert plain.endswith(unescape(learned)) and plain.startswith("<|im_start|>user\n")


def test_without_a_tokenizer_the_page_says_so(data: Path) -> None:
    found = params()
    profile = found.profiles["sample"]
    model = replace(profile.model, base="nobody/model-of-no-one")
    text = page(data, replace(found, profiles={"sample": replace(profile, model=model)}))
    assert "nobody/model-of-no-one has no tokenizer.json on this machine" in text
    assert '<pre class="tokens">' not in text and text.count("<h5>Target</h5>") == 12


def test_a_record_that_is_missing_or_damaged(data: Path, tmp_path: Path) -> None:
    for name in ("clean", "messages"):
        shutil.copytree(data / name, tmp_path / name)
    with pytest.raises(UserError, match=r"cleaning.json is missing: run `dvc repro clean-to-parquet`"):
        page(tmp_path)
    for text in (
        "{}",
        '{"rows_read": 1, "rows_kept": 1, "dropped": 3, "near_duplicates": []}',
        '{"rows_read": 1, "rows_kept": 1, "dropped": {}, "near_duplicates": [1]}',
    ):
        (tmp_path / "cleaning.json").write_text(text)
        with pytest.raises(UserError, match="cleaning.json lacks a part"):
            page(tmp_path)


def test_paper_and_height_of_text() -> None:
    wide = ImageLimits(max_side=1024, max_pixels=10**6, tiles=1)
    assert paper_of('(kicad_sch (paper "A4" portrait)') == ("A4 portrait", (210.0, 297.0))
    assert paper_of('(paper "User" 169.3 118.5)') == ("169.3 x 118.5 mm", (169.3, 118.5))
    for text in ("", '(paper "User")', '(paper "A9")', '(paper "User" 0 4)', '(paper "User" . 4)'):
        assert paper_of(text) == (NO_TEXT, None)
    assert text_pixels((297, 210), 1123, 794, wide) == pytest.approx(1.27 * 1024 / 297)
    assert text_pixels((297, 210), 297, 210, wide) == pytest.approx(1.27)
    assert text_pixels((297, 210), 600, 600, wide) is None
    row = {"id": "a", "name": " O/B ", "components": ["R"], "width": 1123, "height": 794}
    text = '(kicad_sch (paper "A3") (symbol (lib_id "R")) (symbol (lib_name "x") (lib_id "R")))'
    facts = sheet_facts({**row, "schematic": text}, wide)
    assert (facts.paper, facts.symbols, facts.repository) == ("A3", 2, "o/b")
    assert data_facts.too_small([facts]) == 1
    blind = sheet_facts({**row, "schematic": None}, wide)
    assert (blind.paper, blind.symbols, blind.text_px) == (NO_TEXT, None, None)
    assert data_facts.papers([facts, blind, blind]) == [(NO_TEXT, 2), ("A3", 1)]
    assert data_facts.symbol_bins([facts, blind]) == [("1 to 4", 1)]
    assert data_facts.text_bins([facts, blind]) == [("3 to 4 px", 1)]


def test_cut_sheets_have_the_height_of_text_of_their_tiles() -> None:
    whole, cut = (ImageLimits(max_side=640, max_pixels=10**6, tiles=tiles) for tiles in (1, 12))
    small, large = (text_pixels((420, 297), 1588, 1123, limits) for limits in (whole, cut))
    assert small == pytest.approx(1.27 * 640 / 420)
    assert large is not None and large > 1.5 * small


def test_the_long_tail_and_quantiles() -> None:
    counts = {"a": 1, "b": 1, "c": 2, "d": 4, "e": 100, "f": 200}
    assert data_facts.long_tail(counts) == [
        ("1", 2, 2 / 6, 2 / 308),
        ("2", 1, 1 / 6, 2 / 308),
        ("3 to 4", 1, 1 / 6, 4 / 308),
        ("5 to 10", 0, 0, 0),
        ("11 to 100", 1, 1 / 6, 100 / 308),
        ("101 and more", 1, 1 / 6, 200 / 308),
    ]
    assert data_facts.quantiles(list(range(100, 0, -1))) == {"median": 50, "p90": 90, "max": 100}
    assert data_facts.quantiles([7]) == {"median": 7, "p90": 7, "max": 7}
    assert data_facts.quantiles([]) == {"median": 0, "p90": 0, "max": 0}


def test_names_that_training_does_not_have() -> None:
    def fact(*names: str) -> data_facts.SheetFacts:
        return data_facts.SheetFacts("", "", names, "", None, None)

    found = data_page._names(
        {
            "train": [fact("R"), fact("R", "C")],
            "validation": [fact("R")],
            "test": [fact("R", "X"), fact("X", "Y")],
        }
    )
    assert found["distinct"] == 4
    assert found["unseen"] == [
        {"split": "validation", "names": 0, "share": 0, "uses": 0, "examples": []},
        {"split": "test", "names": 2, "share": 2 / 3, "uses": 3 / 4, "examples": ["X", "Y"]},
    ]


def test_sheets_that_are_cut_show_a_tile(tmp_path: Path) -> None:
    limits = ImageLimits(max_side=216, max_pixels=216 * 216, tiles=12)
    found = params()
    profile = replace(found.profiles["sample"], image=limits)
    found = replace(found, profiles={"sample": profile})
    placed = '(symbol (lib_id "Device:R") (at 50 60 0) (unit 1) (property "Reference" "R1" (at 50 60 0)))'
    rows = [
        raw_row(
            number,
            schematic=f'(kicad_sch (version 20231120) (generator "{number}") (paper "A4") {placed})',
            components_used=["R"],
            image=png(number, (594, 420)),
        )
        for number in range(20)
    ]
    raw = write_raw(tmp_path / "raw", [rows])
    clean_to_parquet(raw, tmp_path / "clean", CLEAN, workers=1, examples=tmp_path / "cleaning.json")
    messages = (tmp_path / "messages", "components", found.messages, limits)
    build_messages(tmp_path / "clean", *messages, workers=1)
    every = read_messages(tmp_path / "messages", "train", tiles=True)
    tiles = [row for row in every if row["tile"] is not None]
    text = page(tmp_path, found)
    assert len(tiles) > 12 * 4 and f"<td>train, tiles</td><td>{len(tiles)}</td>" in text
    assert f"<td>train, sheets</td><td>{len(every) - len(tiles)}</td>" in text
    shown = re.findall(r"pixels, tile (\d+)</p>", text)
    assert len(shown) == min(12, len(every) - len(tiles)) and len(set(shown)) > 2

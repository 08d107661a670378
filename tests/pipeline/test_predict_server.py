"""The page on which sheets are dropped: its answers, what it refuses, and how it looks in a browser."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from schematic_reader.cli import UserError
from schematic_reader.config import ImageLimits, Model, load_params
from schematic_reader.io.tiles import tiling
from schematic_reader.predict import dropped_files, server
from schematic_reader.predict.kicad_file import ReadKicad, read_kicad
from schematic_reader.predict.loading import load_reader
from schematic_reader.predict.model_source import ModelSource
from schematic_reader.predict.opened_sheet import SheetLimits, render_scale
from schematic_reader.predict.server import application, is_loopback
from schematic_reader.predict.sheet_reader import SheetReader
from schematic_reader.scoring.confidence import Calibration
from schematic_reader.synthetic.sample import make_row
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import ModelAnswer
from tests.support.browser import Tab, open_tab
from tests.support.foreign_files import BAD, SVG, picture
from tests.support.kicad_projects import placed, sheet
from tests.support.paths import ROOT

PARAMS = load_params(ROOT / "params.yaml")
LIMITS = SheetLimits(ImageLimits(256, 65_536), PARAMS.clean.max_pixels, render_scale(PARAMS))
TINY = ROOT / "models" / "tiny"
Client = TestClient[Any, Any]


@pytest.fixture(scope="module")
def reader() -> SheetReader:
    """Reads with the small base model as it is."""
    model = Model(
        base=str(TINY), revision=None, dtype="float32", matmul="highest", device="cpu", batch_size=4
    )
    return load_reader(ModelSource(TINY, model, True, None), "components", PARAMS)


def waiting_reader(gate: threading.Event) -> SheetReader:
    """Names one hostile part on every sheet, once the gate is open."""

    def ask(_sheets: Any, rows: list[dict[str, Any]], /) -> list[ModelAnswer]:
        gate.wait(30)
        name = "<img src=x onerror=alert(1)>"
        return [ModelAnswer(name, 2, "stop", [5, len(name)], [0.5, 0.5]) for _ in rows]

    return SheetReader(ask, task_named("components"), PARAMS.messages, None)


def with_client(
    reader: SheetReader,
    test: Callable[[Client], Awaitable[None]],
    kicad: ReadKicad | None = None,
    limits: SheetLimits = LIMITS,
) -> None:
    """Run ``test`` against the page on a loopback port."""

    async def run() -> None:
        app = application(reader, limits, "127.0.0.1", kicad)
        async with TestClient(TestServer(app, host="127.0.0.1")) as client:
            await test(client)

    asyncio.run(run())


def form(*files: tuple[str, bytes]) -> aiohttp.FormData:
    made = aiohttp.FormData()
    for name, data in files:
        made.add_field("file", data, filename=name)
    return made


OPEN = threading.Event()
OPEN.set()


def test_sheets_and_what_is_wrong_with_the_others() -> None:
    async def test(client: Client) -> None:
        files = (("a.png", picture()), ("b.pdf", BAD["locked.pdf"][0]), ("c.png", picture("WEBP")))
        answer = await client.post("/read", data=form(*files))
        found = await answer.json()
        assert answer.status == 200
        assert [sheet["name"] for sheet in found["sheets"]] == ["a.png", "c.png"]
        assert found["errors"] == ["b.pdf: the PDF is encrypted: save it without a password"]
        assert all(sheet["picture"].startswith("data:image/png;base64,") for sheet in found["sheets"])
        rows = list(csv.reader(found["csv"].splitlines()))
        assert rows[1] == ["<img src=x onerror=alert(1)>", "other", "a.png; c.png", "0.500"]

    with_client(waiting_reader(OPEN), test)


def test_it_answers_to_its_own_address_alone() -> None:
    async def test(client: Client) -> None:
        own = f"127.0.0.1:{client.port}"
        for headers, status in (
            ({}, 200),
            ({"Host": f"localhost:{client.port}"}, 200),
            ({"Host": "evil.example"}, 403),  # a name that was made to lead here
            ({"Origin": f"http://{own}"}, 200),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": f"http://localhost:{client.port}"}, 403),
        ):
            answer = await client.get("/", headers=headers)
            assert answer.status == status, headers
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        posted = await client.post(
            "/read", data=form(("a.png", picture())), headers={"Origin": "http://x.example"}
        )
        assert posted.status == 403

    with_client(waiting_reader(OPEN), test)


def test_other_paths_methods_and_bodies_are_refused() -> None:
    async def test(client: Client) -> None:
        assert (await client.get("/../params.yaml")).status == 404
        assert (await client.get("/page.css")).status == 200
        assert (await client.get("/read")).status == 405
        assert (await client.post("/read", json={})).status == 415
        assert (
            await client.post("/read", data=b"x", headers={"Content-Type": "multipart/form-data"})
        ).status == 400
        empty = await (await client.post("/read", data=form(("", b"")))).json()
        assert empty["sheets"] == [] and empty["csv"] is None

    with_client(waiting_reader(OPEN), test)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Host": "["}, b"", 400),
        ({"Host": "a\u2100b"}, b"", 400),  # which Python's parser refuses too
        ({"Origin": "http://[::1"}, b"", 400),
        ({"Content-Encoding": "gzip", "Content-Type": "multipart/form-data; boundary=x"}, b"no gzip", 400),
        # A part of such a form can declare a length below 0, by which all of it would be read at once.
        (
            {"Content-Type": "multipart/mixed; boundary=x"},
            b"--x\r\nContent-Disposition: form-data; filename=a\r\nContent-Length: -5\r\n\r\n0\r\n--x--\r\n",
            415,
        ),
    ],
)
def test_a_malformed_request_is_refused_without_a_traceback(
    caplog: pytest.LogCaptureFixture, headers: dict[str, str], body: bytes, status: int
) -> None:
    async def test(client: Client) -> None:
        answer = await client.post("/read", data=body, headers=headers)
        assert answer.status == status
        assert list(await answer.json()) == ["error"]

    with_client(waiting_reader(OPEN), test)
    assert "the page failed" not in caplog.text


def test_uploads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_UPLOAD", 2_000_000)

    async def in_pieces() -> Any:
        """A form of unknown length, so that its bytes are counted as they come."""
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        for _ in range(300):
            yield b"0" * 10_000

    async def test(client: Client) -> None:
        for files in ([("a", b"0" * 2_200_000)], [("a", b"0" * 1_500_000), ("b", b"0" * 600_000)]):
            answer = await client.post("/read", data=form(*files))
            assert (answer.status, (await answer.json())["error"][:9]) == (413, "over 2 MB")
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        assert (await client.post("/read", data=in_pieces(), headers=headers)).status == 413
        many = await client.post("/read", data=form(*[("a.png", picture())] * 21))
        assert (many.status, (await many.json())["error"][:13]) == (413, "over 20 files")

    with_client(waiting_reader(OPEN), test)


def test_more_uploads_than_can_wait_are_told_to_come_back() -> None:
    gate = threading.Event()

    async def test(client: Client) -> None:
        send = partial(client.post, "/read")
        first = [asyncio.create_task(send(data=form(("a.png", picture())))) for _ in range(server.MAX_QUEUED)]
        await asyncio.sleep(0.5)
        late = await send(data=form(("b.png", picture())))
        assert (late.status, (await late.json())["error"][:4]) == (503, "busy")
        gate.set()
        assert [answer.status for answer in await asyncio.gather(*first)] == [200] * server.MAX_QUEUED
        assert (await send(data=form(("c.png", picture())))).status == 200

    with_client(waiting_reader(gate), test)


def test_stalled_uploads_lock_nobody_out_and_end_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "UPLOAD_SECONDS", 1.5)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}

    async def stalled() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
        await asyncio.sleep(30)

    async def test(client: Client) -> None:
        slow = [
            asyncio.create_task(client.post("/read", data=stalled(), headers=headers))
            for _ in range(server.MAX_UPLOADING - 1)
        ]
        await asyncio.sleep(0.5)
        assert (await client.post("/read", data=form(("a.png", picture())))).status == 200
        answers = await asyncio.gather(*slow)
        assert {answer.status for answer in answers} == {408}
        assert (await answers[0].json())["error"].startswith("not whole after 2 seconds")
        assert (await client.post("/read", data=form(("a.png", picture())))).status == 200

    with_client(waiting_reader(OPEN), test)


def test_an_upload_has_so_many_sheets_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropped_files, "MAX_SHEETS", 4)
    frames = [Image.new("1", (64, 64), 1) for _ in range(3)]
    for number, frame in enumerate(frames):
        frame.paste(0, (number, 5, 40, 30))
    tiff = io.BytesIO()
    frames[0].save(tiff, "TIFF", save_all=True, append_images=frames[1:])

    async def test(client: Client) -> None:
        files = [
            ("a.tif", tiff.getvalue()),
            ("b.tif", tiff.getvalue()),
            ("c.png", picture()),
            ("d.png", picture()),
        ]
        found = await (await client.post("/read", data=form(*files))).json()
        assert [sheet["name"] for sheet in found["sheets"]] == [f"a.tif page {n}" for n in (1, 2, 3)] + [
            "c.png"
        ]
        assert [line[:20] for line in found["errors"]] == ["b.tif: over 4 sheets", "d.png: over 4 sheets"]

    with_client(waiting_reader(OPEN), test)


@pytest.mark.parametrize("size", [9_000, 100_000, 2_000_000])
def test_oversized_headers_of_a_part_are_a_bad_request(size: int) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="' + b"a" * size
    body += b'.png"\r\nX-More: ' + b"b" * size + b"\r\n\r\n0\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}

    async def test(client: Client) -> None:
        answer = await client.post("/read", data=body, headers=headers)
        assert (answer.status, await answer.json()) == (400, {"error": "the form is damaged"})

    with_client(waiting_reader(OPEN), test)


def test_an_error_has_the_security_headers_and_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: Any) -> list[ModelAnswer]:
        raise RuntimeError("a bug of ours")

    async def test(client: Client) -> None:
        failed = await client.post("/read", data=form(("a.png", picture())))
        assert failed.status == 500 and "bug" not in await failed.text()
        for answer in (failed, await client.get("/none"), await client.get("/read")):
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")

    with_client(SheetReader(fail, task_named("components"), PARAMS.messages, None), test)
    assert "a bug of ours" in caplog.text


def test_loopback() -> None:
    for host, here in (
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
    ):
        assert is_loopback(host) is here


@pytest.fixture
def sheets(tmp_path: Path) -> list[str]:
    """A generated sheet, a drawing whose name is markup, and a file that is no sheet."""
    row = make_row(5, 42, width=640, height=448)
    box = f'<svg {SVG} width="90" height="60"><rect width="30" height="30"/></svg>'.encode()
    files = {"5.png": row["image"]["bytes"], "<b>bold.svg": box, "text.png": b"not a picture"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return [str(tmp_path / name) for name in files]


@asynccontextmanager
async def open_page(client: Client, tmp_path: Path) -> AsyncIterator[Tab]:
    """A tab of desktop width with the page in it."""
    async with open_tab(tmp_path) as tab:
        await tab.call("Page.enable")
        await tab.look(width=1280, height=900, dark=False)
        await tab.call("Page.navigate", url=str(client.make_url("/")))
        await tab.until("location.port && document.readyState === 'complete'")
        yield tab


def test_in_a_browser(tmp_path: Path, reader: SheetReader, sheets: list[str]) -> None:
    """Files are dropped on the page, the parts stand beside the picture, and the CSV is downloaded."""

    async def test(client: Client) -> None:
        async with open_page(client, tmp_path) as tab:
            await drop(tab, sheets)
            await tab.until("document.querySelectorAll('article').length === 2")
            assert await tab.value("[...document.querySelectorAll('h2')].map(one => one.textContent)") == [
                "5.png", "<b>bold.svg",
            ]  # fmt: skip
            assert (await tab.value("document.querySelector('#errors li').textContent")).startswith(
                "text.png: no readable sheet"
            )
            assert await tab.value("[...document.images].map(one => one.naturalWidth)") == [256, 256]
            parts = await tab.value(
                "[...document.querySelectorAll('article')].map(one => [...one.querySelectorAll('tbody tr')]"
                ".map(row => [row.cells[0].textContent, parseInt(row.cells[2].textContent)]))"
            )
            assert parts[0] and all(0 <= percent <= 99 for sheet in parts for _, percent in sheet)
            await tab.call(
                "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "down")
            )
            await tab.value("document.getElementById('csv').click()")
            rows = list(csv.DictReader(await downloaded(tmp_path / "down" / "parts.csv")))
            assert {row["part"] for row in rows} == {name for sheet in parts for name, _ in sheet}
            for width, dark in ((1280, False), (390, False), (390, True)):
                await tab.look(width=width, height=900, dark=dark)
                assert await tab.value("document.documentElement.scrollWidth - innerWidth") <= 0
                colour = await tab.value("getComputedStyle(document.body).backgroundColor")
                assert (int(re.findall(r"\d+", colour)[0]) < 128) is dark
                await tab.screenshot(tmp_path / f"{width}-{dark}.png")
                assert (tmp_path / f"{width}-{dark}.png").stat().st_size > 5_000

    with_client(reader, test)


async def drop(tab: Tab, files: list[str]) -> None:
    x, y = await tab.value(
        "(box => [box.x + box.width / 2, box.y + box.height / 2])"
        "(document.getElementById('drop').getBoundingClientRect())"
    )
    data = {"items": [], "files": files, "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        await tab.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)


def test_a_hostile_answer_is_shown_as_text(tmp_path: Path, sheets: list[str]) -> None:
    async def test(client: Client) -> None:
        async with open_tab(tmp_path) as tab:
            await tab.call("Page.navigate", url=str(client.make_url("/")))
            await tab.until("location.port && document.readyState === 'complete'")
            await drop(tab, sheets[:1])
            await tab.until("document.querySelectorAll('article').length === 1")
            assert (
                await tab.value("document.querySelector('tbody td').textContent")
                == "<img src=x onerror=alert(1)>"
            )
            assert await tab.value("document.images.length") == 1
            name, answer, part = await tab.value(
                "show({calibrated: true, errors: ['\\u202ea'], sheets: [], task: 'yaml'}) ||"
                "[document.querySelector('#errors li').textContent, printable('a\\n\\u202e\\x9b', '\\n'),"
                " item('td', '\\u2066\\u03a9\\n').textContent]"
            )
            assert (name, answer, part) == ("\ufffda", "a\n\ufffd\ufffd", "\ufffd\u03a9\ufffd")

    with_client(waiting_reader(OPEN), test)


SYMBOLS = (
    *(("10k", f"R{number}") for number in (1, 2, 3, 12)), ("4k7 DNP", "R4"), ("<b>1k</b>", "R5"),
)  # fmt: skip


def structured_reader() -> SheetReader:
    """Gives the same resistors and a power symbol for every sheet; two of five such parts are right."""
    symbols = [[reference, "Device:R", value] for value, reference in SYMBOLS]
    text = json.dumps({"symbols": [*symbols, ["power:GND", "GND"]]}, separators=(",", ":"))
    answer = ModelAnswer(text, len(text), "stop", list(range(1, len(text) + 1)), [0.5] * len(text))

    def ask(_sheets: Any, rows: list[dict[str, Any]], /) -> list[ModelAnswer]:
        return [answer for _ in rows]

    parts = Calibration(((0.0, 0.4), (1.0, 0.4)), 5)
    return SheetReader(ask, task_named("json"), PARAMS.messages, Calibration(items=5, parts=parts))


def test_references_and_values_stand_beside_the_sheet(tmp_path: Path, sheets: list[str]) -> None:
    """Of a picture and of a KiCad file; the bill of materials of both is downloaded."""
    (tmp_path / "a.kicad_sch").write_text(sheet("r", placed("Device:R", "a", "R9", "1M", more="(dnp yes)")))
    read = partial(read_kicad, task=task_named("json"), form="compact")

    def beside(number: int) -> str:
        rows = f"document.querySelectorAll('article')[{number}].querySelectorAll('.bom tbody tr')"
        return f"[...{rows}].map(row => row.innerText)"

    async def test(client: Client) -> None:
        async with open_page(client, tmp_path) as tab:
            await drop(tab, [sheets[0], str(tmp_path / "a.kicad_sch")])
            await tab.until("document.querySelectorAll('article').length === 2")
            assert await tab.value(beside(0)) == [
                "R1-R3, R12\t10k\tR\t40 %\ndoubtful", "R4\t4k7 DNP\tR\t40 %\ndoubtful",
                "R5\t<b>1k</b>\tR\t40 %\ndoubtful",
            ]  # fmt: skip
            told = "document.querySelectorAll('.none:not([hidden])')"
            assert await tab.value(f"[...{told}].map(one => one.innerText.slice(0, 18))") == [
                "This does not look"
            ]
            assert await tab.value(beside(1)) == ["R9\t1M (DNP)\tR\tfrom the file"]
            assert await tab.value("[...document.querySelectorAll('details')].map(one => one.open)") == [
                False, False,
            ]  # fmt: skip
            assert await tab.value("document.getElementById('csv').hidden") is True
            downloads = {"behavior": "allow", "downloadPath": str(tmp_path / "down")}
            await tab.call("Browser.setDownloadBehavior", **downloads)
            await tab.value("document.getElementById('bom').click()")
            rows = list(csv.DictReader(await downloaded(tmp_path / "down" / "bom.csv")))
            columns = ("Reference", "Qty", "Doubtful", "DNP", "Sheet")
            assert [tuple(row[name] for name in columns) for row in rows] == [
                ("R1-R3, R12", "4", "doubtful", "", "5.png"), ("R4", "1", "doubtful", "DNP", "5.png"),
                ("R5", "1", "doubtful", "", "5.png"), ("R9", "1", "", "DNP", "a.kicad_sch"),
                ("", "", "doubtful", "", "5.png"),
            ]  # fmt: skip
            for width in (1280, 390):
                await tab.look(width=width, height=900, dark=width == 390)
                assert await tab.value("document.documentElement.scrollWidth - innerWidth") <= 0
                await tab.screenshot(tmp_path / f"bom-{width}.png")
                assert (tmp_path / f"bom-{width}.png").stat().st_size > 5_000
            blank = sheet("n").replace('"A4"', '"User" 50 50')
            (tmp_path / "blank.kicad_sch").write_text(blank)
            await drop(tab, [str(tmp_path / "blank.kicad_sch")])
            await tab.until("document.querySelectorAll('article').length === 1")
            assert await tab.value("document.querySelector('.picture').hidden") is True
            assert await tab.value("document.querySelector('img').hasAttribute('src')") is False

    with_client(structured_reader(), test, read)


def tiled_reader() -> SheetReader:
    """Finds a part of its own and the same power symbol in each tile, and the resistor R1 in two of them."""

    def ask(_sheets: Any, rows: list[dict[str, Any]], /) -> list[ModelAnswer]:
        answers = []
        for number in (row["tile"] for row in rows):
            entries = [[f"U{number}", "MCU", "chip"], ["power:GND", "GND"]]
            entries += [["R1", "Device:R", "1k"]] if number in (1, 2) else []
            text = json.dumps({"symbols": entries}, separators=(",", ":"))
            answers.append(ModelAnswer(text, len(text), "stop"))
        return answers

    messages = PARAMS.messages
    return SheetReader(ask, task_named("json"), messages, None, shown=task_named("components"))


def test_where_a_part_was_read_is_marked_on_the_picture(tmp_path: Path) -> None:
    """On a sheet of 2 x 2 tiles, by mouse and keyboard; the box is the core of the tile."""
    limits = SheetLimits(ImageLimits(648, 400_000, 4), 10_000_000, render_scale(PARAMS))
    sheet = Image.effect_noise((1000, 800), 90).convert("RGB")
    sheet.save(tmp_path / "a.png")
    cores = tiling(1000, 800, limits.image)
    assert cores is not None and (cores.scaled, cores.columns, cores.rows) == ((1000, 800), 2, 2)
    _, _, right, bottom = cores.core(0)
    boxes = "[...document.querySelectorAll('.place')].map(one => one.getBoundingClientRect())"
    share = (
        f"{boxes}.map(box => [box.left - image.left, box.top - image.top, box.right - image.left,"
        " box.bottom - image.top].map((length, side) =>"
        " Math.round(1000 * length / (side % 2 ? image.height : image.width))))"
    )
    marked = f"(image => {share})(document.querySelector('.picture').getBoundingClientRect())"
    row = "[...document.querySelectorAll('tr.placed')].find(row => row.cells[0].textContent === '{}')"

    async def test(client: Client) -> None:
        async with open_page(client, tmp_path) as tab:
            await drop(tab, [str(tmp_path / "a.png")])
            await tab.until("document.querySelectorAll('article').length === 1")
            assert await tab.value("document.querySelectorAll('.bom tbody tr').length") == 2  # R1; U0-U3
            x, y = round(right), round(bottom / 0.8)
            expected = {
                "R1": [[x, 0, 1000, y], [0, y, x, 1000]],
                "U0-U3": [[0, 0, x, y], [x, 0, 1000, y], [0, y, x, 1000], [x, y, 1000, 1000]],
                "GND": [[0, 0, x, y], [x, 0, 1000, y], [0, y, x, 1000], [x, y, 1000, 1000]],
            }
            assert await tab.value(marked) == []
            for name, areas in expected.items():
                found = row.format(name)
                left, top = await tab.value(
                    f"(box => [box.left + 9, box.top + 9])(({found}).getBoundingClientRect())"
                )
                await tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=left, y=top)
                await tab.until("document.querySelector('.place') !== null")
                near = await tab.value(marked)
                assert len(near) == len(areas)
                for one, other in zip(near, areas, strict=True):
                    assert all(abs(a - b) <= 6 for a, b in zip(one, other, strict=True)), (name, near)
                await tab.screenshot(tmp_path / f"{name}.png")
                await tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
                await tab.until("!document.querySelector('.place')")
            for width in (1280, 390):
                await tab.look(width=width, height=900, dark=width == 390)
                await tab.value(f"({row.format('R1')}).focus()")
                assert len(await tab.value(marked)) == 2
                assert await tab.value("document.documentElement.scrollWidth - innerWidth") <= 0
                await tab.screenshot(tmp_path / f"focus-{width}.png")
                await tab.value("document.activeElement.blur()")
                assert await tab.value(marked) == []

    with_client(tiled_reader(), test, limits=limits)


def test_components_of_a_picture_have_no_bill_of_materials() -> None:
    async def test(client: Client) -> None:
        found = await (await client.post("/read", data=form(("a.png", picture())))).json()
        assert found["bom"] is None and found["csv"]
        assert found["sheets"][0]["bom"] == []

    with_client(waiting_reader(OPEN), test)


async def downloaded(file: Path) -> list[str]:
    """The lines of a CSV that the browser is writing."""
    for _ in range(100):
        if file.is_file():
            break
        await asyncio.sleep(0.1)
    return file.read_text(encoding="utf-8-sig").splitlines()


@pytest.fixture
def command(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """``python -m stages.predict --serve`` and its port."""
    words = ["-m", "stages.predict", "--serve", "--port", "0", "--adapter", "models/tiny"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"drop sheets on http://127\.0\.0\.1:(\d+) \(Ctrl-C ends it\)\n", line)
        assert found is not None, line
        yield process, int(found[1])
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("host", "port"), [("..", 0), (f"{'a' * 70}.b", 0), ("[", 0), ("127.0.0.1", 70_000)])
def test_what_is_no_address_is_one_line(host: str, port: int) -> None:
    with pytest.raises(UserError, match="cannot listen on .*: choose another --host or --port"):
        server.serve(partial(waiting_reader, OPEN), LIMITS, host=host, port=port)


def test_the_command_serves_until_it_is_interrupted(command: tuple[subprocess.Popen[str], int]) -> None:
    process, port = command

    async def ask() -> dict[str, Any]:
        data = make_row(5, 42, width=640, height=448)["image"]["bytes"]
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://127.0.0.1:{port}/read", data=form(("5.png", data))) as answer,
        ):
            found: dict[str, Any] = await answer.json()
            return found

    found = asyncio.run(ask())
    assert found["errors"] == [] and found["sheets"][0]["answer"]
    with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1 port {port}"):
        server.serve(partial(waiting_reader, OPEN), LIMITS, host="127.0.0.1", port=port)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) in (0, 130)


_READS_FOR_AN_HOUR = """
import time
from schematic_reader.cli import run
from schematic_reader.predict.server import serve
from tests.pipeline.test_predict_server import LIMITS, PARAMS, SheetReader, task_named

def ask(*_):
    print("asked", flush=True)
    time.sleep(3600)

reader = SheetReader(ask, task_named("components"), PARAMS.messages, None)
run(lambda: serve(lambda: reader, LIMITS, host="127.0.0.1", port=0))
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_while_a_sheet_is_read(sent: signal.Signals) -> None:
    words = [sys.executable, "-c", _READS_FOR_AN_HOUR]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None

    async def ask() -> None:
        assert process.stdout is not None
        (port,) = re.findall(r":(\d+) ", process.stdout.readline())
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}/read"
            asked = asyncio.create_task(session.post(url, data=form(("a.png", picture()))))
            assert await asyncio.to_thread(process.stdout.readline) == "asked\n"
            process.send_signal(sent)
            with pytest.raises(aiohttp.ClientError):
                await asyncio.wait_for(asked, 15)

    try:
        asyncio.run(ask())
        assert process.wait(10) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.wait()

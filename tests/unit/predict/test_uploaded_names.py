"""Names of files as a browser sends them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from schematic_reader.predict.server import application
from tests.support.kicad_projects import box, placed, sheet
from tests.unit.predict.test_kicad_file import COMPONENTS, LIMITS, Model

FORM = 'Content-Disposition: form-data; name="file"; filename="{}"\r\nContent-Type: application/octet-stream'


def posted(*files: tuple[str, str]) -> dict[str, Any]:
    """What the page answers to these files, whose names are encoded."""
    parts = [f"--edge\r\n{FORM.format(name)}\r\n\r\n{text}\r\n" for name, text in files]
    body = f"{''.join(parts)}--edge--\r\n".encode()
    model: Any = Model()

    async def answer() -> dict[str, Any]:
        app = application(model, LIMITS, "127.0.0.1", COMPONENTS)
        async with TestClient(TestServer(app, host="127.0.0.1")) as client:
            headers = {"Content-Type": "multipart/form-data; boundary=edge"}
            found: dict[str, Any] = await (await client.post("/read", data=body, headers=headers)).json()
            return found

    return asyncio.run(answer())


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("5%22 display.kicad_sch", '5" display.kicad_sch'),  # as the HTML standard encodes it
        ("it's 5 % of \U0001f600 ü%20.kicad_sch", "it's 5 % of \U0001f600 ü%20.kicad_sch"),
        ("a;b=c.kicad_sch", "a;b=c.kicad_sch"),
    ],
)
def test_a_sub_sheet_is_found_by_the_name_that_it_has(sent: str, name: str) -> None:
    root = sheet("r", placed("Device:R", "1", "R1", "1k"), box("b", "B", name))
    found = posted(("main.kicad_sch", root), (sent, sheet("s", placed("Device:R", "2", "R2", "1k"))))
    assert found["errors"] == []
    assert [one["name"] for one in found["sheets"]] == ["main.kicad_sch", f"{name} /B/"]

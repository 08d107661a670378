"""The token stands in no output, whatever the Hub answers, also where the Hub itself repeats it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.support.loopback import Handler, LoopbackServer, serving
from tests.support.paths import ROOT

TOKEN = "hf_TheSecretOfThisTest"
STATUSES = [401, 403, 404, 429, 500]
FAULTS = [*STATUSES, "redirect", "endless redirect", "cut", "no answer", "broken header", "no JSON"]


class EchoingHub(LoopbackServer):
    """Refuses in one way after the other, and repeats the token that it was shown wherever it can."""

    def __init__(self) -> None:
        super().__init__(_Echoing)
        self.fault: int | str = ""
        self.shown: set[tuple[int | str, str | None]] = set()


class _Echoing(Handler):
    server: EchoingHub

    def answer(self) -> None:
        if self.route.startswith("fault/"):
            self.server.fault = FAULTS[int(self.route.removeprefix("fault/"))]
            return self.respond(200)
        self.server.shown.add((self.server.fault, self.bearer()))
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault, echo = self.server.fault, f"your header is Bearer {self.bearer()}"
        self.close_connection = True
        if isinstance(fault, int):
            self.respond(fault, {"error": echo}, X_Error_Message=echo)
        elif fault == "redirect":
            self.respond(302, b"", Location=f"http://127.0.0.1:9/{self.bearer()}")
        elif fault == "endless redirect":
            self.respond(302, b"", Location=f"/{self.bearer()}")
        elif fault == "cut":
            self.start(200, {"Content-Length": "1000"})
            self.wfile.write(echo.encode())
        elif fault == "broken header":
            self.wfile.write(f"HTTP/1.1 200 OK\r\n{echo}\0\r\n\r\n".encode())
        elif fault == "no JSON":
            self.respond(200, f"<html>{echo}</html>".encode())

    do_GET = do_HEAD = do_POST = answer  # noqa: N815, the server's names


COMMANDS = """
import logging, sys, time
from pathlib import Path
from urllib.request import urlopen
from schematic_reader.cli import run
from schematic_reader.config import load_params
from schematic_reader.model.load import load_processor
from schematic_reader.predict.model_source import find_model
from schematic_reader.publish.upload import require_token, upload_folder
import stages.fetch

def publish():
    upload_folder(Path("sent"), "owner/name", private=False, message="m", token=require_token())
def base():
    load_processor("owner/name", None)
def adapter():
    find_model("owner/name", load_params())

time.sleep = lambda seconds: None
logging.basicConfig(level=logging.DEBUG)
endpoint, faults, sys.argv = sys.argv[1], int(sys.argv[2]), ["stage"]
for fault in range(faults):
    urlopen(f"{endpoint}/fault/{fault}").close()
    for main in (stages.fetch.main, publish, base, adapter):
        try:
            run(main)
        except SystemExit as stopped:
            print(f"{main.__name__} of fault {fault}: status {stopped.code}")
"""


def test_the_token_is_nowhere_in_the_output_or_the_files(tmp_path: Path) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    data = params["profiles"][params["profile"]]["data"]
    data |= {"source": "hub", "id": "owner/name", "revision": "0" * 40}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent" / "config.json").write_text("{}")
    with serving(EchoingHub()) as hub:
        done = subprocess.run(
            [sys.executable, "-c", COMMANDS, hub.endpoint, str(len(FAULTS))],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "HF_ENDPOINT": hub.endpoint,
                "HF_TOKEN": f" {TOKEN}\n",
                "HF_HOME": str(tmp_path / "home"),
                "HF_HUB_OFFLINE": "0",
                "HF_HUB_DISABLE_XET": "1",
                "HF_HUB_DISABLE_TELEMETRY": "1",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    # It was sent in each case, so it could have been told.
    assert {(fault, TOKEN) for fault in FAULTS} <= hub.shown, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines() == [
        f"{name} of fault {number}: status 1"
        for number in range(len(FAULTS))
        for name in ("main", "publish", "base", "adapter")
    ]
    assert sum(line.startswith("error: ") for line in done.stderr.splitlines()) == 4 * len(FAULTS)
    for path in tmp_path.rglob("*"):
        assert TOKEN not in str(path)
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()

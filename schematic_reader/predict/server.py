"""The local page: sheets are uploaded by drag and drop, and their parts come back.

One thread opens and reads sheets, one upload after the other: neither PDFium nor the model is thread-safe.
The page serves its own address alone: a request with another Host or Origin, as a foreign web page in the
same browser would send, is rejected. Uploads are bounded in size and number and never touch the disk.
"""

from __future__ import annotations

import asyncio
import base64
import io
import ipaddress
import logging
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from schematic_reader.cli import UserError
from schematic_reader.predict.bom import bill_of_materials
from schematic_reader.predict.dropped_files import dropped_sheets
from schematic_reader.predict.kicad_file import ReadKicad
from schematic_reader.predict.opened_sheet import OpenedSheet, SheetLimits
from schematic_reader.predict.output import as_bom, as_csv, sheets
from schematic_reader.predict.parts import Reading
from schematic_reader.predict.sheet_reader import SheetReader

MAX_UPLOAD = 32_000_000  # bytes of all files of one upload
MAX_FILES = 20
MAX_QUEUED = 4  # uploads that are whole; further ones get 503
MAX_UPLOADING = 16  # at the same time; further ones get 503
UPLOAD_SECONDS = 60.0  # until an upload is whole
_ENDING_SECONDS = 1.0  # that answers under way have when the page ends
_FOLDER = Path(__file__).parent
_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
log = logging.getLogger(__name__)


def serve(
    load: Callable[[], SheetReader],
    limits: SheetLimits,
    *,
    host: str,
    port: int,
    kicad: ReadKicad | None = None,
) -> None:
    """Load the model and serve the page until Ctrl-C.

    KiCad files are read by ``kicad``, or drawn for the model where there is none.

    Raises:
        UserError: the address is not this machine's, or the port is taken.
    """
    if not is_loopback(host):
        log.warning("%s is reachable from other machines, and the page has no password", host)
    try:
        if port not in range(1 << 16):  # of which getaddrinfo would take the last 16 bits
            raise OverflowError("a port is 0 to 65535")
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family)
    except (OSError, OverflowError, UnicodeError) as error:  # the last of a name that is no host's
        raise UserError(
            f"cannot listen on {host} port {port} ({error}): choose another --host or --port"
        ) from None
    app = application(load(), limits, host, kicad)
    name = f"[{host}]" if ":" in host else host
    print(f"drop sheets on http://{name}:{listening.getsockname()[1]} (Ctrl-C ends it)", flush=True)
    web.run_app(app, sock=listening, print=None, access_log=None, shutdown_timeout=_ENDING_SECONDS)
    if not app[_PAGE].idle:
        os._exit(0)  # the interpreter would wait for the sheet that is being read, for minutes on a CPU


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def application(
    reader: SheetReader, limits: SheetLimits, host: str, kicad: ReadKicad | None = None
) -> web.Application:
    """The page, and ``POST /read``, which takes files as multipart form data and answers with JSON."""
    own = {host, "localhost", "127.0.0.1", "::1"} if is_loopback(host) else None

    @web.middleware
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            response: web.StreamResponse = _rejection(request, own) or await handler(request)
        except web.HTTPException as error:
            response = _error(error.status, error.reason)
        except Exception:
            log.exception("the page failed")  # a bug of ours: its traceback is for the terminal
            response = _error(500, "it failed: the terminal that serves this page says why")
        response.headers.update(_HEADERS)
        return response

    app = web.Application(middlewares=[guard])
    for path in _FILES:
        app.router.add_get(path, _file)
    app[_PAGE] = page = _Page(reader, limits, kicad)
    app.router.add_post("/read", page.read)
    app.on_cleanup.append(page.close)
    return app


def _rejection(request: web.Request, own: set[str] | None) -> web.Response | None:
    """The answer to a request from another origin or to another host; None for our own."""
    origin = request.headers.get("Origin")
    try:
        host, asking = urlsplit(f"//{request.host}"), urlsplit(origin or "")
    except ValueError:
        return _error(400, "its Host or its Origin is no address")
    if own is not None and host.hostname not in own:
        return _error(403, "this page answers to the address of this machine alone")
    if origin is not None and asking.netloc != host.netloc:
        return _error(403, "the request comes from another page")
    return None


def _error(status: int, line: str) -> web.Response:
    return web.json_response({"error": line}, status=status)


async def _file(request: web.Request) -> web.Response:
    name, kind = _FILES[request.path]
    return web.Response(text=(_FOLDER / name).read_text(encoding="utf-8"), content_type=kind, charset="utf-8")


class _Page:
    def __init__(self, reader: SheetReader, limits: SheetLimits, kicad: ReadKicad | None) -> None:
        self._kicad = kicad
        self._reader = reader
        self._limits = limits
        self._thread = ThreadPoolExecutor(1)
        self._reading = threading.Lock()  # held while the thread has an upload
        self._uploading = self._waiting = 0

    @property
    def idle(self) -> bool:
        return not self._reading.locked()

    async def close(self, _app: web.Application) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def read(self, request: web.Request) -> web.Response:
        busy = _error(503, "busy with other sheets: try again in a minute")
        if self._waiting >= MAX_QUEUED or self._uploading >= MAX_UPLOADING:
            return busy
        self._uploading += 1
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                files = await _upload(request)
        except TimeoutError:
            return _error(408, f"not whole after {UPLOAD_SECONDS:.0f} seconds: drop fewer or smaller files")
        except UserError as error:
            return _error(413, str(error))
        finally:
            self._uploading -= 1
        if self._waiting >= MAX_QUEUED:  # others were faster
            return busy
        self._waiting += 1
        try:
            answer = asyncio.get_running_loop().run_in_executor(self._thread, self._answer, files)
            return web.json_response(await answer)
        finally:
            self._waiting -= 1

    def _answer(self, files: list[tuple[str, bytes]]) -> dict[str, Any]:
        with self._reading:
            return read_upload(self._reader, self._limits, files, self._kicad)


_PAGE = web.AppKey("page", _Page)


async def _upload(request: web.Request) -> list[tuple[str, bytes]]:
    """The files of a form, by name. Raises UserError where they are too many or too large."""
    too_large = UserError(f"over {MAX_UPLOAD // 1_000_000} MB at once: drop fewer or smaller files")
    if (request.content_length or 0) > MAX_UPLOAD + 100_000:  # what a form adds around its files
        raise too_large
    if request.content_type != "multipart/form-data":
        raise web.HTTPUnsupportedMediaType(reason="a form with files is wanted")
    files: list[tuple[str, bytes]] = []
    room = MAX_UPLOAD
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.filename is None:
                continue
            if len(files) == MAX_FILES:
                raise UserError(f"over {MAX_FILES} files at once: drop fewer")
            data = bytearray()
            while chunk := await part.read_chunk(1 << 16):
                data += chunk
                if len(data) > room:
                    raise too_large
            room -= len(data)
            name = part.filename.replace("%22", '"')  # which browsers encode, line breaks and no more
            files.append((name[:200], bytes(data)))
    # Of a form that breaks off, whose headers are too long, or that is not packed as it says.
    except (ValueError, HttpProcessingError, web.RequestPayloadError):
        raise web.HTTPBadRequest(reason="the form is damaged") from None
    return files


def read_upload(
    reader: SheetReader,
    limits: SheetLimits,
    files: list[tuple[str, bytes]],
    kicad: ReadKicad | None = None,
) -> dict[str, Any]:
    """``task``, ``calibrated`` and ``sheets`` as in the JSON output, the latter with the ``picture`` that the
    model saw (null where a KiCad file cannot be drawn), the lines of its own ``bom`` and the ``places`` of
    its parts; ``errors``, a line for each file or page not read; ``csv`` and ``bom``, the files to download,
    null where no part was read, or none with its reference.
    """
    dropped, errors = dropped_sheets(files, limits, kicad)
    asked = [sheet.opened for sheet in dropped if sheet.opened and not sheet.reading]
    answers = iter(reader.read(asked) if asked else [])
    readings = [sheet.reading or next(answers) for sheet in dropped]
    found_sheets = [
        {
            **content,
            "name": str(sheet.origin),
            "picture": _data_uri(sheet.opened) if sheet.opened else None,
            "bom": _own_bom(reading),
            "places": {part.name: reading.places.get(part.name, ()) for part in reading.parts},
        }
        for content, sheet, reading in zip(sheets(readings), dropped, readings, strict=True)
    ]
    return {
        "task": reader.task,
        "calibrated": reader.calibrated,
        "sheets": found_sheets,
        "errors": errors,
        "csv": as_csv(readings) if any(reading.parts for reading in readings) else None,
        "bom": as_bom(readings) if any(sheet["bom"] for sheet in found_sheets) else None,
    }


def _own_bom(reading: Reading) -> list[dict[str, Any]]:
    """The lines of one sheet that name references, as the table of the page has them."""
    return [
        {
            "references": line.ranges,
            "value": line.value,
            "quantity": line.quantity,
            "symbol": line.symbol,
            "confidence": line.confidence,
            "doubtful": line.doubtful,
            "dnp": line.dnp,
            "places": list(
                dict.fromkeys(box for name in line.references for box in reading.places.get(name, ()))
            ),
        }
        for line in bill_of_materials([reading])
        if line.references
    ]


def _data_uri(sheet: OpenedSheet) -> str:
    out = io.BytesIO()
    sheet.picture.quantize(64).save(out, "PNG")  # of line drawings nobody sees the difference
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"

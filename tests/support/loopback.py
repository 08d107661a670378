"""An HTTP server on loopback, which the servers that tests talk to are made of."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar
from urllib.parse import unquote, urlsplit

Server = TypeVar("Server", bound="LoopbackServer")


class LoopbackServer(ThreadingHTTPServer):
    """A server at a free port of 127.0.0.1; each request has a thread of its own."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Let ``server`` answer while the block runs."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Handler(BaseHTTPRequestHandler):
    """Requests and responses as the Hub has them; keeps the tests' output free of a line for each request."""

    protocol_version = "HTTP/1.1"

    @property
    def route(self) -> str:
        """The path, unquoted, without its outer slashes and its query."""
        return unquote(urlsplit(self.path).path).strip("/")

    @property
    def query(self) -> str:
        return urlsplit(self.path).query

    def bearer(self) -> str | None:
        """The token of the request, if it has one."""
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if kind == "Bearer" else None

    def respond(self, status: int, value: object = None, *, code: str = "", **headers: str) -> None:
        """Send ``value``, bytes as they are and anything else as JSON.

        Args:
            code: the Hub's X-Error-Code.
            headers: underscores stand for hyphens.
        """
        body = value if isinstance(value, bytes) else json.dumps({} if value is None else value).encode()
        self.start(status, {"Content-Length": str(len(body)), **self._named(code, headers)})
        if self.command != "HEAD":
            self.wfile.write(body)

    def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status line and the headers."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    @staticmethod
    def _named(code: str, headers: Mapping[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return {**named, "X-Error-Code": code} if code else named

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

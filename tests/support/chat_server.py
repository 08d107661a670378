"""A server on loopback with OpenAI's chat interface that answers with a real model of this project."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from schematic_reader.generation.answerer import Answerer
from schematic_reader.tasks.messages import chat
from tests.support.loopback import Handler, LoopbackServer, serving

MODEL = "reader"


class ChatServer(LoopbackServer):
    """The server.

    Attributes:
        keys: the bearer of each request.
    """

    def __init__(self, answerer: Answerer) -> None:
        super().__init__(_Handler)
        self.answerer, self.keys = answerer, list[str | None]()
        self.lock = threading.Lock()  # the model reads one sheet at a time

    @property
    def address(self) -> str:
        return f"{self.endpoint}/v1"


@contextmanager
def running_chat_server(answerer: Answerer) -> Iterator[ChatServer]:
    with serving(ChatServer(answerer)) as server:
        yield server


class _SentPictures:
    """An image source for rows that hold the pictures of their requests."""

    def picture(self, row: dict[str, Any]) -> Image.Image:
        picture: Image.Image = row["picture"]
        return picture

    def size(self, row: dict[str, Any]) -> tuple[int, int]:
        return self.picture(row).size


class _Handler(Handler):
    server: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.append(self.bearer())
        if self.route != "v1/chat/completions" or body["model"] != MODEL:
            return self.respond(404, {"error": {"message": f"there is no model {body['model']}"}})
        if body["temperature"] != 0 or body["max_tokens"] != self.server.answerer.settings.max_new_tokens:
            return self.respond(400, {"error": {"message": "this server decodes greedily, to one length"}})
        ((picture, text),) = (message["content"] for message in body["messages"])
        data = base64.b64decode(picture["image_url"]["url"].removeprefix("data:image/png;base64,"))
        row = {"id": "0", "messages": chat(text["text"], ""), "picture": Image.open(io.BytesIO(data))}
        with self.server.lock:
            (answer,) = self.server.answerer.answer(_SentPictures(), [row])
        message = {"role": "assistant", "content": answer.text}
        choice = {"index": 0, "message": message, "finish_reason": answer.finish}
        usage = {"completion_tokens": answer.tokens}
        self.respond(200, {"object": "chat.completion", "choices": [choice], "usage": usage})

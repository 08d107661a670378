"""A small Hub on loopback: the part of its API that reading a data set's files needs, over real HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs

from tests.support.loopback import Handler, LoopbackServer, serving


class Hub(LoopbackServer):
    """Serves the files of ``folder`` as one data set at one commit, to those who show ``token``.

    Attributes:
        refuse: answers by file name, or by ``info`` for the data set itself: (status, X-Error-Code, times);
            the status 0 closes the connection without an answer.
        spare: how many requests of a file are answered before it is refused.
        spoil: how many times the answer to a range of a file is spoiled, and how: ``cut`` closes the
            connection in the middle, ``short`` serves a file that ends in its middle, ``whole`` sends it all.
        licence: in the head of the data set's README.
        sent: bytes sent of each file.
        requests: how often each file was asked for.
    """

    def __init__(self, folder: Path, repository: str, revision: str, token: str | None) -> None:
        super().__init__(_Handler)
        self.folder, self.repository, self.revision, self.token = folder, repository, revision, token
        self.refuse: dict[str, tuple[int, str, int]] = {}
        self.spare: Counter[str] = Counter()
        self.spoil: dict[str, tuple[str, int]] = {}
        self.licence: object = "cc-by-4.0"
        self.sent: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()


@contextmanager
def running_hub(folder: Path, repository: str, revision: str, token: str | None = None) -> Iterator[Hub]:
    """A hub that answers while the block runs."""
    with serving(Hub(folder, repository, revision, token)) as hub:
        yield hub


class _Handler(Handler):
    server: Hub

    def do_GET(self) -> None:
        hub = self.server
        path = self.route
        info = f"api/datasets/{hub.repository}"
        files = f"datasets/{hub.repository}/resolve/{hub.revision}/"
        if path.startswith("storage/"):  # where the Hub keeps large files: behind a redirect, without a token
            return self.file(path.removeprefix("storage/"))
        if hub.token and self.bearer() != hub.token:
            return self.respond(401, {"error": "Invalid username or password."}, code="RepoNotFound")
        if not path.startswith((info, f"datasets/{hub.repository}/resolve/")):
            return self.respond(404, code="RepoNotFound")
        if path == f"{info}/revision/main":
            return self.respond(200, self.info())
        if hub.revision not in path:
            return self.respond(404, code="RevisionNotFound")
        if path == f"{info}/revision/{hub.revision}":
            if not self.refused("info"):
                self.respond(200, self.info())
            return None
        if path.startswith(f"{info}/tree/{hub.revision}"):
            return self.respond(200, self.tree(path.removeprefix(f"{info}/tree/{hub.revision}").strip("/")))
        name = path.removeprefix(files)
        if not path.startswith(files) or not (hub.folder / name).is_file():
            return self.respond(404, code="EntryNotFound")
        hub.requests[name] += 1
        if not self.refused(name):
            self.respond(302, b"", Location=f"{hub.endpoint}/storage/{name}")
        return None

    def do_HEAD(self) -> None:
        """What a client asks before it downloads a whole file."""
        hub = self.server
        path = self.route
        name = path.removeprefix(f"datasets/{hub.repository}/resolve/{hub.revision}/")
        file = hub.folder / name
        if name == path or not file.is_file():
            return self.respond(404, b"", code="EntryNotFound")
        size = str(file.stat().st_size)
        self.start(200, {"X-Repo-Commit": hub.revision, "ETag": f'"{name}"', "Content-Length": size})

    def do_POST(self) -> None:
        """Which of some paths there are."""
        hub = self.server
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        if self.route != f"api/datasets/{hub.repository}/paths-info/{hub.revision}":
            return self.respond(404, code="RepoNotFound")
        paths = [name for name in form.get("paths", []) if (hub.folder / name).exists()]
        self.respond(200, [self.entry(hub.folder / name) for name in paths])

    def info(self) -> object:
        hub = self.server
        blobs = "blobs" in self.query
        sizes = ({"size": (hub.folder / name).stat().st_size} if blobs else {} for name in self.names())
        siblings = [{"rfilename": name, **size} for name, size in zip(self.names(), sizes, strict=True)]
        card = {"license": hub.licence} if hub.licence else {}
        return {"id": hub.repository, "sha": hub.revision, "siblings": siblings, "cardData": card}

    def tree(self, folder: str) -> object:
        root = self.server.folder
        recursive = "recursive=true" in self.query.lower()
        paths = (root / folder).rglob("*") if recursive else (root / folder).iterdir()
        return [self.entry(path) for path in sorted(paths)]

    def entry(self, path: Path) -> dict[str, object]:
        return {
            "type": "directory" if path.is_dir() else "file",
            "path": path.relative_to(self.server.folder).as_posix(),
            "size": 0 if path.is_dir() else path.stat().st_size,
            "oid": "0" * 40,
        }

    def names(self) -> list[str]:
        root = self.server.folder
        return [
            path.relative_to(root).as_posix()
            for path in sorted(root.rglob("*"), reverse=True)
            if path.is_file()
        ]

    def refused(self, name: str) -> bool:
        """Send the refusal that is set for ``name`` and say whether there was one."""
        if self.server.spare[name] > 0:
            self.server.spare[name] -= 1
            return False
        if name not in self.server.refuse:
            return False
        status, code, times = self.server.refuse.pop(name)
        if times > 1:
            self.server.refuse[name] = (status, code, times - 1)
        if status:
            self.respond(status, code=code, **({"Retry_After": "7"} if status == 429 else {}))
        else:
            self.close_connection = True
        return True

    def file(self, name: str) -> None:
        kind = self.spoiled(name)
        size = (self.server.folder / name).stat().st_size
        first, last = map(int, (self.headers.get("Range") or f"bytes=0-{size - 1}").split("=")[1].split("-"))
        if kind == "short":
            size = (first + last) // 2 + 1
            last = size - 1
        with (self.server.folder / name).open("rb") as file:
            file.seek(0 if kind == "whole" else first)
            piece = file.read(size if kind == "whole" else last + 1 - first)
        headers = {
            "Content-Range": f"bytes {first}-{first + len(piece) - 1}/{size}",
            "Content-Length": str(len(piece)),
        }
        self.start(200 if kind == "whole" or "Range" not in self.headers else 206, headers)
        if kind == "cut":
            piece, self.close_connection = piece[: len(piece) // 2], True
        self.server.sent[name] += len(piece)
        try:
            self.wfile.write(piece)
        except ConnectionError:  # of a client that wanted no more of it
            self.close_connection = True

    def spoiled(self, name: str) -> str:
        """How this answer is spoiled, if at all."""
        kind, times = self.server.spoil.pop(name, ("", 0))
        if times > 1:
            self.server.spoil[name] = (kind, times - 1)
        return kind

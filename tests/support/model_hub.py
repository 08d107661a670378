"""A small Hub on loopback that model repositories can be written to and read from, over real HTTP.

It speaks what huggingface_hub sends: create, validate-yaml, preupload, the Git LFS batch API with basic
transfers and their verification, and commits of newline-separated JSON; and for reading info, tree, paths and
resolve. It checks what the Hub checks: token, hashes and sizes, and that a committed large file was uploaded.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import yaml

from tests.support.loopback import Handler, LoopbackServer, serving

LARGE = 64 * 1024  # bytes from which a file goes through LFS here; the Hub goes by the name too


@dataclass
class Repository:
    """Files by name at the newest commit, and the commits' messages in order."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)

    @property
    def sha(self) -> str:
        return hashlib.sha1(repr(self.commits).encode()).hexdigest()


class ModelHub(LoopbackServer):
    """The server.

    Attributes:
        token: whose bearer may write.
        refuse: statuses by a part of the path, with which such requests are answered.
        stored: large files that were uploaded, by SHA-256.
        asked: method and path of each request.
    """

    def __init__(self, token: str) -> None:
        super().__init__(_Handler)
        self.token = token
        self.repositories: dict[str, Repository] = {}
        self.refuse: dict[str, int] = {}
        self.stored: dict[str, bytes] = {}
        self.asked: list[str] = []


@contextmanager
def running_model_hub(token: str) -> Iterator[ModelHub]:
    """A hub without repositories that answers while the block runs."""
    with serving(ModelHub(token)) as hub:
        yield hub


class _Handler(Handler):
    server: ModelHub

    def do_POST(self) -> None:
        body = self.body()
        path = self.path_or_refusal()
        if path is None:
            return
        if path == "api/validate-yaml":
            return self.validate_card(json.loads(body))
        if not self.may_write():
            return self.respond(401, {"error": "Invalid username or password."})
        if path == "api/repos/create":
            return self.create(json.loads(body))
        if path.startswith("lfs/verify/"):
            kept = self.server.stored.get(json.loads(body)["oid"], b"")
            return self.respond(200 if len(kept) == json.loads(body)["size"] else 404, {})
        if path.endswith(".git/info/lfs/objects/batch"):
            return self.batch(json.loads(body))
        *_, owner, name, kind, _revision = path.split("/")
        repository = self.server.repositories.get(f"{owner}/{name}")
        if repository is None:
            return self.respond(404, {"error": "Repository not found"}, code="RepoNotFound")
        if kind == "preupload":
            return self.preupload(repository, json.loads(body))
        if kind == "commit":
            return self.commit(
                f"{owner}/{name}", repository, [json.loads(line) for line in body.splitlines()]
            )
        if kind == "paths-info":
            return self.respond(200, [entry(name, repository) for name in parse_qs(body.decode())["paths"]])
        self.respond(404, {})

    def do_PUT(self) -> None:
        body = self.body()
        path = self.path_or_refusal()
        if path is None:
            return
        oid = path.removeprefix("lfs/upload/")
        if hashlib.sha256(body).hexdigest() != oid:
            return self.respond(400, {"error": "the content is not that of its hash"})
        self.server.stored[oid] = body
        self.respond(200, {})

    def do_GET(self) -> None:
        self.read()

    def do_HEAD(self) -> None:
        self.read()

    def create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        url = f"{self.server.endpoint}/{name}"
        if name in self.server.repositories:
            return self.respond(409, {"error": "You already created this model repo", "url": url})
        self.server.repositories[name] = Repository(asked.get("visibility") == "private")
        self.respond(200, {"url": url})

    def validate_card(self, asked: dict[str, Any]) -> None:
        wrong = [{"message": line} for line in card_errors(yaml.safe_load(asked["content"].split("---")[1]))]
        self.respond(400 if wrong else 200, {"errors": wrong, "warnings": []})

    def preupload(self, repository: Repository, asked: dict[str, Any]) -> None:
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["size"] >= LARGE else "regular",
                "shouldIgnore": False,
                "oid": oid(repository.files[file["path"]]) if file["path"] in repository.files else None,
            }
            for file in asked["files"]
        ]
        self.respond(200, {"files": files})

    def batch(self, asked: dict[str, Any]) -> None:
        objects = []
        for item in asked["objects"]:
            actions = {
                "upload": {"href": f"{self.server.endpoint}/lfs/upload/{item['oid']}"},
                "verify": {"href": f"{self.server.endpoint}/lfs/verify/{item['oid']}"},
            }
            objects.append({**item, **({} if item["oid"] in self.server.stored else {"actions": actions})})
        self.respond(200, {"transfer": "basic", "objects": objects})

    def commit(self, name: str, repository: Repository, lines: list[dict[str, Any]]) -> None:
        files = dict(repository.files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.server.stored:
                    return self.respond(400, {"error": "LFS object missing"})
                files[value["path"]] = self.server.stored[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        repository.files = files
        repository.commits.append(lines[0]["value"]["summary"])
        url = f"{self.server.endpoint}/{name}/commit/{repository.sha}"
        self.respond(200, {"commitUrl": url, "commitOid": repository.sha, "success": True})

    def read(self) -> None:
        path = self.path_or_refusal()
        if path is None:
            return
        for name, repository in self.server.repositories.items():
            if path.startswith((f"api/models/{name}", f"{name}/resolve/")):
                if repository.private and not self.may_write():
                    break
                return self.read_from(repository, name, path)
        self.respond(404, {"error": "Repository not found"}, code="RepoNotFound")

    def read_from(self, repository: Repository, name: str, path: str) -> None:
        if path.startswith(f"api/models/{name}/tree/"):
            folder = path.removeprefix(f"api/models/{name}/tree/").partition("/")[2]
            if folder:  # of which no repository here has any
                return self.respond(404, {"error": "Entry not found"}, code="EntryNotFound")
            return self.respond(200, [entry(file, repository) for file in sorted(repository.files)])
        if path.startswith("api/"):
            siblings = [{"rfilename": file} for file in sorted(repository.files)]
            info = {"id": name, "sha": repository.sha, "private": repository.private, "siblings": siblings}
            if "README.md" in repository.files:
                info["cardData"] = yaml.safe_load(repository.files["README.md"].decode().split("---")[1])
            return self.respond(200, info)
        file = path.removeprefix(f"{name}/resolve/").partition("/")[2]
        if file not in repository.files:
            return self.respond(404, {}, code="EntryNotFound")
        content = repository.files[file]
        self.respond(200, content, X_Repo_Commit=repository.sha, ETag=f'"{oid(content)}"')

    def may_write(self) -> bool:
        return self.bearer() == self.server.token

    def path_or_refusal(self) -> str | None:
        path = self.route
        self.server.asked.append(f"{self.command} {path}")
        for part, status in self.server.refuse.items():
            if part in path:
                self.respond(status, {"error": "refused"})
                return None
        return path

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)


def card_errors(head: Any) -> list[str]:
    """What the Hub finds wrong with a card's metadata, by those of its rules that cards here meet."""
    if not isinstance(head, dict):
        return ["the head is no mapping"]
    wrong = []
    if head.get("license", "mit") not in ("mit", "apache-2.0", "cc-by-4.0", "other"):
        wrong.append(f"license {head['license']} is not one of the Hub's")
    if head.get("license") == "other" and not re.fullmatch(r"[a-z0-9-.]+", head.get("license_name", "")):
        wrong.append("license other needs a license_name in lower case")
    for key in ("datasets", "tags"):
        if not isinstance(head.get(key, []), list):
            wrong.append(f"{key} must be an array")
    for entry in head.get("model-index", []):
        for result in entry["results"]:
            task, dataset, metrics = (result.get(key) for key in ("task", "dataset", "metrics"))
            if not (task and task["type"] and dataset and dataset["type"] and dataset["name"] and metrics):
                wrong.append("a result needs a task, a data set and metrics")
            elif not all("type" in metric and "value" in metric for metric in metrics):
                wrong.append("a metric needs a type and a value")
    return wrong


def oid(content: bytes) -> str:
    """What the Hub calls a file's version: SHA-256 of a large one, Git's blob hash of a small one."""
    if len(content) >= LARGE:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def entry(name: str, repository: Repository) -> dict[str, object]:
    content = repository.files[name]
    return {"type": "file", "path": name, "size": len(content), "oid": oid(content)}

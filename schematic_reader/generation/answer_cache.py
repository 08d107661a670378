"""Answers that were generated before, on disk: an edit that cannot change them generates none again.

``FOLDER/FINGERPRINT/rank-N.jsonl`` holds a set of answers: those of one model with the same settings, by the
same code (``generation_fingerprint``). Within a set an answer's key is a hash of the image and the prompt.
The newest two sets of a folder are kept, so that an experiment and what it is compared with both have
theirs.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from schematic_reader.code_deps import ROOT, code_files
from schematic_reader.config import Model
from schematic_reader.generation.settings import GenerationSettings
from schematic_reader.io.fingerprint import files_digest, value_digest
from schematic_reader.model import distributed
from schematic_reader.model.device import Device
from schematic_reader.model.load import base_digest, folder_digest
from schematic_reader.tasks.contract import ModelAnswer

SETS_KEPT = 2

_LIBRARIES = ("llguidance", "peft", "tokenizers", "torch", "torchvision", "transformers")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CachedAnswer:
    """An answer with the plan by which it was generated; see ``plan_generation``."""

    answer: ModelAnswer
    plan: str


class AnswerCache:
    """One set of answers, those of all processes together; the folders are made.

    An entry that is damaged or cut short, as a killed run leaves it, is as good as not there. Every process
    of a run opens the cache and is given the same answers, whichever node's disk has them.

    Args:
        folder: of the sets of one stage.
        fingerprint: of what a set's answers depend on beside image and prompt.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        entries = folder / fingerprint
        entries.mkdir(parents=True, exist_ok=True)
        os.utime(entries)
        if distributed.is_local_main_process():
            _remove_all_but_newest(folder)
        self._path = entries / f"rank-{distributed.rank()}.jsonl"
        found = [_read(path) for path in sorted(entries.glob("*.jsonl"))]
        # All processes have read before one writes, and all know the same: they share out the rest.
        self._answers: dict[str, CachedAnswer] = {}
        for files in distributed.all_gather_object(found):
            for answers in files:
                self._answers |= answers

    def __getitem__(self, key: str) -> CachedAnswer:
        return self._answers[key]

    def __contains__(self, key: str) -> bool:
        return key in self._answers

    def add(self, answers: Mapping[str, ModelAnswer], plan: str) -> None:
        """Store answers by key; they are on disk when this returns."""
        entries = {key: CachedAnswer(answer, plan) for key, answer in answers.items()}
        with self._path.open("ab+") as file:
            if file.tell() and not _ends_a_line(file):
                file.write(b"\n")
            file.write(b"".join(_line(key, entry) for key, entry in entries.items()))
            file.flush()
            os.fsync(file.fileno())
        self._answers |= entries

    def learn(self, answers: Mapping[str, ModelAnswer], plan: str) -> None:
        """Know of answers that other processes have stored."""
        for key, answer in answers.items():
            self._answers.setdefault(key, CachedAnswer(answer, plan))


def plan_generation(cache: AnswerCache, keys: Sequence[str], context: Any) -> tuple[str, list[int]]:
    """Which of some prompts are generated together, and the name of that plan.

    Answers depend, by rounding, on what is batched together. So that a run that was interrupted ends bit for
    bit as one that was not, it goes by the plan of the interrupted one, answers that are there included.
    Answers of other plans, as of a run over fewer sheets, are taken as they are.

    Args:
        keys: of the prompts, in the order of generation.
        context: what else decides which prompts are batched together; anything JSON has.

    Returns:
        A hash that names the plan, and indexes of ``keys``. Those whose answers are cached need no answer but
        count as part of their batches.
    """
    for plan in sorted({cache[key].plan for key in keys if key in cache}):
        resumed = [i for i, key in enumerate(keys) if key not in cache or cache[key].plan == plan]
        if plan == value_digest([[keys[i] for i in resumed], context]):
            return plan, resumed
    missing = [i for i, key in enumerate(keys) if key not in cache]
    return value_digest([[keys[i] for i in missing], context]), missing


def generation_fingerprint(
    model: Model, adapter: Path | None, settings: GenerationSettings, device: Device
) -> str:
    """A hash of all that an answer depends on beside its image and its prompt.

    What only decides which prompts are batched together (``batch_size``, ``compile_from``) does not count.
    """
    chosen = asdict(settings)
    del chosen["batch_size"], chosen["compile_from"]
    return value_digest(
        {
            "base": base_digest(model),
            "adapter": adapter and folder_digest(adapter),
            "settings": chosen,
            "device": [device.name, str(device.dtype), device.attention, model.matmul],
            "code": files_digest([ROOT / name for name in generation_code()], root=ROOT),
            "libraries": {name: _version(name) for name in _LIBRARIES},
        }
    )


def generation_code(root: Path = ROOT) -> list[str]:
    """The files that decide what is answered to an image and a prompt, relative to ``root``.

    Of all that generation imports, the rooms of the model and of generation itself: the rest brings images
    and prompts, which count by their content.
    """
    rooms = "schematic_reader/generation/", "schematic_reader/model/"
    return [name for name in code_files(f"{rooms[0]}answerer.py", root=root) if name.startswith(rooms)]


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _remove_all_but_newest(folder: Path) -> None:
    sets = sorted(
        (path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime_ns
    )
    for path in sets[:-SETS_KEPT]:
        shutil.rmtree(path)


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


def _line(key: str, entry: CachedAnswer) -> bytes:
    """A checksum and the entry as JSON."""
    data = json.dumps([key, entry.plan, asdict(entry.answer)]).encode("ascii")
    return _checksum(data) + b" " + data + b"\n"


def _read(path: Path) -> dict[str, CachedAnswer]:
    """The whole entries of a file."""
    found = {}
    lines = path.read_bytes().splitlines()
    for line in lines:
        checksum, _, data = line.partition(b" ")
        if checksum == _checksum(data):
            key, plan, answer = json.loads(data)
            with suppress(TypeError):  # an answer of other fields, as another version stored it
                found[key] = CachedAnswer(ModelAnswer(**answer), plan)
    if len(found) < len(lines):
        log.warning("%s: %d entries are damaged and left out", path, len(lines) - len(found))
    return found


def _checksum(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest()[:16].encode("ascii")


def prompt_keys(prompts: Iterable[tuple[str, Any]]) -> list[str]:
    """The key of each prompt, given as a digest of its image and its messages.

    Of prompts that are alike each has a key of its own, so that a resumed run does not give all of them the
    answer that one of them had in another batch.
    """
    count: dict[str, int] = {}
    keys = []
    for prompt in prompts:
        key = value_digest(prompt)
        count[key] = count.get(key, 0) + 1
        keys.append(f"{key}-{count[key]}")
    return keys

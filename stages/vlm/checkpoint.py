"""What an interrupted training run leaves for the next one, which goes on only if nothing has changed."""

from __future__ import annotations

import json
import logging
import platform
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from stages.store.files import replacing

log = logging.getLogger(__name__)

STAGES = Path(__file__).parents[1]
CODE = ("config.py", "train.py", "store", "vlm")  # of the folder stages: what the train stage runs


@dataclass(frozen=True)
class State:
    """A run after ``step`` optimizer steps: its tensors, on the CPU, and what else it needs, as JSON."""

    step: int
    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]


class Checkpoint:
    """One file in ``folder``, replaced whole by each save.

    Args:
        fingerprint: hashes of all that a run's result depends on, by what they are of.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, str]) -> None:
        self._folder = folder
        self._file = folder / "state.safetensors"
        self._fingerprint = dict(fingerprint)

    def load(self) -> State | None:
        """The state of the interrupted run if this is the same run, else None; one log line says which."""
        if not self._file.is_file():
            return None
        try:
            with safe_open(self._file, framework="pt") as file:
                stored = json.loads(file.metadata()["state"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, no mapping
        except SafetensorError as error:
            log.warning("training starts anew: the checkpoint of an earlier run cannot be read (%s)", error)
            return None
        changed = [name for name, digest in self._fingerprint.items() if stored["of"].get(name) != digest]
        if changed:
            log.warning(
                "training starts anew: an earlier run stopped after step %d, but since then other %s",
                stored["step"],
                " and ".join(changed),
            )
            return None
        log.info("training goes on after step %d of an earlier run", stored["step"])
        return State(stored["step"], tensors, stored["facts"])

    def save(self, state: State) -> None:
        """Keep ``state`` in place of the one before."""
        stored = {"of": self._fingerprint, "step": state.step, "facts": state.facts}
        with replacing(self._file) as part:
            save_file(state.tensors, part, metadata={"state": json.dumps(stored)})

    def clear(self) -> None:
        """Remove the folder: the run is complete, or nothing in it is of use."""
        shutil.rmtree(self._folder, ignore_errors=True)


def digest_of(values: Iterable[Any]) -> str:
    """A hash of values that JSON can hold, dictionaries by sorted key."""
    return sha256(json.dumps(list(values), sort_keys=True).encode()).hexdigest()


def digest_of_code() -> str:
    """A hash of every module that training runs, and of the libraries' versions."""
    files = sorted(
        file for name in CODE for file in [STAGES / name, *(STAGES / name).rglob("*.py")] if file.is_file()
    )
    versions = (platform.python_version(), torch.__version__, transformers.__version__, peft.__version__)
    return digest_of([versions, [(str(file.relative_to(STAGES)), _digest_of_file(file)) for file in files]])


def digest_of_model(base: str, revision: str | None, commit: str | None) -> str:
    """A hash of the base model: of its files if it is a folder, else of the commit that was loaded."""
    folder = Path(base)
    if not folder.is_dir():
        return digest_of([base, revision, commit])
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return digest_of([(str(file.relative_to(folder)), _digest_of_file(file)) for file in files])


def _digest_of_file(file: Path) -> str:
    digest = sha256()
    with file.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

"""What an interrupted training run leaves for the next one, which goes on only if nothing has changed."""

from __future__ import annotations

import json
import logging
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
import trl

from schematic_reader.cli import UserError
from schematic_reader.code_deps import ROOT, code_files
from schematic_reader.io.files import write_json
from schematic_reader.io.fingerprint import files_digest, value_digest
from schematic_reader.model import shares

log = logging.getLogger(__name__)

_SEAL = "whole.json"  # in each checkpoint, written last

# Accelerate calls the CPU of one of several processes cpu:0, by which name PyTorch 2.11 loads no tensor.
torch.serialization.register_package(
    100, lambda _: None, lambda storage, location: storage if location == "cpu:0" else None
)


@dataclass(frozen=True)
class State:
    """A whole checkpoint: where the trainer left it, after how many steps, and what else the run knew."""

    folder: Path
    step: int
    facts: dict[str, Any]


class Checkpoint:
    """The trainer's checkpoints below ``folder``, which belong to one fingerprint, and what else a run keeps.

    The first process writes them. Machines that train together may share the folder or have one each.

    Args:
        fingerprint: hashes of all that a run's result depends on, by what they are of.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, str]) -> None:
        self.folder = folder
        self._fingerprint = dict(fingerprint)

    def open(self) -> None:
        """Make the folder this run's, in every process, with the first one's last whole checkpoint in it.

        Raises:
            UserError: the processes would not train the same.
        """
        first, *others = shares.told_by_all(self._fingerprint)
        for number, other in enumerate(others, 1):
            if other != first:
                differing = " and ".join(name for name in first if other.get(name) != first[name])
                raise UserError(
                    f"process {number} has other {differing} than the first: give every machine the same "
                    "commit, params.yaml and environment, and `dvc pull` the same data there"
                )
        with shares.first_one_then_one_a_machine():
            self._claim()
        self._bring()

    def _claim(self) -> None:
        """Remove what another run left in the folder; one log line says so."""
        mark = self.folder / "run.json"
        stored = json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() else None
        if stored == self._fingerprint:
            return
        left = self.load() if stored is not None else None
        if stored is not None and left is not None:
            changed = [name for name, digest in self._fingerprint.items() if stored.get(name) != digest]
            log.warning(
                "training starts anew: an earlier run stopped after step %d, but since then other %s",
                left.step,
                " and ".join(changed),
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        write_json(mark, self._fingerprint)

    def _bring(self) -> None:
        """Give machines that do not see the first process's folder a copy of its last whole checkpoint.

        It is small, an adapter and twice as much by the optimizer, and goes through memory.
        """
        state = self.load()
        own = None if state is None else (state.step, state.facts)
        first, *others = shares.told_by_all(own)
        if all(other == first for other in others):
            return
        files = {} if state is None else {file.name: file.read_bytes() for file in state.folder.iterdir()}
        files = shares.told_by_the_first(files)
        if shares.is_first_of_machine() and own != first:
            for folder in self.folder.glob("checkpoint-*"):
                shutil.rmtree(folder)
            if first is not None:
                folder = self.folder / f"checkpoint-{first[0]}"
                folder.mkdir()
                for name in sorted(files, key=lambda name: name == _SEAL):  # the seal last
                    (folder / name).write_bytes(files[name])
        shares.wait_for_all()

    def load(self) -> State | None:
        """The last whole checkpoint."""
        whole = []
        for folder in self.folder.glob("checkpoint-*"):
            if (folder / _SEAL).is_file():
                facts = json.loads((folder / _SEAL).read_text(encoding="utf-8"))
                whole.append(State(folder, int(folder.name.rsplit("-", 1)[1]), facts))
        return max(whole, key=lambda state: state.step, default=None)

    def seal(self, step: int, facts: Mapping[str, Any]) -> None:
        """Mark the checkpoint that the trainer wrote after ``step`` steps as whole."""
        write_json(self.folder / f"checkpoint-{step}" / _SEAL, facts)

    def clear(self) -> None:
        """Remove the folder once every process has come here: the results are written."""
        shares.wait_for_all()
        if shares.is_first_of_machine():
            shutil.rmtree(self.folder, ignore_errors=True)


def digest_of_code() -> str:
    """A hash of every module that training runs, and of the libraries' versions."""
    versions = [module.__version__ for module in (torch, transformers, peft, trl)]
    code = files_digest([ROOT / name for name in code_files("stages/train.py")], root=ROOT)
    return value_digest([platform.python_version(), versions, code])


def digest_of_model(base: str, revision: str | None, commit: str | None) -> str:
    """A hash of the base model: of its files if it is a folder, else of the commit that was loaded."""
    folder = Path(base)
    if not folder.is_dir():
        return value_digest([base, revision, commit])
    return files_digest([folder], root=folder)

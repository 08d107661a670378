"""Checkpoints of an interrupted training run, resumed only if nothing that matters has changed."""

from __future__ import annotations

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
from schematic_reader.config import Params
from schematic_reader.io.checked import (
    damaged_file,
    digests,
    read_checked_json,
    set_aside,
    write_checked_json,
)
from schematic_reader.io.files import sync_to_disk
from schematic_reader.io.fingerprint import files_digest, value_digest
from schematic_reader.model import distributed
from schematic_reader.model.load import base_digest
from schematic_reader.training.examples import Examples
from schematic_reader.training.initial_adapter import InitialAdapter

log = logging.getLogger(__name__)

_COMPLETE = "complete.json"  # in each checkpoint, written last
_COMPLETE_IN_0_1 = "whole.json"  # its name in version 0.1, whose checkpoints cannot be resumed

# Accelerate calls the CPU of one of several processes cpu:0, from which PyTorch 2.11 loads no tensor.
torch.serialization.register_package(
    100, lambda _: None, lambda storage, location: storage if location == "cpu:0" else None
)


@dataclass(frozen=True)
class SavedState:
    """A complete checkpoint: the trainer's folder, the steps done, and the state of the loss log."""

    folder: Path
    step: int
    loss_log: dict[str, Any]


class Checkpoint:
    """The trainer's checkpoints below ``folder``, which belong to one fingerprint of a run.

    Rank 0 writes them. Nodes that train together may share the folder or have one each. A checkpoint is
    complete if its last file names it so and the SHA-256 of each other file is the one noted there.

    Args:
        fingerprint: hashes of all that a run's result depends on, by what they are of.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, str]) -> None:
        self.folder = folder
        self._fingerprint = dict(fingerprint)

    def open(self) -> None:
        """Make the folder this run's, on every rank, with rank 0's last complete checkpoint in it.

        Raises:
            UserError: the ranks would not train the same.
        """
        main, *others = distributed.all_gather_object(self._fingerprint)
        for rank, other in enumerate(others, 1):
            if other != main:
                different = " and ".join(name for name in main if other.get(name) != main[name])
                raise UserError(
                    f"rank {rank} runs different {different} from rank 0: give every machine the same "
                    "commit, params.yaml and environment, and `dvc pull` the same data there"
                )
        with distributed.main_process_first():
            self._discard_if_stale()
        self._sync_to_nodes()

    def _discard_if_stale(self) -> None:
        """Remove what another run left in the folder; one log line says so."""
        self._set_aside_damaged()
        run = self.folder / "run.json"
        saved, stored = self.load(), read_checked_json(run)
        if stored is None and saved and (contents := self._contents(saved.folder)):
            stored = dict(contents["run"])  # run.json is damaged; each checkpoint has a copy
            write_checked_json(run, stored)
        if stored == self._fingerprint:
            return
        if stored is not None and saved is not None:
            changed = [name for name, digest in self._fingerprint.items() if stored.get(name) != digest]
            log.warning(
                "training restarts: an earlier run stopped after step %d, but these have changed since: %s",
                saved.step,
                ", ".join(changed),
            )
        elif any(self.folder.glob(f"checkpoint-*/{_COMPLETE_IN_0_1}")):
            log.warning(
                "training restarts: the checkpoints in %s are of version 0.1, which this one cannot "
                "resume; to finish such a run, check out the commit that started it before you train again",
                self.folder,
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        write_checked_json(run, self._fingerprint)

    def _set_aside_damaged(self) -> None:
        """Rename the checkpoints that were complete and are damaged; a log line for each says so."""
        for marker in self.folder.glob(f"checkpoint-*/{_COMPLETE}"):
            if self._contents(marker.parent) is None:
                set_aside(marker.parent, "training resumes from the checkpoint before, or restarts")

    def _sync_to_nodes(self) -> None:
        """Give nodes that do not see rank 0's folder a copy of its last complete checkpoint.

        It is small, an adapter and twice as much by the optimizer, and travels through memory.
        """
        # 1) Compare what each rank sees.
        saved = self.load()
        own = None if saved is None else (saved.step, saved.loss_log)
        main, *others = distributed.all_gather_object(own)
        if all(other == main for other in others):
            return
        # 2) Send rank 0's files to all.
        files = {} if saved is None else {file.name: file.read_bytes() for file in saved.folder.iterdir()}
        files = distributed.broadcast_from_main(files)
        # 3) One process of each node without them writes them, the mark of completeness last.
        if distributed.is_local_main_process() and own != main:
            for folder in self.folder.glob("checkpoint-*"):
                shutil.rmtree(folder)
            if main is not None:
                folder = self.folder / f"checkpoint-{main[0]}"
                folder.mkdir()
                for name in sorted(files, key=lambda name: name == _COMPLETE):
                    (folder / name).write_bytes(files[name])
        distributed.barrier()

    def load(self) -> SavedState | None:
        """The last complete checkpoint."""
        steps = {int(folder.name.rsplit("-", 1)[1]): folder for folder in self.folder.glob("checkpoint-*")}
        for step, folder in sorted(steps.items(), reverse=True):
            if contents := self._contents(folder):
                return SavedState(folder, step, contents["loss_log"])
        return None

    @staticmethod
    def _contents(folder: Path) -> dict[str, Any] | None:
        """What ``mark_complete`` wrote; None where there is nothing, or it or a file is damaged."""
        contents = read_checked_json(folder / _COMPLETE)
        if contents is None or damaged_file(folder, contents["files"]):
            return None
        return contents

    def mark_complete(self, step: int, loss_log: Mapping[str, Any]) -> None:
        """Mark the checkpoint that the trainer wrote after ``step`` steps as complete, on the disk."""
        folder = self.folder / f"checkpoint-{step}"
        files = [file for file in folder.iterdir() if file.name != _COMPLETE]
        for file in files:
            sync_to_disk(file)
        contents = {"run": self._fingerprint, "loss_log": loss_log, "files": digests(files)}
        write_checked_json(folder / _COMPLETE, contents)

    def clear(self) -> None:
        """Remove the folder once every rank has come here: the results are written."""
        distributed.barrier()
        if distributed.is_local_main_process():
            shutil.rmtree(self.folder, ignore_errors=True)


def run_fingerprint(
    params: Params, splits: Mapping[str, Examples], initial: InitialAdapter | None
) -> dict[str, str]:
    """Hashes of all that the adapter depends on, by what they are of.

    Args:
        splits: the examples that are trained on and validated with.
        initial: the adapter to start from; None: a new one.

    Raises:
        UserError: there is no such base model.
    """
    profile = params.active
    groups = (profile.image, params.lora, params.train, profile.model, profile.train)
    return {
        "code": _code_digest(),
        "params": value_digest([params.seed, *map(repr, groups)]),
        "number of processes": str(distributed.world_size()),
        # An id is a hash of the sheet's content, its picture included.
        "data": value_digest([examples.rows for _, examples in sorted(splits.items())]),
        "base model": base_digest(profile.model),
        "initial adapter": "new" if initial is None else initial.digest,
    }


def _code_digest() -> str:
    """A hash of every module that training runs, and of the libraries' versions."""
    versions = [module.__version__ for module in (torch, transformers, peft, trl)]
    code = files_digest([ROOT / name for name in code_files("stages/train.py")], root=ROOT)
    return value_digest([platform.python_version(), versions, code])

"""Checkpoints of an interrupted training run, resumed only if nothing that matters has changed."""

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
from schematic_reader.config import Params
from schematic_reader.io.files import write_json
from schematic_reader.io.fingerprint import files_digest, value_digest
from schematic_reader.model import distributed
from schematic_reader.model.load import base_digest
from schematic_reader.training.examples import Examples

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

    Rank 0 writes them. Nodes that train together may share the folder or have one each.

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
        run = self.folder / "run.json"
        stored = json.loads(run.read_text(encoding="utf-8")) if run.is_file() else None
        if stored == self._fingerprint:
            return
        saved = self.load()
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
        write_json(run, self._fingerprint)

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
        complete = []
        for folder in self.folder.glob("checkpoint-*"):
            if (folder / _COMPLETE).is_file():
                loss_log = json.loads((folder / _COMPLETE).read_text(encoding="utf-8"))
                complete.append(SavedState(folder, int(folder.name.rsplit("-", 1)[1]), loss_log))
        return max(complete, key=lambda saved: saved.step, default=None)

    def mark_complete(self, step: int, loss_log: Mapping[str, Any]) -> None:
        """Mark the checkpoint that the trainer wrote after ``step`` steps as complete."""
        write_json(self.folder / f"checkpoint-{step}" / _COMPLETE, loss_log)

    def clear(self) -> None:
        """Remove the folder once every rank has come here: the results are written."""
        distributed.barrier()
        if distributed.is_local_main_process():
            shutil.rmtree(self.folder, ignore_errors=True)


def run_fingerprint(params: Params, splits: Mapping[str, Examples]) -> dict[str, str]:
    """Hashes of all that the adapter depends on, by what they are of.

    Args:
        splits: the examples that are trained on and validated with.

    Raises:
        UserError: there is no such base model.
    """
    profile = params.active
    groups = (params.image, params.lora, params.train, profile.model, profile.train)
    return {
        "code": _code_digest(),
        "params": value_digest([params.seed, *map(repr, groups)]),
        "number of processes": str(distributed.world_size()),
        # An id is a hash of the sheet's content, its picture included.
        "data": value_digest([examples.rows for _, examples in sorted(splits.items())]),
        "base model": base_digest(profile.model),
    }


def _code_digest() -> str:
    """A hash of every module that training runs, and of the libraries' versions."""
    versions = [module.__version__ for module in (torch, transformers, peft, trl)]
    code = files_digest([ROOT / name for name in code_files("stages/train.py")], root=ROOT)
    return value_digest([platform.python_version(), versions, code])

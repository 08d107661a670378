"""One process for each visible GPU: a stage starts itself again under accelerate and shares the work out."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import gather_object

T = TypeVar("T")


def run_on_every_gpu(module: str, *, device: str) -> bool:
    """Run ``module`` once for each visible GPU, where there are several, and wait.

    Args:
        device: as the profile's ``model.device`` names it.

    Returns:
        False where this process is to do the work itself: it is one of those that were started, there are
        fewer than two GPUs, or the profile asks for the CPU.

    Raises:
        SystemExit: one of the processes failed; it has said why.
    """
    gpus = torch.cuda.device_count()
    if device == "cpu" or gpus < 2 or "WORLD_SIZE" in os.environ:
        return False
    words = f"--multi_gpu --num_machines 1 --num_processes {gpus} --mixed_precision no --dynamo_backend no"
    command = ["accelerate.commands.launch", *words.split(), "--main_process_port", "0", "-m", module]
    status = subprocess.run([sys.executable, "-m", *command], check=False).returncode
    if status:
        raise SystemExit(status)
    return True


def join_processes(*, device: str) -> int:
    """Join the other processes that share the work, take a GPU of its own, and tell its own number, from 0.

    Args:
        device: as for ``run_on_every_gpu``.
    """
    PartialState(cpu=device == "cpu" or not torch.cuda.is_available())
    return this_process()


def this_process() -> int:
    """The number of this process among those that share the work, from 0."""
    return int(PartialState().process_index)


def own_share(work: Sequence[T]) -> list[T]:
    """What of ``work`` falls to this process: every n-th of it, so that long and short work is spread."""
    state = PartialState()
    return list(work[state.process_index :: state.num_processes])


def gathered(found: dict[int, Any]) -> dict[int, Any]:
    """What all processes found, by number, in all of them."""
    if PartialState().num_processes == 1:
        return found
    return dict(gather_object(list(found.items())))

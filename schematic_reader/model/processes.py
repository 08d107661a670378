"""One process a GPU: starting them, and which of them this is, as torchrun and accelerate tell it."""

from __future__ import annotations

import os
import subprocess
import sys

import torch

from schematic_reader.cli import UserError


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def on_this_machine() -> int:
    """How many of them share this machine's cores."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def local_rank() -> int:
    """The number of this one on its machine, which is also that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_first() -> bool:
    """Whether this is the one that writes the results."""
    return os.environ.get("RANK", "0") == "0"


def check_launch() -> None:
    """Refuse to be one of several processes that do not know of each other.

    For a machine without a GPU, with one, or with ``--cpu``, ``accelerate launch`` says where the others are,
    but neither how many there are nor which one this is; each would train on everything and write the result.

    Raises:
        UserError: it was called so.
    """
    told = os.environ
    if {"ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"} <= set(told) and "WORLD_SIZE" not in told:
        raise UserError(
            "accelerate launch has started this process as if it were alone: add --multi_gpu to its options"
        )


def run_on_every_gpu(module: str) -> bool:
    """Run ``module`` once for each visible GPU, if there are several and this is not such a run already.

    Returns:
        Whether that was done; then nothing is left to do here.

    Raises:
        SystemExit: one of the processes failed; it has said why.
    """
    gpus = torch.cuda.device_count()
    if gpus < 2 or "LOCAL_RANK" in os.environ:
        return False
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={gpus}"]
    done = subprocess.run([sys.executable, *launcher, "-m", module], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    return True

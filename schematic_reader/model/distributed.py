"""Ranks of a distributed run, how its processes are launched, and the collectives between them.

Rank and world size are those of the environment, as torchrun and ``accelerate launch`` set them; a run
without a launcher is rank 0 of 1. Objects travel through accelerate, over NCCL between GPUs and gloo between
CPUs.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from schematic_reader.cli import UserError
from schematic_reader.model.peer_watch import PeerWatch

if TYPE_CHECKING:
    from schematic_reader.model.device import Device

T = TypeVar("T")

TIMEOUT = timedelta(
    hours=2
)  # of a collective: one rank may load a model or have longer sheets than the others

_watch: PeerWatch | None = None  # of this process, from ``init`` to ``shutdown``


def rank() -> int:
    """Rank of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Number of processes of the run, on all nodes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Rank of this process on its node, which is also the index of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_world_size() -> int:
    """Number of processes on this node; they share its cores."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this is rank 0, which writes the results."""
    return rank() == 0


def is_local_main_process() -> bool:
    """Whether this is the process that does what is done once per node."""
    return local_rank() == 0


def check_launch() -> None:
    """Refuse a launch of several processes that do not know of each other.

    For a node without a GPU, with one, or with ``--cpu``, ``accelerate launch`` sets the address of the main
    process but neither world size nor rank; each process would train on everything and write the result.

    Raises:
        UserError: this process was launched so.
    """
    environment = os.environ
    if {"ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"} <= set(environment) and "WORLD_SIZE" not in environment:
        raise UserError(
            "accelerate launch has started this process as if it were alone: add --multi_gpu to its options"
        )


def run_on_every_gpu(module: str) -> bool:
    """Run ``module`` in one process per visible GPU, if there are several and this is not such a process.

    Returns:
        Whether that was done; then nothing is left to do here.

    Raises:
        SystemExit: one of the processes failed and has printed why.
    """
    gpus = torch.cuda.device_count()
    if gpus < 2 or "LOCAL_RANK" in os.environ:
        return False
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as torchrun does
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=gpus,
        run_id=module,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    logging.disable(logging.ERROR)  # the launcher's pages about a process that has told its error in a line
    try:
        elastic_launch(config, sys.executable)("-u", "-m", module)
    except ChildFailedError as error:
        # One that was killed says nothing; the others do, unless they were as well, or had not met yet.
        if all(failure.exitcode < 0 for failure in error.failures.values()):
            rank, failure = error.get_first_failure()
            raise UserError(
                f"rank {rank} of {module} was ended by {failure.signal_name()}: run the same command again"
            ) from None
        raise SystemExit(1) from None
    except SignalException as error:
        if error.sigval == signal.SIGINT:
            raise KeyboardInterrupt from None
        raise SystemExit(128 + error.sigval) from None
    finally:
        logging.disable(logging.NOTSET)
    return True


def init(device: Device) -> int:
    """Initialise the process group, if there are several processes; returns the rank.

    From then on until ``shutdown`` a rank ends soon after another one has died.
    """
    global _watch
    PartialState(cpu=device.name == "cpu", timeout=TIMEOUT)
    if world_size() > 1 and _watch is None:
        address = os.environ["MASTER_ADDR"]
        _watch = PeerWatch(rank(), _speaks_of, address, broadcast_from_main)
    return rank()


def _speaks_of(dead: int) -> bool:
    """Whether this rank says that ``dead`` has died: the first of its node that is left."""
    return local_rank() == 0 or (local_rank() == 1 and dead == rank() - 1)


def shutdown() -> None:
    """Leave the process group, if there is one: the ranks have nothing more to tell each other."""
    global _watch
    if _watch is not None:
        _watch.stop()
        _watch = None
    if dist.is_initialized():
        dist.destroy_process_group()


def shard_for_rank(items: Sequence[T]) -> list[T]:
    """This rank's share of ``items``: every ``world_size``-th, so that long and short ones are spread."""
    return list(items[rank() :: world_size()])


def gather_dict(values: dict[int, Any]) -> dict[int, Any]:
    """The union of the ranks' dictionaries, on every rank."""
    if world_size() == 1:
        return values
    return dict(gather_object(list(values.items())))


def all_gather_object(value: T) -> list[T]:
    """The ``value`` of each rank in order of rank, on every rank."""
    return list(gather_object([value])) if world_size() > 1 else [value]


def broadcast_from_main(value: T) -> T:
    """The ``value`` of rank 0, on every rank."""
    values = [value]
    if world_size() > 1:
        broadcast_object_list(values)
    return values[0]


@contextmanager
def main_process_first() -> Iterator[None]:
    """Run the block on rank 0, then on the local main process of every other node, then on the rest.

    So it is done once per folder, whether nodes share it or not, and the later ones find it done.
    """
    state = PartialState()
    with state.main_process_first(), state.local_main_process_first():
        yield


def barrier() -> None:
    """Wait until every rank has come here."""
    PartialState().wait_for_everyone()

"""Work that several processes share out among themselves (``processes`` starts them), through accelerate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from schematic_reader.model.device import Device

T = TypeVar("T")

_PATIENCE = timedelta(hours=2)  # of processes that wait for one that loads a model or has longer sheets


def join(device: Device) -> int:
    """Join the other processes, if there are any, and tell this one's number among them, from 0."""
    PartialState(cpu=device.name == "cpu", timeout=_PATIENCE)
    return this_process()


def this_process() -> int:
    """The number of this process, from 0."""
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


def told_by_all(value: T) -> list[T]:
    """What each process has for ``value``, by its number, in all of them."""
    return list(gather_object([value])) if PartialState().num_processes > 1 else [value]


def told_by_the_first(value: T) -> T:
    """What the first process has for ``value``, in all of them."""
    values = [value]
    if PartialState().num_processes > 1:
        broadcast_object_list(values)
    return values[0]


@contextmanager
def first_one_then_one_a_machine() -> Iterator[None]:
    """Run the block in the first process, then in the first one of each other machine, then in the rest.

    So it is done once a folder, whether the machines share it or not, and the others find it done.
    """
    state = PartialState()
    with state.main_process_first(), state.local_main_process_first():
        yield


def wait_for_all() -> None:
    """Go on when every process has come here."""
    PartialState().wait_for_everyone()


def is_first_of_machine() -> bool:
    """Whether this process does what is done once a machine."""
    return bool(PartialState().is_local_main_process)

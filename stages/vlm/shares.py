"""Work that several processes share out among themselves (``processes`` starts them), through accelerate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from accelerate import PartialState
from accelerate.utils import gather_object

from stages.vlm.device import Device

T = TypeVar("T")


def join(device: Device) -> int:
    """Join the other processes, if there are any, and tell this one's number among them, from 0."""
    PartialState(cpu=device.name == "cpu")
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

"""The tasks, one file each: prompt, target, parser of answers, and how items are compared."""

from __future__ import annotations

from schematic_reader.tasks import components, json_description, schematic, yaml_description
from schematic_reader.tasks.contract import Task

_TASKS: dict[str, Task] = {
    found.name: found
    for found in (components.TASK, yaml_description.TASK, json_description.TASK, schematic.TASK)
}


def task(name: str) -> Task:
    """The task of that name: components, yaml, json or schematic. Raises KeyError for any other."""
    return _TASKS[name]

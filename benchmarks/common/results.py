"""Running one side of a data benchmark in a process of its own, and keeping its figures."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

from schematic_reader.io.parallel import cores

RESULTS = Path(__file__).parents[1] / "results.jsonl"
SHARED = Path(__file__).resolve().parents[3] / "shared"
_SAMPLING = 0.1  # seconds between two looks at the memory


def record(benchmark: str, variant: str, **figures: Any) -> dict[str, Any]:
    """Append a line to ``benchmarks/results.jsonl``, print it and return it.

    The device is told by its cores and what they had to do besides: the load average of the last minute.
    """
    device = f"{cores()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}"
    line = {"benchmark": benchmark, "date": date.today().isoformat(), "device": device, "variant": variant}
    line |= figures
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(json.dumps(line))
    return line


def measured(module: str, *words: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """Run ``python -m MODULE WORDS``, whose last line of stdout is a JSON object, and return that.

    ``peak_mib`` is added: the largest sum of the resident memory of the process and its children. Pages that
    they share are counted for each.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(resident, _tree(process.pid))))
        time.sleep(_SAMPLING)
    if process.returncode or process.stdout is None:
        raise SystemExit(f"{module} {' '.join(words)} ended with {process.returncode}")
    found: dict[str, Any] = json.loads(process.stdout.read().splitlines()[-1])
    return {**found, "peak_mib": round(peak / 2**20)}


def _tree(pid: int) -> list[int]:
    """The process and all that come from it."""
    try:
        tasks = [path / "children" for path in Path(f"/proc/{pid}/task").iterdir()]
        children = [int(child) for task in tasks for child in task.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(grandchild for child in children for grandchild in _tree(child))]


def resident(pid: int) -> int:
    """Resident bytes of a process, 0 if it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def folder_bytes(folder: Path) -> int:
    """The size of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

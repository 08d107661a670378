"""What came of one file: rows, and in a line each what is left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schematic_reader.io.outside_paths import reason_of


@dataclass(slots=True)
class Imported:
    """Rows in the raw schema; ``left_out`` has a line for each file left out, ``notes`` what else to know.

    ``files`` are the KiCad sheets that were read, resolved.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)

    def leave_out(self, path: Path, reason: object) -> None:
        """Add a line."""
        self.left_out.append(f"{path} is left out: {reason_of(reason)}")

"""The SHA-256 of an exported adapter's files, in its folder: damage is noticed before the adapter is used."""

from __future__ import annotations

from pathlib import Path

from schematic_reader.cli import UserError
from schematic_reader.io.checked import damaged_file, digests
from schematic_reader.io.files import read_json, write_json

ADAPTER_DIGESTS = "sha256.json"
"""The SHA-256 of each other file of the folder that loading it reads, by name."""

LOADED = {".jinja", ".json", ".safetensors", ".txt"}
"""The files of a model's or an adapter's folder that loading it reads, by suffix: none is unpickled."""


def write_adapter_digests(adapter: Path) -> None:
    """Write the list of the files that are in the folder now, but for an older list."""
    files = [file for file in adapter.iterdir() if file.suffix in LOADED and file.name != ADAPTER_DIGESTS]
    write_json(adapter / ADAPTER_DIGESTS, digests(files))


def check_adapter(adapter: Path) -> None:
    """Compare the files of an adapter's folder with the SHA-256 that were noted when it was exported.

    A folder without such a list, as another trainer writes it, is taken as it is.

    Raises:
        UserError: a file is damaged or missing.
    """
    if not (adapter / ADAPTER_DIGESTS).is_file():
        return
    if name := damaged_file(adapter, read_json(adapter / ADAPTER_DIGESTS, "train")):
        raise UserError(
            f"{adapter / name} is not the file that was exported: get the adapter anew, as by `dvc checkout "
            f"--force`; after an edit on purpose, delete {adapter / ADAPTER_DIGESTS}"
        )

"""The folder of raw shards and its manifest, which is written last: if it exists, the rows are complete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from schematic_reader.cli import UserError
from schematic_reader.io.data_paths import is_there, paths_state
from schematic_reader.io.files import damaged_json, read_json, write_json
from schematic_reader.io.fingerprint import file_digest

MANIFEST = "manifest.json"
_SYNTHETIC = "synthetic-"


def shard_name(number: int) -> str:
    """The file name of shard ``number``, from 0."""
    return f"shard-{number:05d}.parquet"


def synthetic_name(number: int) -> str:
    """The file name of shard ``number``, from 0, of synthetic sheets, which are for training only."""
    return f"{_SYNTHETIC}{number:05d}.parquet"


def is_synthetic(shard: Path) -> bool:
    """Whether a shard holds synthetic sheets."""
    return shard.name.startswith(_SYNTHETIC)


def write_manifest(
    folder: Path, origins: Iterable[str], about: Mapping[str, Any], *, synthetic: int = 0
) -> dict[str, Any]:
    """Write and return the manifest of the shards in ``folder``.

    Args:
        origins: of each shard of the source in order, where its rows came from.
        about: the first keys of the manifest: source, id, revision, columns.
        synthetic: how many shards of synthetic sheets there are; they come last.
    """
    named = [(shard_name(number), origin) for number, origin in enumerate(origins)]
    named += [(synthetic_name(number), "synthetic") for number in range(synthetic)]
    shards = []
    for name, origin in named:
        path = folder / name
        rows = pq.read_metadata(path).num_rows
        shards.append(
            {
                "file": path.name,
                "origin": origin,
                "rows": rows,
                "bytes": path.stat().st_size,
                "sha256": file_digest(path),
            }
        )
    manifest = {
        **about,
        "rows": sum(shard["rows"] for shard in shards),
        "synthetic": sum(shard["rows"] for shard in shards[len(named) - synthetic :]),
        "shards": shards,
    }
    write_json(folder / MANIFEST, manifest)
    return manifest


def changed_source(folder: Path) -> str | None:
    """A line that says so where local files that the shards of ``folder`` came from have changed."""
    manifest = read_json(folder / MANIFEST, "fetch")
    path = manifest.get("path") or []
    paths = [path] if isinstance(path, str) else path
    # Where none is there, the rows were pulled by somebody who does not have the files.
    if "state" not in manifest or not any(map(is_there, paths)) or paths_state(paths) == manifest["state"]:
        return None
    return (
        f"{', '.join(paths)} has changed since its rows were fetched: run `dvc repro --force fetch` to read "
        "it anew"
    )


def raw_shards(folder: Path) -> list[Path]:
    """The shards that the manifest of ``folder`` lists, in order, synthetic ones last.

    Raises:
        UserError: the manifest is missing, or a shard is missing or not of the manifest's size.
    """
    manifest = read_json(folder / MANIFEST, "fetch", ("shards",))
    try:
        named = [(folder / shard["file"], shard["bytes"]) for shard in manifest["shards"]]
    except (KeyError, TypeError):
        raise damaged_json(folder / MANIFEST, "fetch") from None
    for path, size in named:
        if not path.is_file() or path.stat().st_size != size:
            raise UserError(f"{path} is missing or cut short: run `dvc repro --force fetch`")
    return [path for path, _ in named]

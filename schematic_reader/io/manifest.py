"""The folder of raw shards and its manifest, which is written last: if it exists, the rows are complete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from schematic_reader.cli import UserError
from schematic_reader.io.data_paths import is_there, paths_state
from schematic_reader.io.files import damaged_json, read_json, write_json
from schematic_reader.io.fingerprint import file_digest

MANIFEST = "manifest.json"
_SYNTHETIC = "synthetic-"
_FIXED_TEST = "test-"


def shard_name(number: int) -> str:
    """The file name of shard ``number``, from 0."""
    return f"shard-{number:05d}.parquet"


def synthetic_name(number: int) -> str:
    """The file name of shard ``number``, from 0, of synthetic sheets, which are for training only."""
    return f"{_SYNTHETIC}{number:05d}.parquet"


def is_synthetic(shard: Path) -> bool:
    """Whether a shard holds synthetic sheets."""
    return shard.name.startswith(_SYNTHETIC)


def fixed_test_name(number: int) -> str:
    """The file name of shard ``number``, from 0, of the fixed test set (``data.test_path``)."""
    return f"{_FIXED_TEST}{number:05d}.parquet"


def is_fixed_test(shard: Path) -> bool:
    """Whether a shard holds rows of the fixed test set."""
    return shard.name.startswith(_FIXED_TEST)


def write_manifest(
    folder: Path,
    origins: Iterable[str],
    about: Mapping[str, Any],
    *,
    fixed_test: Sequence[str] = (),
    synthetic: int = 0,
) -> dict[str, Any]:
    """Write and return the manifest of the shards in ``folder``.

    Args:
        origins: of each shard of the source in order, where its rows came from.
        about: the first keys of the manifest: source, id, revision, columns.
        fixed_test: the origins of the shards of the fixed test set, which come behind those of the source.
        synthetic: how many shards of synthetic sheets there are; they come last.
    """
    named = [(shard_name(number), origin) for number, origin in enumerate(origins)]
    named += [(fixed_test_name(number), origin) for number, origin in enumerate(fixed_test)]
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
        "synthetic": sum(shard["rows"] for shard in shards if is_synthetic(Path(shard["file"]))),
        "shards": shards,
    }
    if fixed_test:
        manifest["fixed_test"] = sum(shard["rows"] for shard in shards if is_fixed_test(Path(shard["file"])))
    write_json(folder / MANIFEST, manifest)
    return manifest


def changed_source(folder: Path) -> str | None:
    """A line that says so where local files that the shards of ``folder`` came from have changed."""
    manifest = read_json(folder / MANIFEST, "fetch")
    for key, state in (("path", "state"), ("test_path", "test_state")):
        named = manifest.get(key) or []
        paths = [named] if isinstance(named, str) else named
        # Where none is there, the rows were pulled by somebody who does not have the files.
        if state in manifest and any(map(is_there, paths)) and paths_state(paths) != manifest[state]:
            return (
                f"{', '.join(paths)} has changed since its rows were fetched: run `dvc repro --force fetch` "
                "to read it anew"
            )
    return None


def raw_shards(folder: Path) -> list[Path]:
    """The shards that the manifest of ``folder`` lists: of the source, the fixed test set, synthetic ones.

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

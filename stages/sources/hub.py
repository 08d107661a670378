"""Rows from a data set on the Hugging Face Hub, at a pinned commit.

Only the needed columns are read, by range requests: today's Open Schematics holds some 50 times as much in
pictures of circuit boards. ``HF_TOKEN`` and ``HF_ENDPOINT`` are taken from the environment alone.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import HfApi, HfFileSystem
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # of httpx or httpx2, whichever this huggingface_hub is built on
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from stages.sources.shards import Shard, Source, map_columns, read_batches
from stages.store.errors import UserError


def open_hub(repository: str, revision: str) -> Source:
    """All ``*.parquet`` of the data set ``repository`` at the 40-hex commit ``revision``, by name.

    The columns of the first file are checked now, those of the others when they are read.

    Raises:
        UserError: the Hub cannot be reached or refuses, the data set or the commit is not there, or it holds
            no parquet in the layout of bshada/open-schematics.
    """
    for name in ("httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)  # a line for every range request otherwise
    endpoint, token = os.environ.get("HF_ENDPOINT"), os.environ.get("HF_TOKEN") or False
    with _hub_errors(repository, revision):
        info = HfApi(endpoint=endpoint, token=token).dataset_info(repository, revision=revision)
        files = sorted(file.rfilename for file in info.siblings or [] if file.rfilename.endswith(".parquet"))
    if not files:
        raise UserError(
            f"the data set {repository} holds no parquet at {revision}: check profiles.*.data.id and revision"
        )
    folder = f"datasets/{repository}@{revision}"
    system = HfFileSystem(endpoint=endpoint, token=token)
    with _hub_errors(repository, revision), _open(system, f"{folder}/{files[0]}") as first:
        columns = map_columns(first.schema_arrow, f"{repository}/{files[0]}")

    def batches(name: str) -> Iterator[pa.RecordBatch]:
        with _hub_errors(repository, revision), _open(system, f"{folder}/{name}") as file:
            yield from read_batches(file, map_columns(file.schema_arrow, f"{repository}/{name}"))

    return Source([Shard(name, partial(batches, name)) for name in files], columns, pinned=True)


@contextmanager
def _open(system: HfFileSystem, path: str) -> Iterator[pq.ParquetFile]:
    """A remote parquet file of which only the ranges asked for are downloaded, neighbours in one request."""
    with system.open(path, "rb", cache_type="none") as raw, pq.ParquetFile(raw, pre_buffer=True) as file:
        yield file


@contextmanager
def _hub_errors(repository: str, revision: str) -> Iterator[None]:
    """Turn what the Hub and its client raise into one line that names the fix."""
    token = "HF_TOKEN is set" if os.environ.get("HF_TOKEN") else "HF_TOKEN is not set"
    try:
        yield
    except HFValidationError:
        raise UserError(
            f"profiles.*.data.id is {repository!r}: it must be a data set such as owner/name"
        ) from None
    except OfflineModeIsEnabled:
        raise UserError("HF_HUB_OFFLINE is set: unset it to read from the Hub, or use source local") from None
    except GatedRepoError:
        raise UserError(
            f"the data set {repository} is gated ({token}): accept its terms on its page and set HF_TOKEN "
            "to a token of that account"
        ) from None
    except RevisionNotFoundError:
        raise UserError(
            f"the data set {repository} has no commit {revision}: check profiles.*.data.revision"
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            f"the data set {repository} does not exist or is private ({token}): check profiles.*.data.id, "
            "and set HF_TOKEN to a token that may read it"
        ) from None
    except HfHubHTTPError as error:
        raise UserError(_refusal(repository, error, token)) from None
    except HTTPError as error:
        raise UserError(
            f"the Hub cannot be reached ({type(error).__name__}: {error}): check the network and "
            "HF_ENDPOINT, then run the same command again; finished shards are kept"
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"a parquet file of {repository} at {revision} cannot be read ({error}): run the same command "
            "again, or choose another commit in profiles.*.data.revision"
        ) from None


def _refusal(repository: str, error: HfHubHTTPError, token: str) -> str:
    """What to do about a refusal that has no class of its own."""
    status = error.response.status_code
    if status in (401, 403):
        return f"the Hub refuses {repository} ({status}, {token}): set HF_TOKEN to a token that may read it"
    if status == 429:
        return f"the Hub limits the rate of requests (429, {token}): wait some minutes, then run it again"
    return f"the Hub answers {status} for {repository}: run the same command later; finished shards are kept"

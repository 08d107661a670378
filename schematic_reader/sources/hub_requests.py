"""Byte ranges of files on the Hugging Face Hub: retried and verified, errors in one line.

``HF_TOKEN`` and ``HF_ENDPOINT`` are taken from the environment alone.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pyarrow as pa
from huggingface_hub import constants, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # of httpx or httpx2, whichever this huggingface_hub is built on
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import DatasetInfo
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_backoff, validate_repo_id

from schematic_reader.cli import UserError, malformed_token

_RETRIES = 6  # after 1, 2, 4, 8, 16 and 32 seconds, or what Retry-After says
_MAX_WAIT = 32.0  # seconds
_TIMEOUT = 60.0  # seconds without a byte


class WrongRangeError(Exception):
    """The response holds other bytes than the requested range."""


@dataclass(frozen=True)
class Hub:
    """A data set at a commit, as the environment lets it be read."""

    repository: str
    revision: str
    endpoint: str = field(
        default_factory=lambda: os.environ.get("HF_ENDPOINT", "").rstrip("/") or constants.ENDPOINT
    )
    token: str | bool = field(default_factory=lambda: os.environ.get("HF_TOKEN") or False, repr=False)

    def info(self) -> DatasetInfo:
        """Commit, licence, and names and sizes of the files.

        Raises:
            UserError: ``HF_TOKEN`` cannot be a token, or it is not the Hub that answers.
        """
        if line := malformed_token():
            raise UserError(line)
        validate_repo_id(self.repository)
        revision = quote(self.revision, safe="")
        url = f"{self.endpoint}/api/datasets/{self.repository}/revision/{revision}?blobs=true"
        response = self._get(url)
        try:
            return DatasetInfo(**response.json())
        except (ValueError, TypeError, KeyError):
            raise UserError(
                f"{self.endpoint} does not answer as the Hub does: check HF_ENDPOINT, and whether a proxy or "
                "a log-in page of the network stands between"
            ) from None

    def read(self, name: str, size: int, first: int, count: int) -> bytes:
        """``count`` bytes from ``first`` of a file that is ``size`` bytes long.

        Raises:
            WrongRangeError: other bytes are served.
        """
        url = hf_hub_url(
            self.repository, name, repo_type="dataset", revision=self.revision, endpoint=self.endpoint
        )
        last = first + count - 1
        response = self._get(url, Range=f"bytes={first}-{last}")
        if response.status_code != 206:
            raise WrongRangeError(f"{name} is not served by ranges (status {response.status_code})")
        expected, served = f"bytes {first}-{last}/{size}", response.headers.get("Content-Range")
        data: bytes = response.content
        if served != expected or len(data) != count:
            raise WrongRangeError(f"{name}: got {served} ({len(data)} bytes), asked for {expected}")
        return data

    def _get(self, url: str, **headers: str) -> Any:
        """The whole response to a GET, retried with backoff after 429, 5xx and broken connections."""
        response = http_backoff(
            "GET",
            url,
            headers={**build_hf_headers(token=self.token), **headers},
            timeout=_TIMEOUT,
            follow_redirects=True,
            max_retries=_RETRIES,
            max_wait_time=_MAX_WAIT,
        )
        hf_raise_for_status(response)
        return response

    def page(self) -> str:
        """The data set's page, where its terms are."""
        return f"{self.endpoint}/datasets/{self.repository}"


class RemoteFile(io.RawIOBase):
    """A file on the Hub as pyarrow reads it: exactly the bytes that are read are downloaded.

    ``HfFileSystem`` does not verify that a response is the requested range (benchmarks/RESULTS.md).
    """

    def __init__(self, hub: Hub, name: str, size: int) -> None:
        self._hub, self._name, self._size = hub, name, size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def size(self) -> int:
        return self._size

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._size - self._position)
        count = left if count is None or count < 0 else min(count, left)
        if not count:
            return b""
        data = self._hub.read(self._name, self._size, self._position, count)
        self._position += count
        return data


@contextmanager
def hub_errors(hub: Hub, name: str = "") -> Iterator[None]:
    """Turn what the Hub and its client raise into one line that names the fix.

    Args:
        name: of the file that is read, if it is one.
    """
    repository, revision = hub.repository, hub.revision
    token = "HF_TOKEN is set" if hub.token else "HF_TOKEN is not set"
    again = "run the same command again; finished shards are kept"
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
            f"to a token of that account: {hub.page()}"
        ) from None
    except RevisionNotFoundError:
        raise UserError(
            f"the data set {repository} has no commit {revision}: check profiles.*.data.revision"
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            f"the data set {repository} does not exist or is private ({token}): check profiles.*.data.id, "
            f"and set HF_TOKEN to a token that may read it (commit {revision})"
        ) from None
    except HfHubHTTPError as error:
        raise UserError(_refusal(hub, name, error.response.status_code, token)) from None
    except HTTPError as error:
        raise UserError(
            f"the Hub cannot be reached ({type(error).__name__}: {error}): check the network and "
            f"HF_ENDPOINT, then {again}"
        ) from None
    except WrongRangeError as error:
        raise UserError(f"the Hub serves {repository} at {revision} wrongly ({error}): {again}") from None
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{name} of {repository} at {revision} is no readable parquet file ({error}): run the same "
            "command again, or choose another commit in profiles.*.data.revision"
        ) from None


def _refusal(hub: Hub, name: str, status: int, token: str) -> str:
    """The message for an HTTP error without a class of its own."""
    what = f"{hub.repository}{name and '/'}{name}"
    if status in (401, 403):
        return (
            f"the Hub refuses {what} ({status}, {token}): set HF_TOKEN to a token that may read it, and "
            f"accept the data set's terms, if it has any, on {hub.page()}"
        )
    if status == 404:
        return f"the Hub answers 404 for {what} at {hub.revision}: check profiles.*.data.id and revision"
    if status == 429:
        return f"the Hub limits the rate of requests (429, {token}): wait some minutes, then run it again"
    return f"the Hub answers {status} for {what}: run the same command later; finished shards are kept"

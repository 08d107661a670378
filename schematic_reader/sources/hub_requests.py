"""Byte ranges of files on the Hugging Face Hub: retried, checked, and refusals told in one line.

``HF_TOKEN`` and ``HF_ENDPOINT`` are taken from the environment alone.
"""

from __future__ import annotations

import io
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import pyarrow as pa
from huggingface_hub import HfApi, hf_hub_url
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
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from schematic_reader.cli import UserError

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds before each further try of what the Hub refused for the moment."""

_LONGEST_WAIT = 300.0  # seconds of a Retry-After that are honoured
_TIMEOUT = 60.0  # seconds without a byte

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class CutShortError(Exception):
    """An answer holds fewer or other bytes than were asked for."""


@dataclass(frozen=True)
class Hub:
    """A data set at a commit, as the environment lets it be read."""

    repository: str
    revision: str
    endpoint: str | None = field(default_factory=lambda: os.environ.get("HF_ENDPOINT"))
    token: str | bool = field(default_factory=lambda: os.environ.get("HF_TOKEN") or False, repr=False)

    def info(self) -> DatasetInfo:
        """Commit, licence, and names and sizes of the files."""
        api = HfApi(endpoint=self.endpoint, token=self.token)
        return patiently(
            lambda: api.dataset_info(
                self.repository, revision=self.revision, files_metadata=True, timeout=_TIMEOUT
            )
        )

    def read(self, name: str, size: int, first: int, count: int) -> bytes:
        """``count`` bytes from ``first`` of a file that is ``size`` bytes long.

        Raises:
            CutShortError: the answer is not that, however often it is asked for.
        """
        url = hf_hub_url(
            self.repository, name, repo_type="dataset", revision=self.revision, endpoint=self.endpoint
        )
        headers = {**build_hf_headers(token=self.token), "Range": f"bytes={first}-{first + count - 1}"}

        def attempt() -> bytes:
            with get_session().stream(
                "GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=True
            ) as answer:
                if answer.status_code != 206:
                    answer.read() if answer.status_code >= 400 else None
                    hf_raise_for_status(answer)
                    # Reading on would download the whole file.
                    raise CutShortError(f"{name} is not served by ranges (status {answer.status_code})")
                place = f"bytes {first}-{first + count - 1}/{size}"
                if answer.headers.get("Content-Range") != place:
                    found = answer.headers.get("Content-Range")
                    raise CutShortError(f"{name}: {found} was served where {place} was asked for")
                data: bytes = answer.read()
            if len(data) != count:
                raise CutShortError(f"{name}: {len(data)} of {count} bytes were served")
            return data

        return patiently(attempt)

    def page(self) -> str:
        """The data set's page, where its terms are."""
        return f"{HfApi(endpoint=self.endpoint).endpoint}/datasets/{self.repository}"


def patiently(attempt: Callable[[], Result]) -> Result:
    """The result of ``attempt``, tried again with longer and longer waits while the fault may pass.

    That is: a rate limit (429, whose Retry-After counts if it is longer), an error of the server (5xx), a
    broken or timed-out connection, an answer cut short.
    """
    for wait in WAITS:
        try:
            return attempt()
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status != 429 and status < 500:
                raise
            asked = error.response.headers.get("Retry-After", "")
            wait = min(max(wait, float(asked) if asked.isdigit() else 0.0), _LONGEST_WAIT)
            reason = f"status {status}"
        except (HTTPError, CutShortError) as error:
            reason = str(error) or type(error).__name__
        log.warning("%s: trying again in %g s", reason, wait)
        time.sleep(wait)
    return attempt()


class RemoteFile(io.RawIOBase):
    """A file on the Hub that pyarrow can read; what is read is what is downloaded."""

    def __init__(self, hub: Hub, name: str, size: int) -> None:
        self._hub, self._name, self._size = hub, name, size
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = start + offset
        return self._place

    def size(self) -> int:
        return self._size

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._size - self._place)
        count = left if count is None or count < 0 else min(count, left)
        if not count:
            return b""
        data = self._hub.read(self._name, self._size, self._place, count)
        self._place += count
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
            f"and set HF_TOKEN to a token that may read it; asked for was its commit {revision}"
        ) from None
    except HfHubHTTPError as error:
        raise UserError(_refusal(hub, name, error.response.status_code, token)) from None
    except HTTPError as error:
        raise UserError(
            f"the Hub cannot be reached ({type(error).__name__}: {error}): check the network and "
            f"HF_ENDPOINT, then {again}"
        ) from None
    except CutShortError as error:
        raise UserError(f"the Hub serves {repository} at {revision} wrongly ({error}): {again}") from None
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{name} of {repository} at {revision} is no readable parquet file ({error}): run the same "
            "command again, or choose another commit in profiles.*.data.revision"
        ) from None


def _refusal(hub: Hub, name: str, status: int, token: str) -> str:
    """What to do about a refusal that has no class of its own."""
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

"""Upload a folder to a model repository on the Hugging Face Hub, in one commit."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils import validate_repo_id

from schematic_reader.cli import UserError, malformed_token

TOKEN = "HF_TOKEN"  # noqa: S105, the name of a variable
_REPOSITORY = re.compile(r"[^/]+/[^/]+")
_WEIGHTS = re.compile(r"(adapter_)?model.*\.safetensors(\.index\.json)?|(adapter_|generation_)?config\.json")
"""Files of an earlier publication that must not stay beside the new weights."""


def check_repository(name: str) -> None:
    """Raises UserError for what cannot be the name of a repository."""
    try:
        if not _REPOSITORY.fullmatch(name):
            raise HFValidationError
        validate_repo_id(name)
    except HFValidationError:
        raise UserError(f"--repo is {name!r}: it must be a name such as owner/schematic-reader") from None


def require_token() -> str:
    """The token, from the environment and nowhere else.

    Raises:
        UserError: there is none, or none that can be a token.
    """
    token = os.environ.get(TOKEN)
    if not token:
        raise UserError(
            malformed_token()
            or f"{TOKEN} is not set: make a token with write permission in the Hub's settings and set it, or "
            "give --dry-run"
        )
    return token


def upload_folder(folder: Path, repository: str, *, private: bool, message: str, token: str) -> str:
    """Commit ``folder`` to ``repository``, created if it does not exist, and return the commit's address.

    Weights of an earlier publication that ``folder`` does not have are deleted in the same commit; other
    files there are left alone.

    Raises:
        UserError: the Hub cannot be reached or refuses, or a ``private`` repository is public.
    """
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    with _refusals(repository, api.endpoint):
        api.create_repo(repository, private=private or None, exist_ok=True)
        if private and not api.model_info(repository).private:
            raise UserError(
                f"{repository} exists and is public: make it private there, or leave out --private"
            )
        names = sorted(path.name for path in folder.iterdir())
        there = api.list_repo_files(repository)
        stale = [name for name in sorted(there) if _WEIGHTS.fullmatch(name) and name not in names]
        commit = api.create_commit(
            repository,
            operations=[
                *(CommitOperationDelete(name) for name in stale),
                *(CommitOperationAdd(name, folder / name) for name in names),
            ],
            commit_message=message,
        )
    return commit.commit_url


@contextmanager
def _refusals(repository: str, endpoint: str) -> Iterator[None]:
    """Turn errors of the Hub and its client into one line that names the fix and never the token."""
    try:
        yield
    except OfflineModeIsEnabled:
        raise UserError("HF_HUB_OFFLINE is set: unset it to publish, or give --dry-run") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403, 404):
            raise UserError(
                f"{TOKEN} has no write access to {repository} ({status}): create a token with write "
                f"permission for it at {endpoint}/settings/tokens"
            ) from None
        raise UserError(
            f"the Hub answers {status} for {repository}, where nothing was changed: try again later"
        ) from None
    except HTTPError as error:
        raise UserError(
            f"the Hub cannot be reached ({type(error).__name__}): check the network and HF_ENDPOINT, then "
            "run the same command again"
        ) from None
    except (ValueError, KeyError):  # a page instead of the Hub's JSON
        raise UserError(
            f"{endpoint} does not answer as the Hub does: check HF_ENDPOINT, and whether a proxy or a log-in "
            "page of the network stands between"
        ) from None
    except RuntimeError as error:  # what the client makes of a failed upload of a large file
        raise UserError(f"{error} Run the same command again; nothing was changed in {repository}") from None

"""What the tests share: the folder of real sheets, which skips with a visible reason where it is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.paths import shared_folder


@pytest.fixture(scope="session")
def mini() -> Path:
    """The folder with 310 real sheets."""
    return shared_folder("open-schematics-mini")


@pytest.fixture(scope="session")
def qwen3_tokenizer() -> Path:
    """The folder with the Qwen3 tokenizer."""
    return shared_folder("qwen3-tokenizer")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the pipeline has run on a handful of sheets; tests that change it take a copy."""
    from tests.support.finished import make_finished

    return make_finished(tmp_path_factory.mktemp("finished"))

"""What the tests share: data beside the checkout, one finished pipeline, a GPU where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from tests.support.paths import shared_folder

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if WORKER:
    # One thread for each worker process, set before NumPy and torch are imported: more would fight for cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a long text by its beginning and length: the ids of hostile answers would fill the report."""
    if isinstance(val, str) and len(val) > 60:
        return f"{val[:20]}...{len(val)}"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``gpu`` where there is no CUDA GPU."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA GPU")


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
    """A checkout in which the pipeline has run on a handful of sheets; tests that change it take a copy.

    The worker processes of a parallel run share it: the first that needs it makes it, others wait.
    """
    from tests.support.finished import make_finished

    folder = tmp_path_factory.mktemp("finished")
    if WORKER is None:
        return make_finished(folder)
    common = tmp_path_factory.getbasetemp().parent
    made = common / "finished.txt"
    with FileLock(common / "finished.lock"):
        if not made.exists():
            made.write_text(str(make_finished(folder)))
        return Path(made.read_text())

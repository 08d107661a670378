"""The stages and DVC see the same values in params.yaml."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from dvc.utils.serialize import parse_yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schematic_reader.cli import UserError
from schematic_reader.config import load_params
from tests.support.paths import ROOT

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
WORDS = [
    "0x1F",
    "0o17",
    "017",
    "1_000",
    "1:30",
    "yes",
    "No",
    "on",
    "true",
    "null",
    "~",
    ".inf",
    "-.INF",
    ".nan",
    "1e3",
    "1.e3",
    "2026-01-31",
]
NUMBERS = st.from_regex(r"[0-9._]{1,8}([eE][-+]?[0-9a-f]{1,8})?", fullmatch=True)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.one_of(NUMBERS, st.sampled_from(WORDS)))
def test_a_scalar_is_what_dvc_reads(scalar: str) -> None:
    """No scalar here is the name of a profile: the error names the value that was read."""
    expected = parse_yaml(f"a: {scalar}", "params.yaml")["a"]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        path.write_text(TEXT.replace("profile: sample", f"profile: {scalar}", 1), encoding="utf-8")
        with pytest.raises(UserError) as caught:
            load_params(path)
    assert str(caught.value).startswith(f"params.yaml: profile is {expected!r}: it must be ")

"""The page of error lines: each is one that the code says, and the way out of DVC's empty lock works."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.checkout import dvc, git
from tests.support.commands import documented
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "trouble.md").read_text(encoding="utf-8")
LINES = [
    line
    for row in PAGE.splitlines()
    if row.startswith("| `")
    for line in re.findall(r"`([^`]+)`", row.split(" | ")[0])
]
PLACEHOLDER = re.compile(
    r"…|\bN+\b|\bX\b|PATH|STAGE|WORD|stages\.|SIGKILL|models/adapter/|\d+|: Permission denied"
    r"|shard-|\.parquet|\.safetensors|damaged-checkpoint|HF_TOKEN|vision-language model|\bprocessor\b"
)


@cache
def said() -> str:
    """All texts in the code; what an f-string fills in is a null character."""
    found = []
    for top in ("schematic_reader", "stages"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.JoinedStr(values):
                        parts = (part.value if isinstance(part, ast.Constant) else "\0" for part in values)
                        found.append("".join(map(str, parts)))
                    case ast.Constant(str(text)):
                        found.append(text)
    return "\n".join(found).replace("`", "").replace("%d", "\0").replace("%s", "\0")


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_page_is_one_that_the_code_says(line: str) -> None:
    texts = said()
    pieces = [piece.strip(" :.-_") for piece in PLACEHOLDER.split(line)]
    assert max(map(len, pieces)) > 5
    for piece in pieces:
        assert piece in texts, piece


def test_the_page_has_lines() -> None:
    assert len(LINES) > 40


def test_an_empty_lock_of_dvc_is_deleted_as_the_page_says(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    dvc(tmp_path, "init", "-q")
    dvc(tmp_path, "stage", "add", "-q", "-n", "one", "-o", "out", "echo 1 > out")
    (tmp_path / ".dvc" / "tmp").mkdir(exist_ok=True)
    (tmp_path / ".dvc" / "tmp" / "rwlock").write_bytes(b"")
    refused = dvc(tmp_path, "repro", check=False)
    line = "Unable to read RWLock-file '.dvc/tmp/rwlock'. JSON structure is corrupted"
    assert refused.returncode != 0 and line in " ".join(refused.stderr.split()) and line in PAGE
    documented("rm -f .dvc/tmp/rwlock", tmp_path)
    dvc(tmp_path, "repro")
    assert (tmp_path / "out").read_text() == "1\n"


def test_a_cut_record_of_dvc_is_restored_as_the_page_says(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    dvc(tmp_path, "init", "-q")
    for name in ("one", "two"):
        dvc(tmp_path, "stage", "add", "-q", "-n", name, "-o", name, f"echo 1 > {name}")
    dvc(tmp_path, "repro")
    git(tmp_path, "add", "-A")
    git(tmp_path, "-c", "user.name=test", "-c", "user.email=test@example.org", "commit", "-qm", "run")
    record = tmp_path / "dvc.lock"
    whole = record.read_bytes()
    record.write_bytes(whole[: whole.index(b"cmd") + 3])
    refused = dvc(tmp_path, "repro", check=False)
    line = "'./dvc.lock' validation failed"
    assert refused.returncode != 0 and line in " ".join(refused.stderr.split()) and line in PAGE
    documented("git restore dvc.lock", tmp_path)
    assert record.read_bytes() == whole
    assert "Running stage" not in dvc(tmp_path, "repro").stdout

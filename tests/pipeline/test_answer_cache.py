"""An edit that cannot change answers generates none, asked of DVC in a checkout that is reproduced."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.support.checkout import dvc, git, run_python
from tests.support.finished import copy_finished, digests

STAGES = ("baseline", "evaluate")


def generated(checkout: Path) -> dict[str, list[tuple[int, int]]]:
    """Reproduce; for each stage that answers, how many answers each call had cached and had generated."""
    done = dvc(checkout, "repro")
    found: dict[str, list[tuple[int, int]]] = {}
    # The stages' own lines are on stderr, DVC's on stdout, so the stages are told apart by their order.
    counts = re.findall(r"(\d+) answers are cached, (\d+) are generated", done.stderr)
    pairs = [(int(cached), int(made)) for cached, made in counts]
    for stage, calls in zip(STAGES, (2, 3), strict=True):
        if f"Running stage '{stage}'" in done.stdout:
            found[stage], pairs = pairs[:calls], pairs[calls:]
    assert not pairs
    return found


def edit(path: Path, comment: str) -> None:
    path.write_text(path.read_text() + f"\n# {comment}\n")


def test_an_edit_of_scoring_report_or_bootstrap_samples_generates_no_answer(
    finished: Path, tmp_path: Path
) -> None:
    checkout = copy_finished(finished, tmp_path / "checkout")
    before, rooms = digests(checkout), checkout / "schematic_reader"
    edit(rooms / "scoring" / "metrics.py", "edited")
    edit(rooms / "report" / "page.py", "edited")
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    params["evaluate"] |= {"bootstrap_samples": 60}
    (checkout / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    # Test sheets, those of them without their images, and validation sheets.
    assert generated(checkout) == {"baseline": [(4, 0), (2, 0)], "evaluate": [(4, 0), (2, 0), (4, 0)]}
    after = digests(checkout)
    for name in ("baseline", "tuned"):
        assert after[f"data/predictions/{name}.parquet"] == before[f"data/predictions/{name}.parquet"]

    # Answers that do depend on an edit are generated again, and the ones before stay for the way back.
    edit(rooms / "generation" / "grammar.py", "edited")
    assert generated(checkout) == {"baseline": [(0, 4), (0, 2)], "evaluate": [(0, 4), (0, 2), (0, 4)]}
    sets = [len(list((checkout / ".answer_cache" / name).iterdir())) for name in ("baseline", "tuned")]
    assert sets == [2, 2]


def test_git_and_dvc_ignore_the_answers_and_make_clean_deletes_them(finished: Path, tmp_path: Path) -> None:
    checkout = copy_finished(finished, tmp_path / "checkout")
    stored = sorted((checkout / ".answer_cache").rglob("*.jsonl"))
    assert len(stored) == 2
    assert ".answer_cache" not in git(checkout, "status", "--short", "--untracked-files=all")
    name = stored[0].relative_to(checkout).as_posix()
    assert dvc(checkout, "check-ignore", name).stdout.strip() == name
    run_python(checkout, "-c", "import subprocess; subprocess.run(['make', 'clean'], check=True)", check=True)
    assert not (checkout / ".answer_cache").exists()

"""What an interrupted examination keeps, and when it starts anew."""

from __future__ import annotations

import json
from pathlib import Path

from schematic_reader.generation.journal import Journal, fingerprint

A, B = {"text": "R, C", "tokens": 3}, {"text": "\ud800\n\0", "tokens": 1}


def test_a_journal_of_the_same_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / ".part" / "answers.jsonl"
    Journal(path, "one").add({"a": A})
    second = Journal(path, "one")
    assert second.values == {"a": A}
    second.add({"b": B})
    third = Journal(path, "one")
    assert third.values == {"a": A, "b": B}
    third.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_of_another_run_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    Journal(path, "one").add({"a": A})
    assert Journal(path, "two").values == {}
    assert Journal(path, "one").values == {}


def test_what_a_kill_leaves_at_any_byte_is_read_up_to_the_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    journal = Journal(path, "one")
    ends = [path.stat().st_size]
    for key, value in (("a", A), ("b", B)):
        journal.add({key: value})
        ends.append(path.stat().st_size)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        again = Journal(path, "one")
        kept = sum(size >= end for end in ends[1:])
        assert list(again.values) == ["a", "b"][:kept]
        again.add({"c": A})
        assert list(Journal(path, "one").values) == [*["a", "b"][:kept], "c"]


def test_the_fingerprint_follows_settings_and_contents(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "file").write_text("same")

    def found(settings: object = ("x", 1), name: str = "one") -> str:
        return fingerprint(settings, [tmp_path / name])

    first = found()
    assert found(json.loads('["x", 1]')) == first
    assert found(("x", 2)) != first
    (tmp_path / "one" / "inner" / "file").write_text("else")
    changed = found()
    assert changed != first
    (tmp_path / "one" / "inner" / "file").rename(tmp_path / "one" / "inner" / "other")
    assert found() not in (first, changed)


def test_what_follows_a_damaged_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    journal = Journal(path, "one")
    journal.add({"a": A})
    path.write_bytes(path.read_bytes() + b"{broken\n")
    journal.add({"b": B})
    assert Journal(path, "one").values == {"a": A}

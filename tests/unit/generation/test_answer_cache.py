"""What the answer cache stores, what makes it miss, and that an interrupted run resumes bit for bit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from schematic_reader.generation import answer_cache
from schematic_reader.generation.answer_cache import (
    AnswerCache,
    generation_code,
    generation_fingerprint,
    prompt_keys,
)
from schematic_reader.generation.settings import GenerationSettings
from schematic_reader.model.device import Device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.tasks.contract import Grammar, ModelAnswer
from tests.support.answering import LIMITS, ROWS, TINY, Rows, answerer, drawn, write_sheets
from tests.support.hub_cache import cache_on_this_machine
from tests.support.paths import ROOT

A, B = ModelAnswer("R, C", 3, "stop", [1, 2], [0.5, 0.25]), ModelAnswer("\ud800\n\0", 1, "length")
CPU = Device("cpu", torch.float32, "sdpa")


class Looked:
    """Counts the sheets that a model's vision tower is given."""

    def __init__(self, model: Any) -> None:
        self.sheets = 0
        self._hook = model.model.visual.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        grids = kwargs["grid_thw"] if "grid_thw" in kwargs else args[1]
        self.sheets += len(grids)

    def since(self) -> int:
        count, self.sheets = self.sheets, 0
        return count

    def remove(self) -> None:
        self._hook.remove()


@pytest.fixture
def looked(model: Any) -> Any:
    counter = Looked(model)
    yield counter
    counter.remove()


def only_file(folder: Path) -> Path:
    (path,) = folder.rglob("*.jsonl")
    return path


def test_answers_are_there_after_a_run_that_ended(tmp_path: Path) -> None:
    AnswerCache(tmp_path / "made", "one").add({"a": A, "b": B}, "plan")
    again = AnswerCache(tmp_path / "made", "one")
    assert (again["a"].answer, again["b"].answer, again["a"].plan) == (A, B, "plan")
    assert "c" not in again and "a" not in AnswerCache(tmp_path / "made", "two")


def test_the_newest_two_sets_are_kept_by_their_last_use(tmp_path: Path) -> None:
    for at, name in enumerate(("one", "two", "one", "three")):
        AnswerCache(tmp_path, name)
        os.utime(tmp_path / name, (at, at))
    AnswerCache(tmp_path, "three")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "three"]


def test_what_a_kill_leaves_at_any_byte_is_read_up_to_the_last_whole_entry(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path, "set")
    ends = []
    for key, value in (("a", A), ("b", B)):
        cache.add({key: value}, "plan")
        ends.append(only_file(tmp_path).stat().st_size)
    whole = only_file(tmp_path).read_bytes()
    for size in range(len(whole) + 1):
        only_file(tmp_path).write_bytes(whole[:size])
        again = AnswerCache(tmp_path, "set")
        # The last byte is the end of the line, without which the entry is whole too.
        expected = ["a", "b"][: sum(size >= end - 1 for end in ends)]
        assert [key for key in "ab" if key in again] == expected
        again.add({"c": A}, "plan")
        assert [key for key in "abc" if key in AnswerCache(tmp_path, "set")] == [*expected, "c"]


def test_a_damaged_entry_is_a_miss_and_the_others_stay(tmp_path: Path) -> None:
    AnswerCache(tmp_path, "set").add({"a": A, "b": B, "c": A}, "plan")
    path = only_file(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    for damaged in (lines[1].replace(b"length", b"lengtj"), b"{broken\n", b"\0" * 40 + b"\n", b"\n"):
        path.write_bytes(b"".join([lines[0], damaged, lines[2]]))
        again = AnswerCache(tmp_path, "set")
        assert "a" in again and "c" in again and "b" not in again


def fingerprint(folder: Path, **settings: Any) -> str:
    made = GenerationSettings(**{"batch_size": 2, "max_new_tokens": 8} | settings)
    return generation_fingerprint(replace(TINY, base=str(folder / "base")), folder / "adapter", made, CPU)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    for name in ("base", "adapter"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(name)
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")
    return tmp_path


@pytest.mark.parametrize(
    "changed",
    [
        {"max_new_tokens": 9},
        {"num_beams": 2},
        {"repetition_penalty": 1.1},
        {"grammar": Grammar("start: /a/", "")},
    ],
)
def test_the_fingerprint_follows_what_changes_answers(weights: Path, changed: dict[str, Any]) -> None:
    assert fingerprint(weights, **changed) != fingerprint(weights)


def test_the_fingerprint_follows_the_text_of_the_grammar(weights: Path) -> None:
    one, other = (fingerprint(weights, grammar=Grammar(text, "]")) for text in ("start: /a/", "start: /b/"))
    assert one != other


def test_the_fingerprint_leaves_out_what_only_batches(weights: Path) -> None:
    assert fingerprint(weights, batch_size=3, compile_from=1) == fingerprint(weights)


@pytest.mark.parametrize("name", ["base", "adapter"])
def test_the_fingerprint_follows_weights_and_not_what_is_written_about_them(weights: Path, name: str) -> None:
    first = fingerprint(weights)
    (weights / name / "README.md").write_text("about it")
    assert fingerprint(weights) == first
    (weights / name / "model.safetensors").write_bytes(b"others")
    assert fingerprint(weights) != first


def test_the_fingerprint_follows_the_precision(weights: Path) -> None:
    settings = GenerationSettings(batch_size=2, max_new_tokens=8)
    model = replace(TINY, base=str(weights / "base"))
    found = {
        generation_fingerprint(one, None, settings, device)
        for one in (model, replace(model, matmul="medium"))
        for device in (CPU, replace(CPU, dtype=torch.bfloat16), replace(CPU, attention="flash_attention_2"))
    }
    assert len(found) == 6


def test_the_fingerprint_follows_the_code_of_model_and_generation_alone(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "schematic_reader", weights / "schematic_reader")
    monkeypatch.setattr(answer_cache, "ROOT", weights)
    monkeypatch.setattr(answer_cache, "generation_code", partial(generation_code, weights))
    first = fingerprint(weights)

    def edited(name: str) -> str:
        path = weights / "schematic_reader" / name
        before = path.read_text()
        path.write_text(f"{before}\n# edited\n")
        found = fingerprint(weights)
        path.write_text(before)
        return found

    for name in ("generation/kv_cache.py", "generation/grammar.py", "model/encode.py", "model/load.py"):
        assert edited(name) != first
    for name in ("scoring/evaluation.py", "report/page.py", "training/trainer.py", "io/tables.py"):
        assert edited(name) == first


def test_the_fingerprint_of_a_base_on_the_hub_follows_its_commit(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = set()
    for commit in ("a" * 40, "b" * 40):
        cache_on_this_machine(weights / "hub", "owner/name", commit, monkeypatch)
        settings = GenerationSettings(batch_size=2, max_new_tokens=8)
        found.add(generation_fingerprint(replace(TINY, base="owner/name"), None, settings, CPU))
    assert len(found) == 2


def test_prompts_that_are_alike_have_keys_of_their_own() -> None:
    keys = prompt_keys([("image", "prompt"), ("image", "other"), ("image", "prompt")])
    assert len(set(keys)) == 3
    assert prompt_keys([("image", "prompt")]) == keys[:1]


@pytest.mark.parametrize("num_beams", [1, 2])
def test_the_model_is_asked_only_for_answers_that_are_not_there(
    tmp_path: Path, rows: Rows, model: Any, encoder: Encoder, looked: Looked, num_beams: int
) -> None:
    def ask(folder: Path, some: list[dict[str, Any]], **settings: Any) -> list[ModelAnswer]:
        cache = AnswerCache(tmp_path / "answers", "set")
        sheets = SheetImages(folder, "test", LIMITS)
        made = answerer(model, encoder, cache, **{"num_beams": num_beams, "batch_size": 1} | settings)
        return made.answer(sheets, some)

    first = ask(rows[0], rows[1][:3])
    assert looked.since() == 3
    assert ask(rows[0], rows[1][:3]) == first and looked.since() == 0
    # More sheets, another order, a smaller batch size: those that are there stay as they are.
    more = ask(rows[0], rows[1][::-1])
    assert (looked.since(), more[::-1][:3]) == (ROWS - 3, first)
    assert ask(rows[0], rows[1], batch_size=4) == more[::-1] and looked.since() == 0
    # Another picture or another prompt is another question, whatever its id.
    other = write_sheets(tmp_path / "other", [drawn(i) for i in range(3)])
    assert ask(tmp_path / "other", other) == first and looked.since() == 0
    pictures = [drawn(0), Image.new("RGB", drawn(1).size, "white"), drawn(2)]
    ask(tmp_path / "changed", write_sheets(tmp_path / "changed", pictures))
    assert looked.since() == 1
    ask(rows[0], [rows[1][0] | {"messages": rows[1][1]["messages"]}])
    assert looked.since() == 1


def test_a_model_that_has_nothing_to_answer_is_not_loaded(
    tmp_path: Path, rows: Rows, model: Any, encoder: Encoder
) -> None:
    sheets = SheetImages(rows[0], "test", LIMITS)
    whole = answerer(model, encoder, AnswerCache(tmp_path, "set")).answer(sheets, rows[1])
    idle = answerer(model, encoder, AnswerCache(tmp_path, "set"))
    idle._load_model = lambda: pytest.fail("the model is loaded")
    assert idle.answer(sheets, rows[1]) == whole


def test_answers_without_images_are_cached_apart(
    tmp_path: Path, rows: Rows, model: Any, encoder: Encoder, looked: Looked
) -> None:
    made = answerer(model, encoder, AnswerCache(tmp_path, "set"))
    sheets = SheetImages(rows[0], "test", LIMITS)
    made.answer(sheets, rows[1])
    without = made.answer(sheets, rows[1], with_image=False)
    assert looked.since() == 2 * ROWS
    assert made.answer(sheets, rows[1], with_image=False) == without
    assert looked.since() == 0


class Interrupting(AnswerCache):
    """Interrupts the run when so many answers are stored."""

    left = 2

    def add(self, answers: Mapping[str, ModelAnswer], plan: str) -> None:
        super().add(answers, plan)
        self.left -= len(answers)
        if self.left <= 0:
            raise KeyboardInterrupt


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """PyTorch's threads, as if there were so many cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("num_beams", "batch_size"), [(1, 3), (2, 2)])
@pytest.mark.parametrize("before", [0, 1])
def test_an_interrupted_run_resumes_and_ends_with_the_same_bytes(
    tmp_path: Path, rows: Rows, model: Any, encoder: Encoder, num_beams: int, batch_size: int, before: int
) -> None:
    """Also one that began with answers of a run over fewer sheets, or that answers in several threads."""

    def ask(cache: AnswerCache, count: int = ROWS) -> list[ModelAnswer]:
        made = answerer(model, encoder, cache, num_beams=num_beams, batch_size=batch_size, max_new_tokens=12)
        return made.answer(SheetImages(rows[0], "test", LIMITS), rows[1][:count])

    ask(AnswerCache(tmp_path / "whole", "set"), before)
    ask(AnswerCache(tmp_path / "interrupted", "set"), before)
    whole = ask(AnswerCache(tmp_path / "whole", "set"))
    with pytest.raises(KeyboardInterrupt):
        ask(Interrupting(tmp_path / "interrupted", "set"))
    stored = AnswerCache(tmp_path / "interrupted", "set")._answers
    assert before + 2 <= len(stored) < ROWS
    resumed = AnswerCache(tmp_path / "interrupted", "set")
    asked: list[str] = []
    add = resumed.add
    resumed.add = lambda answers, plan: (asked.extend(answers), add(answers, plan))[1]  # type: ignore[method-assign]
    assert ask(resumed) == whole
    assert set(asked).isdisjoint(stored) and len(asked) == ROWS - len(stored)
    plans = {entry.plan for entry in resumed._answers.values()}
    assert len(plans) == 1 + before

"""What serving engines get, and whether a served model answers as this project does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForImageTextToText, AutoProcessor, __version__

from benchmarks.generation import served
from schematic_reader.cli import UserError
from schematic_reader.config import load_params
from schematic_reader.generation.answerer import open_answerer
from schematic_reader.publish.card import CURVE, SHEET
from schematic_reader.scoring.evaluation import read_predictions
from schematic_reader.tasks import task
from tests.support.chat_server import MODEL, ChatServer, running_chat_server
from tests.support.commands import documented
from tests.support.finished import copy_finished
from tests.support.loopback import Handler, LoopbackServer, serving
from tests.support.paths import ROOT

PLACE = "http://localhost:8000/v1"


@pytest.fixture(scope="module")
def checkout(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_finished(finished, tmp_path_factory.mktemp("serving"))


def chat_server(checkout: Path, adapter: Path | None) -> Iterator[ChatServer]:
    """A server of the checkout's model, tuned or not."""
    with chdir(checkout):
        params = load_params()
        answerer = open_answerer(
            params.active.model, task(params.task), params.evaluate, seed=params.seed, adapter=adapter
        )
        answerer.load()
    with running_chat_server(answerer) as server:
        yield server


@pytest.fixture(scope="module")
def tuned(checkout: Path) -> Iterator[ChatServer]:
    yield from chat_server(checkout, Path("models/adapter"))


@pytest.fixture(scope="module")
def untuned(checkout: Path) -> Iterator[ChatServer]:
    yield from chat_server(checkout, None)


@pytest.fixture(scope="module")
def merged(checkout: Path) -> Path:
    """The folder with the checkout's adapter merged into its base."""
    documented("python -m stages.publish --repo OWNER/NAME --merged --dry-run", checkout)
    return checkout / "published"


def test_merged_weights_have_every_file_that_transformers_saves(merged: Path, tmp_path: Path) -> None:
    """Of model, tokenizer, processor and the processor's parts, and nothing else but the card and its own."""
    files = {path.name: path.read_bytes() for path in merged.iterdir()}
    model, processor = (auto.from_pretrained(merged) for auto in (AutoModelForImageTextToText, AutoProcessor))
    for part in (model, processor, processor.tokenizer, processor.image_processor, processor.video_processor):
        part.save_pretrained(tmp_path)
    saved = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"preprocessor_config.json", "video_preprocessor_config.json", "config.json"} < set(saved)
    assert set(files) - set(saved) == {"README.md", CURVE, SHEET, "calibration.json", "reader.json"}
    for name, content in saved.items():
        if name.endswith(".json"):
            own, other = (json.loads(text) for text in (files[name], content))
            # Of a tokenizer it is saved whether the network was allowed when it was loaded.
            assert own | {"local_files_only": None} == other | {"local_files_only": None}, name
        else:
            assert files[name] == content, name


ANSWER = """
import sys, torch, transformers
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
folder, picture = sys.argv[1:]
model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
processor = AutoProcessor.from_pretrained(folder)
content = [{"type": "image", "image": Image.open(picture)}, {"type": "text", "text": "Which parts?"}]
chat = {"tokenize": True, "add_generation_prompt": True, "return_dict": True, "return_tensors": "pt"}
inputs = processor.apply_chat_template([{"role": "user", "content": content}], **chat)
answer = model.generate(**inputs, max_new_tokens=16, do_sample=False)
print("answer", transformers.__version__, *answer[0, inputs["input_ids"].shape[1] :].tolist())
"""


@pytest.mark.slow
def test_merged_weights_answer_the_same_in_the_oldest_transformers(merged: Path, tmp_path: Path) -> None:
    """The oldest that docs/serving.md names, in an environment of its own, with this one's PyTorch."""
    oldest = "5.0.0"
    assert f"transformers {oldest.partition('.')[0]}" in (ROOT / "docs/serving.md").read_text(
        encoding="utf-8"
    )
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tmp_path / "site")]
    if subprocess.run([*install, f"transformers=={oldest}"], check=False, capture_output=True).returncode:
        pytest.skip(f"pip gets no transformers {oldest}")
    answers = {}
    for version, site in ((__version__, ""), (oldest, str(tmp_path / "site"))):
        said = subprocess.run(
            [sys.executable, "-c", ANSWER, str(merged), str(merged / SHEET)],
            env=os.environ | {"PYTHONPATH": site, "HF_HUB_OFFLINE": "1"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        _, found, *answers[version] = said.splitlines()[-1].split()
        assert found == version
    assert answers[oldest] == answers[__version__] and len(answers[oldest]) > 1


def last_line(said: str) -> dict[str, Any]:
    (line,) = [line for line in said.splitlines() if line.startswith("{")]
    found: dict[str, Any] = json.loads(line)
    return found


def test_the_same_model_behind_a_server_answers_the_same(checkout: Path, tuned: ChatServer) -> None:
    said = documented(
        "python -m benchmarks.generation.served --endpoint http://localhost:8000/v1 --model reader",
        checkout,
        {PLACE: tuned.address},
        OPENAI_API_KEY="a key",
    )
    found = last_line(said)
    assert found["equal"] == 1 and found["sheets"] > 4
    assert found["difference"] == found["difference_low"] == found["difference_high"] == 0
    assert found["f1"] == found["f1_served"]
    assert tuned.keys == ["a key"] * found["sheets"]


def test_another_model_behind_a_server_is_told_apart(
    checkout: Path, untuned: ChatServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(checkout)
    monkeypatch.setattr("sys.argv", ["served", "--endpoint", untuned.address, "--model", MODEL])
    served.main()
    found = last_line(capsys.readouterr().out)
    assert found["equal"] < 1
    assert found["difference"] == pytest.approx(found["f1_served"] - found["f1"], abs=2e-6)
    assert found["difference_low"] <= found["difference"] <= found["difference_high"]


def test_equal_answers_are_counted_and_the_difference_has_an_interval(checkout: Path) -> None:
    """Of two sheets, one answered emptily: half are equal, and F1 falls by what that sheet had found."""
    with chdir(checkout):
        params = load_params()
        rows = read_predictions(Path("data/predictions/tuned.parquet"), "evaluate")[:2]
    right = [replace(row, prediction=row.target) for row in rows]
    found = served.compare(right, [right[0], replace(right[1], prediction="")], task("components"), params)
    items = [len(set(row.target.split(", "))) for row in rows]
    assert found["equal"] == 0.5 and found["f1"] == 1
    assert found["f1_served"] == pytest.approx(2 * items[0] / (2 * items[0] + items[1]), abs=1e-6)
    assert found["difference_low"] < found["difference"] < 0


class _Other(Handler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.respond(200, {"choices": []})


def error_of(endpoint: str, model: str, checkout: Path, patch: pytest.MonkeyPatch) -> str:
    patch.chdir(checkout)
    patch.setattr("sys.argv", ["served", "--endpoint", endpoint, "--model", model])
    with pytest.raises(UserError) as caught:
        served.main()
    return str(caught.value)


def test_a_server_that_is_not_there_refuses_or_is_another_is_one_line(
    checkout: Path, tuned: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "cannot be reached" in error_of("http://127.0.0.1:9/v1", MODEL, checkout, monkeypatch)
    assert "cannot be reached" in error_of("no address", MODEL, checkout, monkeypatch)
    refusal = error_of(tuned.address, "other", checkout, monkeypatch)
    assert "answers 404" in refusal and "there is no model other" in refusal
    with serving(LoopbackServer(_Other)) as other:
        assert "no chat completion" in error_of(other.endpoint, MODEL, checkout, monkeypatch)


def test_settings_that_a_server_is_not_asked_for_are_refused(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = load_params(checkout / "params.yaml")
    beams = replace(params, evaluate=replace(params.evaluate, num_beams=3))
    monkeypatch.setattr(served, "load_params", lambda: beams)
    assert "evaluate.num_beams is 3" in error_of("http://127.0.0.1:9/v1", MODEL, checkout, monkeypatch)
    active = replace(params.active, image=replace(params.active.image, tiles=4))
    cut = replace(params, profiles={params.profile: active})
    monkeypatch.setattr(served, "load_params", lambda: cut)
    assert "image.tiles is 4" in error_of("http://127.0.0.1:9/v1", MODEL, checkout, monkeypatch)

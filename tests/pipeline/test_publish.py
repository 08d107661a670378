"""What goes to the Hub, from a finished pipeline to a real server on loopback and back into a model."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pyarrow.parquet as pq
import pytest
import yaml

from schematic_reader.cli import UserError
from schematic_reader.config import load_params
from schematic_reader.publish.card import CURVE, SHEET
from schematic_reader.publish.folder import copy_adapter
from schematic_reader.publish.upload import check_repository, upload_folder
from stages import publish
from tests.support.checkout import git
from tests.support.commands import documented
from tests.support.finished import copy_finished
from tests.support.model_hub import LARGE, ModelHub, Repository, running_model_hub

TOKEN = "hf_oneThatMayWrite"
COMMAND = "python -m stages.publish --repo OWNER/NAME"


SURE = 7
"""A test sheet whose answer does not hang on rounding: the barely trained model is torn at no token."""


@pytest.fixture(scope="module")
def checkout(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished checkout with a picture in it that Git does not see."""
    folder = copy_finished(finished, tmp_path_factory.mktemp("publish"))
    (folder / ".git" / "info" / "exclude").write_text("sheet.png\n")
    part = sorted((folder / "data" / "clean" / "test").iterdir())[0]
    picture = pq.read_table(part, columns=["image"]).column("image")[SURE].as_py()
    (folder / "sheet.png").write_bytes(picture)
    return folder


@pytest.fixture(scope="module")
def card(checkout: Path) -> str:
    """The card of a dry run."""
    said = documented("python -m stages.publish --repo OWNER/NAME --dry-run", checkout)
    files = published(checkout)
    assert "would go to OWNER/NAME; nothing was sent" in said
    assert all(name in said for name in files)
    return files["README.md"].decode()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """A hub, and an environment in which it is the Hub."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    with running_model_hub(TOKEN) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        yield server


def online(hub: ModelHub, folder: Path) -> dict[str, str]:
    """The same for a process, which keeps what it downloads in ``folder``."""
    return {
        "HF_ENDPOINT": hub.endpoint,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "HF_HOME": str(folder),
    }


def published(checkout: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((checkout / "published").iterdir())}


def head(card: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(card.split("---")[1])
    return loaded


def run(checkout: Path, *words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["publish", "--repo", "OWNER/NAME", *words])
    with chdir(checkout):
        publish.main()


def flat(metrics: dict[str, Any]) -> dict[str, float]:
    """Every number by its dotted name."""
    found = {}
    for name, value in metrics.items():
        found |= (
            {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
        )
    return found


def test_a_dry_run_leaves_adapter_and_tree_as_they_are(checkout: Path, card: str) -> None:
    files = published(checkout)
    adapter = {path.name: path.read_bytes() for path in (checkout / "models" / "adapter").iterdir()}
    for name in {*adapter} - {"README.md"}:
        assert files[name] == adapter[name], name
    parts = {"preprocessor_config.json", "video_preprocessor_config.json"}  # for serving engines
    assert set(files) - set(adapter) - {"README.md"} == {CURVE, SHEET, "calibration.json", *parts}
    assert git(checkout, "status", "--porcelain") == ""


def test_the_card_tells_what_the_weights_are(checkout: Path, card: str) -> None:
    metrics = json.loads((checkout / "metrics" / "evaluate.json").read_text())
    assert git(checkout, "rev-parse", "HEAD").strip() in card
    assert hashlib.sha256((checkout / "dvc.lock").read_bytes()).hexdigest() in card
    (result,) = head(card)["model-index"][0]["results"]
    assert {metric["name"]: metric["value"] for metric in result["metrics"]} == flat(metrics)
    assert result["dataset"]["revision"] == git(checkout, "rev-parse", "HEAD").strip()
    assert head(card)["license"] == "mit"
    (example,) = head(card)["widget"]
    assert published(checkout)[example["src"]] == (checkout / "docs" / "sheet.png").read_bytes()
    for row in ("prior (k =", "baseline", "tuned", "95 % interval", "no picture"):
        assert row in card
    assert f"{metrics['f1_low']:.3f} to {metrics['f1_high']:.3f}" in card
    settings = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", card, re.DOTALL)[0])
    params = yaml.safe_load((checkout / "params.yaml").read_text())
    assert settings.pop("sample") == params.pop("profiles")["sample"]
    assert settings == params
    assert "MIT licence" in card and "Intended use and limits" in card
    assert "Published in spite" not in card


def test_an_adapter_whose_base_nobody_else_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_model.safetensors").touch()
    with pytest.raises(UserError, match="publish whole weights by --merged"):
        copy_adapter(tmp_path, str(tmp_path), tmp_path / "out")


def test_the_adapter_is_sent_and_loads_again(checkout: Path, hub: ModelHub, tmp_path: Path) -> None:
    said = documented("python -m stages.publish --repo OWNER/NAME", checkout, **online(hub, tmp_path))
    repository = hub.repositories["OWNER/NAME"]
    assert repository.files == published(checkout)
    assert f"{hub.endpoint}/OWNER/NAME/commit/{repository.sha}" in said
    assert repository.commits == [f"Publish adapter of commit {git(checkout, 'rev-parse', 'HEAD')[:12]}"]
    assert TOKEN not in said and not any(TOKEN.encode() in content for content in repository.files.values())
    large = [name for name, content in repository.files.items() if len(content) >= LARGE]
    assert "adapter_model.safetensors" in large
    assert sum(line.startswith("PUT lfs/upload/") for line in hub.asked) == len(large)
    assert answer_by_card(checkout, hub, tmp_path) == own_answer(checkout)
    read = documented(
        "python -m stages.predict sheet.png --adapter OWNER/NAME", checkout, **online(hub, tmp_path)
    )
    own = documented("python -m stages.predict sheet.png --adapter models/adapter", checkout)
    assert bill(read) == bill(own) != []


def bill(said: str) -> list[str]:
    """The lines of the CSV about sheet.png."""
    return [line for line in said.splitlines() if ",sheet.png," in line]


def test_merged_weights_load_alone_and_answer_the_same(checkout: Path, hub: ModelHub, tmp_path: Path) -> None:
    hub.repositories["OWNER/NAME"] = Repository(False, {"adapter_config.json": b"{}", "LICENSE": b"MIT"})
    documented("python -m stages.publish --repo OWNER/NAME --merged", checkout, **online(hub, tmp_path))
    files = hub.repositories["OWNER/NAME"].files
    assert files == {**published(checkout), "LICENSE": b"MIT"}
    assert "model.safetensors" in files and "adapter_config.json" not in files
    own = json.loads((checkout / "models" / "adapter" / "reader.json").read_text())
    assert json.loads(files["reader.json"]) == own | {"base_weights": None}
    assert head(files["README.md"].decode())["library_name"] == "transformers"
    assert answer_by_card(checkout, hub, tmp_path) == own_answer(checkout)


def answer_by_card(checkout: Path, hub: ModelHub, folder: Path) -> str:
    """What the Python of the card on the hub prints of sheet.png."""
    card = hub.repositories["OWNER/NAME"].files["README.md"].decode()
    script = folder / "card.py"
    script.write_text("\n".join(re.findall(r"```python\n(.*?)```", card, re.DOTALL)))
    return documented(f"python {script}", checkout, **online(hub, folder)).splitlines()[0]


def own_answer(checkout: Path) -> str:
    """What the project's own loading and asking say of sheet.png, in float32, as the card's Python asks."""
    from schematic_reader.generation.answerer import open_answerer
    from schematic_reader.io.picture import fit_within, open_picture
    from schematic_reader.tasks import task
    from schematic_reader.tasks.messages import chat
    from tests.support.answering import OnePicture

    with chdir(checkout):
        params = load_params()
        picture = open_picture(Path("sheet.png").read_bytes())
        limits = params.active.image
        picture = fit_within(picture, max_side=limits.max_side, max_pixels=limits.max_pixels)
        row = {"name": None, "type": ".kicad_sch"}
        prompt = task(params.task).prompt(row, form=params.messages.form, with_name=True)
        answerer = open_answerer(
            replace(params.active.model, matmul="highest"),
            task(params.task),
            params.evaluate,
            seed=params.seed,
            adapter=Path("models/adapter"),
        )
        answers = answerer.answer(OnePicture(picture), [{"id": "sheet", "messages": chat(prompt, "")}])
    return answers[0].text.splitlines()[0]


def test_a_dirty_tree_is_refused_and_told_of_when_forced(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "README.md").write_text("changed")
    try:
        with pytest.raises(UserError, match=r"differ from the last commit: README.md; commit them"):
            run(checkout, "--dry-run", monkeypatch=monkeypatch)
        run(checkout, "--dry-run", "--force", monkeypatch=monkeypatch)
    finally:
        git(checkout, "restore", "README.md")
    assert "**Published in spite of this:** Files differed" in published(checkout)["README.md"].decode()


def test_stale_metrics_are_refused(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = checkout / "metrics" / "evaluate.json"
    path.write_text(path.read_text().replace('"f1": 0', '"f1": 1', 1))
    git(checkout, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qam", "Better figures")
    try:
        with pytest.raises(UserError, match=r"stages are out of date: evaluate; run `dvc repro`"):
            run(checkout, "--dry-run", monkeypatch=monkeypatch)
    finally:
        git(checkout, "reset", "-q", "--hard", "HEAD~1")


def test_without_a_token_nothing_is_sent(
    checkout: Path, hub: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(UserError, match="HF_TOKEN is not set"):
        run(checkout, monkeypatch=monkeypatch)
    assert hub.asked == []


@pytest.mark.parametrize("name", ["name", "a/b/c", "owner/", "owner/na me", "-owner/name", "owner/.."])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="must be a name such as owner/schematic-reader"):
        check_repository(name)


@pytest.mark.parametrize(
    ("part", "status", "says"),
    [
        ("repos/create", 401, r"HF_TOKEN has no write access to owner/name \(401\)"),
        ("commit/main", 403, r"HF_TOKEN has no write access to owner/name \(403\)"),
        ("commit/main", 500, "the Hub answers 500 for owner/name"),
        ("lfs/upload", 400, "Error while uploading 'model.safetensors'"),
    ],
)
def test_a_refusal_is_one_line_without_the_token_and_changes_nothing(
    hub: ModelHub, tmp_path: Path, part: str, status: int, says: str
) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(LARGE))
    hub.refuse[part] = status
    with pytest.raises(UserError, match=says) as caught:
        upload_folder(tmp_path, "owner/name", private=False, message="Publish", token=TOKEN)
    assert TOKEN not in str(caught.value)
    assert not hub.repositories.get("owner/name", Repository(False)).files


def test_a_private_publication_does_not_go_where_all_can_see_it(hub: ModelHub, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\ntags: [x]\n---\n")
    upload_folder(tmp_path, "owner/new", private=True, message="Publish", token=TOKEN)
    assert hub.repositories["owner/new"].private
    hub.repositories["owner/old"] = Repository(private=False)
    with pytest.raises(UserError, match="owner/old exists and is public"):
        upload_folder(tmp_path, "owner/old", private=True, message="Publish", token=TOKEN)
    assert hub.repositories["owner/old"].files == {}


def test_a_hub_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="the Hub cannot be reached"):
        upload_folder(tmp_path, "owner/name", private=False, message="Publish", token=TOKEN)

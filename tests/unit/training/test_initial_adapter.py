"""Training that starts from an adapter: its weights are those of step 0; one that does not fit is a line."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from peft import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from schematic_reader.cli import UserError
from schematic_reader.config import Lora, Params, load_params
from schematic_reader.io.adapter_digests import write_adapter_digests
from schematic_reader.io.fingerprint import file_digest
from schematic_reader.io.reader_settings import ReaderSettings
from schematic_reader.model.device import prepare_device
from schematic_reader.model.load import load_base
from schematic_reader.training.adapter import add_adapter
from schematic_reader.training.checkpoint import run_fingerprint
from schematic_reader.training.initial_adapter import InitialAdapter
from stages import train
from tests.support.paths import ROOT
from tests.support.sheet_samples import LORA, TINY, ready_to_train, write_exact_params
from tests.support.training_runs import curve, run_train

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
OUTPUTS = (train.ADAPTER, train.UNFINISHED)


def params_of(lora: Lora, folder: Path | None) -> Params:
    params = load_params(ROOT / "params.yaml")
    profile = replace(params.active, model=TINY)
    lora = replace(lora, init_from=folder and str(folder))
    return replace(params, lora=lora, profiles={params.profile: profile})


def read(lora: Lora, folder: Path) -> InitialAdapter:
    found = InitialAdapter.of(params_of(lora, folder), outputs=OUTPUTS)
    assert found is not None
    return found


def new_adapter(lora: Lora, seed: int) -> Any:
    """The small model with an adapter, all of whose weights are random."""
    model = add_adapter(load_base(TINY, prepare_device(TINY, 1)), lora)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.normal_()
    return model


def save(lora: Lora, folder: Path, **settings: Any) -> None:
    """A random adapter as the stage exports it, without a processor."""
    new_adapter(lora, 1).save_pretrained(str(folder))
    params = params_of(lora, None)
    replace(ReaderSettings.of(params, answer_tokens=700), **settings).write(folder)
    write_adapter_digests(folder)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    save(LORA, folder)
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy of the adapter that may be changed."""
    return Path(shutil.copytree(exported, tmp_path / "first"))


@pytest.mark.parametrize(
    "lora",
    [
        replace(LORA, extra_targets=("vision", "merger")),
        replace(LORA, dora=True, rank_stabilized=True, target_modules=("q_proj", "down_proj")),
    ],
    ids=["extra targets", "dora and rslora"],
)
def test_the_weights_are_those_of_the_folder(lora: Lora, tmp_path: Path) -> None:
    save(lora, tmp_path)
    model = new_adapter(lora, 2)
    read(replace(lora, dropout=0.5), tmp_path).load_into(model)
    stored = load_file(tmp_path / WEIGHTS)
    found = get_peft_model_state_dict(model, save_embedding_layers=False)
    assert set(stored) == set(found)
    for name, weight in stored.items():
        assert found[name].dtype == torch.float32 and torch.equal(found[name], weight), name


def test_weights_in_half_precision_become_float32(folder: Path) -> None:
    stored = {name: weight.bfloat16() for name, weight in load_file(folder / WEIGHTS).items()}
    save_file(stored, folder / WEIGHTS)
    write_adapter_digests(folder)
    model = new_adapter(LORA, 2)
    read(LORA, folder).load_into(model)
    for name, weight in get_peft_model_state_dict(model, save_embedding_layers=False).items():
        assert weight.dtype == torch.float32 and torch.equal(weight, stored[name].float()), name


def test_null_is_a_new_adapter() -> None:
    assert InitialAdapter.of(params_of(LORA, None), outputs=OUTPUTS) is None


def test_an_adapter_of_another_trainer_is_taken(folder: Path) -> None:
    """It names its targets in a list and tells neither what it was trained for nor its files' hashes."""
    for name in ("reader.json", "sha256.json"):
        (folder / name).unlink()
    edit(folder, target_modules=["v_proj", *(name for name in LORA.target_modules if name != "v_proj")])
    found = read(LORA, folder)
    assert found.answer_tokens == 0 and found.digest == file_digest(folder / WEIGHTS)


def edit(folder: Path, **changed: Any) -> None:
    """Change the adapter's configuration on purpose."""
    path = folder / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    if (folder / "sha256.json").exists():
        write_adapter_digests(folder)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"r": 8}, r"has lora\.r 4 \(here 8\): set params\.yaml"),
        ({"alpha": 4}, r"has lora\.alpha 8 \(here 4\)"),
        ({"rank_stabilized": True}, r"has lora\.rank_stabilized false \(here true\)"),
        ({"dora": True}, r"has lora\.dora false \(here true\)"),
        (
            {"target_modules": ("v_proj", "q_proj")},
            r"has lora\.target_modules \[down_proj, .*, v_proj\] \(here \[q_proj, v_proj\]\)",
        ),
        ({"extra_targets": ("vision", "merger")}, r"lora\.extra_targets \[\] \(here \[merger, vision\]\)"),
        ({"r": 8, "alpha": 4}, r"has lora\.alpha 8 \(here 4\), lora\.r 4 \(here 8\): set"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_setting_that_differs_is_named_with_both_values(
    exported: Path, changed: dict[str, Any], line: str
) -> None:
    with pytest.raises(UserError, match=line) as raised:
        read(replace(LORA, **changed), exported)
    assert str(raised.value).startswith(f"the adapter of lora.init_from, {exported}, has lora.")
    assert str(raised.value).endswith("or lora.init_from to null for a new adapter")


def test_extra_targets_are_the_same_in_any_order(tmp_path: Path) -> None:
    save(replace(LORA, extra_targets=("vision", "merger")), tmp_path)
    read(replace(LORA, extra_targets=("merger", "vision")), tmp_path)
    with pytest.raises(UserError, match=r"extra_targets \[merger, vision\] \(here \[merger\]\)"):
        read(replace(LORA, extra_targets=("merger",)), tmp_path)


def without_digests(folder: Path, name: str, content: bytes) -> None:
    (folder / "sha256.json").unlink()
    (folder / name).write_bytes(content)


def other_base(folder: Path) -> None:
    (folder / "reader.json").unlink()
    edit(folder, base_model_name_or_path="owner/name")


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (shutil.rmtree, r"there is no .*first/adapter_config\.json: name the folder of an adapter"),
        (lambda folder: (folder / CONFIG).unlink(), r"there is no .*adapter_config\.json: name the folder"),
        (lambda folder: (folder / WEIGHTS).unlink(), r"there is no .*adapter_model\.safetensors: name the"),
        (
            lambda folder: (folder / WEIGHTS).write_bytes(b"other"),
            r"adapter_model\.safetensors is not the file that was exported: get the adapter anew",
        ),
        (
            lambda folder: without_digests(folder, WEIGHTS, b"other"),
            r"adapter_model\.safetensors is damaged: get the adapter anew",
        ),
        (lambda folder: without_digests(folder, CONFIG, b"{"), r"adapter_config\.json is not valid JSON"),
        (
            lambda folder: without_digests(folder, "reader.json", b"{"),
            r"reader\.json is damaged: get the adapter anew",
        ),
        (lambda folder: edit(folder, alpha_pattern={"q_proj": 1}), r"alpha_pattern \{'q_proj': 1\} \(here"),
        (lambda folder: edit(folder, target_modules="all-linear"), r"'s target_modules all-linear \(here"),
        (lambda folder: edit(folder, peft_type="LOHA"), r"json's peft_type LOHA \(here LORA\)"),
        (other_base, rf"has the profile's model\.base owner/name \(here {TINY.base}\)"),
        (
            lambda folder: save(LORA, folder, base_weights="ab" * 32),
            r"other weights of the profile's model\.base than .* \(SHA-256 abababababab, here \w{12}\)",
        ),
    ],
)
def test_a_folder_that_cannot_be_started_from_is_one_line(
    folder: Path, damage: Callable[[Path], Any], line: str
) -> None:
    damage(folder)
    with pytest.raises(UserError, match=line) as raised:
        read(LORA, folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["models/adapter", "models/.train.part/checkpoint-50", "link"])
def test_an_adapter_that_training_replaces_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "link").symlink_to("models/adapter")
    replaced = "models/.train.part" if "part" in name else "models/adapter"
    line = f"lora.init_from is {name}, but training itself replaces {replaced}: copy the adapter to another"
    with chdir(tmp_path), pytest.raises(UserError, match=line):
        read(LORA, Path(name))


def test_weights_of_other_layers_are_refused(folder: Path) -> None:
    stored = load_file(folder / WEIGHTS)
    model = new_adapter(LORA, 2)
    name = sorted(stored)[-1]
    for weights in (
        {key: weight for key, weight in stored.items() if key != name},
        stored | {name: stored[name][:-1].clone()},
    ):
        save_file(weights, folder / WEIGHTS)
        write_adapter_digests(folder)
        with pytest.raises(UserError, match=f"of other layers or shapes than a new one here, such as {name}"):
            read(LORA, folder).load_into(model)


def test_another_task_and_picture_size_are_a_log_line(
    tmp_path: Path, exported: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "schematic_reader.training.initial_adapter")
    assert read(LORA, exported).answer_tokens == 700
    assert caplog.messages == []
    params = params_of(LORA, None)
    save(LORA, tmp_path, task="json", image=replace(params.active.image, tiles=9))
    assert read(LORA, tmp_path).answer_tokens == 0  # of another task, whose answers have other lengths
    (line,) = caplog.messages
    assert line.startswith(f"lora.init_from: the adapter in {tmp_path} was trained for task json (here compo")
    assert "tiles=9" in line and "form" not in line


def test_the_fingerprint_follows_the_adapters_content(exported: Path, folder: Path) -> None:
    def fingerprint() -> dict[str, str]:
        return run_fingerprint(params_of(LORA, folder), {}, read(LORA, folder))

    first = fingerprint()
    weights = load_file(folder / WEIGHTS)
    save_file({name: weight + 1 for name, weight in weights.items()}, folder / WEIGHTS)
    write_adapter_digests(folder)
    other = fingerprint()
    assert {name for name in first if first[name] != other[name]} == {"initial adapter"}
    new = run_fingerprint(params_of(LORA, None), {}, None)
    assert {name for name in new if new[name] != first[name]} == {"params", "initial adapter"}
    shutil.copy(exported / WEIGHTS, folder / WEIGHTS)
    write_adapter_digests(folder)
    assert fingerprint() == first


def start_from(folder: Path, init_from: str | None, learning_rate: float) -> dict[str, bytes]:
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["lora"]["init_from"] = init_from
    params["profiles"]["sample"]["train"]["learning_rate"] = learning_rate
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return run_train(folder)


@pytest.mark.slow
def test_without_learning_the_stage_exports_the_adapter_it_started_from(tmp_path: Path) -> None:
    """And with it, it goes on learning; metrics/train.json names the adapter by its hash."""
    ready_to_train(tmp_path, train=6, validation=3)
    write_exact_params(tmp_path, epochs=2, checkpoint_steps=100)
    first = start_from(tmp_path, None, 5e-3)
    metrics = json.loads(first["train.json"])
    assert "init_from" not in metrics
    kept = tmp_path / "models" / "first"
    (tmp_path / train.ADAPTER).rename(kept)
    settings = ReaderSettings.read(kept)
    assert settings is not None
    replace(settings, answer_tokens=999).write(kept)
    write_adapter_digests(kept)

    same = start_from(tmp_path, "models/first", 1e-300)  # 0 in float32, which params.yaml does not allow
    assert same[WEIGHTS] == first[WEIGHTS]
    assert json.loads(same["train.json"])["init_from"] == file_digest(kept / WEIGHTS)
    losses = [loss for _, loss in curve(tmp_path, "validation")]
    assert losses == pytest.approx([metrics["validation_loss"]] * len(losses), abs=2e-6)
    assert json.loads(same["reader.json"])["answer_tokens"] == 999

    further = start_from(tmp_path, "models/first", 5e-3)
    assert further[WEIGHTS] != first[WEIGHTS]
    assert json.loads(further["train.json"])["loss"] < metrics["loss"]

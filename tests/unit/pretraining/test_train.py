"""The training loop: resuming, what it writes, several ranks."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import yaml
from transformers import Qwen3VLForConditionalGeneration

from pretraining import __main__ as command
from pretraining.muon import Muon
from pretraining.train import Rank
from schematic_reader.cli import UserError
from tests.support.pretraining import SETTINGS, SHAPES, SMALL, small_run
from tests.support.training_runs import free_port

# No picture is drawn a second time: pools start empty when a run resumes.
FRESH = replace(SETTINGS, shapes={name: replace(shape, batch=2, pool=2) for name, shape in SHAPES.items()})


@pytest.fixture
def fresh(maker):
    return replace(maker, settings=FRESH)


def same_weights(one, two):
    ours, theirs = one.objective.state_dict(), two.objective.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_resumed_run_continues_bit_for_bit(processor, fresh, tmp_path):
    whole = small_run(processor.tokenizer, fresh, tmp_path / "whole")
    assert not whole.load()
    untrained = {name: value.clone() for name, value in whole.objective.state_dict().items()}
    whole.train(0)
    assert not any(torch.equal(untrained[name], p) for name, p in whole.objective.named_parameters())
    first = small_run(processor.tokenizer, fresh, tmp_path / "parts")
    first.train(0, until=2)
    second = small_run(processor.tokenizer, fresh, tmp_path / "parts")
    assert second.load()
    assert second.step == 2 and not same_weights(second, whole)
    second.train(0)
    assert second.step == SETTINGS.steps and same_weights(second, whole)
    curves = [(tmp_path / part / "curve.tsv").read_text().splitlines() for part in ("whole", "parts")]
    assert len(curves[0]) == len(curves[1]) == 3 and curves[0][0].startswith(
        "step\tpictures\ttrain_loss\tloss"
    )
    without_train_loss = [[line.split("\t") for line in curve] for curve in curves]
    for row in (row for curve in without_train_loss for row in curve):
        del row[2]  # the mean since the last log line, of which these short runs have none
    assert without_train_loss[0] == without_train_loss[1]

    shipped = Qwen3VLForConditionalGeneration.from_pretrained(
        tmp_path / "whole" / "weights", dtype=torch.bfloat16
    )
    for name, value in shipped.state_dict().items():
        assert torch.equal(value, whole.model.state_dict()[name].to(torch.bfloat16)), name


def test_a_run_stops_at_its_deadline(processor, maker, tmp_path):
    long = replace(SETTINGS, phases=(replace(SETTINGS.phases[0], steps=1000),), validation_every=500)
    run = small_run(processor.tokenizer, replace(maker, settings=long), tmp_path)
    run.train(0, deadline=time.time() - 1)
    assert run.step == 10  # it looks at the clock every tenth step
    assert (tmp_path / "checkpoint.pt").exists()


def test_matrices_of_the_layers_are_muons_and_all_else_is_adamws(processor, maker, tmp_path):
    run = small_run(processor.tokenizer, maker, tmp_path)
    adam, muon = run.optimizers
    assert isinstance(muon, Muon)
    names = {id(p): name for name, p in run.objective.named_parameters()}
    sides = [{names[id(p)] for group in o.param_groups for p in group["params"]} for o in (adam, muon)]
    assert sides[0] | sides[1] == set(names.values()) and not sides[0] & sides[1]
    assert all("blocks" in n or "layers" in n or "merger" in n for n in sides[1])
    assert {"character_head.weight", "model.model.language_model.embed_tokens.weight"} <= sides[0]
    decayed = {names[id(p)] for group in adam.param_groups if group["weight_decay"] for p in group["params"]}
    assert decayed and not any("embed" in n or n.endswith("bias") for n in decayed)


def test_a_step_has_the_rates_of_its_phase(processor, maker, tmp_path):
    run = small_run(processor.tokenizer, maker, tmp_path)
    run.train(0, until=2)  # the second of two steps of warming up
    assert [o.param_groups[0]["lr"] for o in run.optimizers] == [0.5e-3, 1.0e-3]


def test_ranks_take_different_chunks_of_one_shape(processor, maker, tmp_path):
    runs = [small_run(processor.tokenizer, maker, tmp_path, Rank(number, 3)) for number in range(3)]
    orders = [[run.order(step) for step in range(40)] for run in runs]
    numbers = {number for order in orders for number, _ in order}
    assert len(numbers) == 120
    assert [[name for _, name in order] for order in orders] == [[name for _, name in orders[0]]] * 3
    assert {name for _, name in orders[0]} == {"crop", "sheet"}


def train_rank(number, port, tokenizer, maker, folder):
    """One of two ranks, in a process of its own."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=number, world_size=2)
    run = small_run(tokenizer, maker, folder / "run", Rank(number, 2))
    run.train(0, until=2)
    for place, p in enumerate(run.objective.parameters()):
        p.grad = torch.full_like(p, place + 10.0 * number)
    run._average_gradients()
    assert all((p.grad == place + 5).all() for place, p in enumerate(run.objective.parameters()))
    torch.save(run.objective.state_dict(), folder / f"{number}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_share_their_gradients_and_have_the_same_weights(processor, fresh, tmp_path):
    mp.spawn(train_rank, (free_port(), processor.tokenizer, fresh, tmp_path), nprocs=2)
    one, two = (torch.load(tmp_path / f"{number}.pt") for number in range(2))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert len((tmp_path / "run" / "curve.tsv").read_text().splitlines()) == 2  # the main rank's alone
    for number in range(2):
        alone = small_run(processor.tokenizer, fresh, tmp_path / "alone", Rank(number, 2))
        alone._average_gradients = lambda: None
        alone.train(0, until=2)
        trained = dict(alone.objective.named_parameters())
        assert not any(torch.equal(one[name], p) for name, p in trained.items())


@pytest.fixture
def arguments(processor_folder, material_file, tmp_path):
    """A command line whose settings are in a file."""
    data = {
        **{
            name: getattr(SETTINGS, name)
            for name in ("seed", "question_sets", "learning_rate", "matrix_rate")
        },
        **{name: getattr(SETTINGS, name) for name in ("weight_decay", "max_grad_norm", "cells_weight")},
        **{name: getattr(SETTINGS, name) for name in ("validation_pictures", "validation_every")},
        "checkpoint_every": SETTINGS.checkpoint_every,
        "sources": SETTINGS.sources,
        "shapes": {name: {**vars(shape), "slots": list(shape.slots)} for name, shape in SHAPES.items()},
        "phases": [{"steps": p.steps, "rate": list(p.rate), "shapes": p.shapes} for p in SETTINGS.phases],
        **SMALL,
    }
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(data))
    words = {"--config": config, "--processor": processor_folder, "--material": material_file}
    return {**words, "--out": tmp_path / "out", "--workers": 0}


def call(monkeypatch, arguments):
    words = [str(word) for pair in arguments.items() for word in pair]
    monkeypatch.setattr("sys.argv", ["pretraining", *words])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    command.main()


def test_the_command_trains_and_resumes_and_starts_from_given_weights(arguments, tmp_path, monkeypatch):
    call(monkeypatch, {**arguments, "--until": 1})
    call(monkeypatch, {**arguments, "--until": 3})
    lines = (tmp_path / "out" / "curve.tsv").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["step", "1", "2", "3"]
    weights = tmp_path / "out" / "weights"
    started = command.prepare(
        *(arguments[f"--{name}"] for name in ("config", "processor", "material")),
        tmp_path / "other",
        weights,
        torch.device("cpu"),
        Rank(),
    )
    saved = Qwen3VLForConditionalGeneration.from_pretrained(weights, dtype=torch.float32).state_dict()
    assert all(torch.equal(saved[name], value) for name, value in started.model.state_dict().items())


@pytest.mark.parametrize("name", ["material", "processor", "config", "weights"])
def test_a_missing_file_is_one_line(arguments, monkeypatch, name):
    with pytest.raises(UserError, match=r"nowhere.* (is missing|cannot be read)") as error:
        call(monkeypatch, {**arguments, f"--{name}": "nowhere"})
    assert "\n" not in str(error.value)

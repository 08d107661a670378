"""params.yaml: what is not allowed is one line that names the key, the value and what is."""

from __future__ import annotations

import re
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from schematic_reader.cli import UserError
from schematic_reader.config import load_params
from tests.support.paths import ROOT

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def set_key(tmp_path: Path, key: str, value: Any) -> Path:
    """A copy of params.yaml with the dotted ``key`` set to ``value``, or taken out where it is ``...``."""
    params = yaml.safe_load(TEXT)
    group = params
    *parents, last = key.split(".")
    for name in parents:
        group = group[name]
    group.pop(last, None)
    if value is not ...:
        group[last] = value
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    return path


def test_the_committed_file_is_allowed_and_starts_with_the_sample() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.profile == "sample"
    assert params.active is params.profiles["sample"]
    assert params.profiles["open-schematics"].data.id == "bshada/open-schematics"


@pytest.mark.parametrize("text", ["1e-4", "1.0e-4", "0.0001", "1E-4", "+1e-4", ".1e-3"])
def test_a_small_number_is_a_number_in_every_spelling(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace("learning_rate: 1.0e-4", f"learning_rate: {text}"), encoding="utf-8")
    assert load_params(path).profiles["open-schematics"].train.learning_rate == 0.0001


def test_a_whole_number_will_do_for_a_share_of_epochs(tmp_path: Path) -> None:
    value = load_params(set_key(tmp_path, "profiles.sample.train.epochs", 2)).active.train.epochs
    assert (value, type(value)) == (2.0, float)


def test_a_whole_number_beyond_floating_point_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"weight_decay is 10{19}\.\.\.: it must be finite"):
        load_params(set_key(tmp_path, "train.weight_decay", 10**400))


@pytest.mark.parametrize(
    ("value", "paths"), [(None, ()), ("", ()), ([], ()), ("a", ("a",)), (["a", "b"], ("a", "b"))]
)
def test_one_path_or_several_are_named(tmp_path: Path, value: Any, paths: tuple[str, ...]) -> None:
    path = set_key(tmp_path, "profiles.sample.data.path", value)
    assert load_params(path).active.data.paths == paths
    path.write_text(path.read_text().replace("source: sample", "source: local"))
    if paths:
        assert load_params(path).active.data.paths == paths
    else:
        with pytest.raises(UserError, match=r"data\.path is null: source local needs"):
            load_params(path)


@pytest.mark.parametrize("profile", ["sample", "open-schematics"])
def test_any_source_may_have_a_fixed_test_set(tmp_path: Path, profile: str) -> None:
    for value, paths in (("a", ("a",)), (["a", "b*"], ("a", "b*")), (None, ())):
        path = set_key(tmp_path, f"profiles.{profile}.data.test_path", value)
        assert load_params(path).profiles[profile].data.test_paths == paths


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("lora.rank", 8, "unknown key lora.rank: allowed are r, alpha"),
        ("clan", {}, "unknown key clan: allowed are profile, seed, task"),
        ("profiles.sample.data.url", "x", "unknown key profiles.sample.data.url: allowed are source, path"),
        ("lora.r", ..., "lora.r is missing"),
        ("profiles.sample.model", ..., "profiles.sample.model is missing"),
        ("profiles.sample.image", ..., "profiles.sample.image is missing"),
        (
            "profiles.sample.image.max_side",
            0,
            "profiles.sample.image.max_side is 0: it must be greater than 0",
        ),
        ("task", "netlist", "task is 'netlist': it must be one of components, yaml, json, schematic"),
        ("task", 1, "task is 1: it must be one of components"),
        ("profile", "laptop", "profile is 'laptop': it must be one of open-schematics, sample"),
        ("messages.on_too_long", "keep", "messages.on_too_long is 'keep': it must be one of drop, cut"),
        ("messages.with_name", "yes please", "messages.with_name is 'yes please': it must be true or false"),
        ("lora.r", "16", "lora.r is '16': it must be a whole number"),
        ("lora.r", 16.0, "lora.r is 16.0: it must be a whole number"),
        ("lora.r", True, "lora.r is True: it must be a whole number"),
        ("lora.r", 0, "lora.r is 0: it must be greater than 0"),
        ("lora.dropout", 1.0, "lora.dropout is 1.0: it must be in [0, 1)"),
        ("lora.dropout", float("nan"), "lora.dropout is nan: it must be finite"),
        ("lora.target_modules", "q_proj", "lora.target_modules is 'q_proj': it must be a list"),
        ("lora.target_modules", [1], "lora.target_modules[0] is 1: it must be one of q_proj, k_proj"),
        (
            "lora.target_modules",
            ["q_proj", "q_porj"],
            "lora.target_modules[1] is 'q_porj': it must be one of",
        ),
        ("lora.target_modules", [], "lora.target_modules is empty"),
        ("lora.init_from", "", "lora.init_from is '': name the folder of an adapter, or null for a new one"),
        ("lora.init_from", ["a", "b"], "lora.init_from is ['a', 'b']: it must be a text"),
        ("lora", 16, "lora is 16: it must be a group of keys"),
        ("profiles", [], "profiles is []: it must be a group of keys"),
        ("clean.test", 0.0, "clean.test is 0.0: it must be a share between 0 and 1"),
        ("clean.test", 0.95, "clean.validation + clean.test is 1.05: nothing is left to train on"),
        ("clean.rows_per_part", -1, "clean.rows_per_part is -1: it must be greater than 0"),
        ("evaluate.num_beams", 0, "evaluate.num_beams is 0: it must be greater than 0"),
        ("evaluate.repetition_penalty", 0.0, "evaluate.repetition_penalty is 0.0: it must be greater than 0"),
        ("evaluate.no_image_sheets", -1, "evaluate.no_image_sheets is -1: it must be 0 (off) or more"),
        ("evaluate.calibration_sheets", -1, "evaluate.calibration_sheets is -1: it must be 0 (off) or more"),
        ("evaluate.grammar", True, "evaluate.grammar is true: there is a grammar for task json or yaml with"),
        ("profiles.sample.image.tiles", 0, "profiles.sample.image.tiles is 0: it must be greater than 0"),
        ("seed", -1, "seed is -1: it must be from 0 to 2147483647"),
        ("profiles.sample.data.source", "local", "profiles.sample.data.path is null: source local needs"),
        ("profiles.sample.data.path", [1], "profiles.sample.data.path[0] is 1: it must be a text"),
        ("profiles.sample.data.path", 5, "profiles.sample.data.path is 5: it must be a text"),
        ("profiles.sample.data.path", ["a", ""], "profiles.sample.data.path is ('a', ''): one of them is"),
        ("profiles.sample.data.rows", None, "profiles.sample.data.rows is null: source sample needs it"),
        ("profiles.sample.data.rows", 0, "profiles.sample.data.rows is 0: it must be greater than 0"),
        (
            "profiles.open-schematics.data.rows",
            -5,
            "profiles.open-schematics.data.rows is -5: it must be greater",
        ),
        (
            "profiles.sample.data.corrupt_share",
            1.5,
            "profiles.sample.data.corrupt_share is 1.5: source sample needs a share",
        ),
        (
            "profiles.open-schematics.data.id",
            None,
            "profiles.open-schematics.data.id is null: source hub needs",
        ),
        ("profiles.open-schematics.data.revision", None, "source hub needs the full 40-hex commit"),
        ("profiles.sample.data.synthetic", -1, "sample.data.synthetic is -1: it must be 0 (none) or more"),
        ("profiles.sample.data.synthetic", None, "sample.data.synthetic is None: it must be a whole number"),
        ("profiles.sample.data.test_path", "", "sample.data.test_path is '': it must name parquet files, or"),
        ("profiles.sample.data.test_path", [], "sample.data.test_path is (): it must name parquet files, or"),
        ("profiles.sample.data.test_path", [""], "sample.data.test_path is ('',): one of them is empty"),
        ("profiles.sample.data.test_path", True, "sample.data.test_path is True: it must be a text"),
        ("profiles.open-schematics.data.shards", 0, "data.shards is 0: it must be greater than 0"),
        ("profiles.sample.data.shards", 3, "profiles.sample.data.shards is 3: source sample has none"),
        ("profiles.sample.train.step_tokens", 0, "step_tokens is 0: it must be greater than 0"),
        ("profiles.sample.train.learning_rate", 0.0, "learning_rate is 0.0: it must be greater than 0"),
    ],
)
def test_what_is_not_allowed_is_named(tmp_path: Path, key: str, value: Any, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        load_params(set_key(tmp_path, key, value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("task", "form"), [("json", "verbatim"), ("components", "verbatim"), ("json", "compact")]
)
def test_verbatim_answers_about_tiles_are_not_joined(tmp_path: Path, task: str, form: str) -> None:
    params = yaml.safe_load(TEXT)
    params["task"], params["messages"]["form"] = task, form
    params["profiles"]["sample"]["image"]["tiles"] = 2
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    if (task, form) != ("json", "verbatim"):
        assert load_params(path).active.image.tiles == 2
        return
    with pytest.raises(UserError) as caught:
        load_params(path)
    assert str(caught.value) == (
        "params.yaml: the profile's image.tiles is over 1: with it, answers are joined in the compact form, "
        "set messages.form to compact for task json, or image.tiles to 1"
    )


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("messages.overlong", "messages.on_too_long", "drop"),
        ("lora.also", "lora.extra_targets", []),
        ("evaluate.beams", "evaluate.num_beams", 1),
        ("evaluate.draws", "evaluate.bootstrap_samples", 1000),
        ("evaluate.blind_sheets", "evaluate.no_image_sheets", 24),
        ("profiles.sample.data.dirty", "profiles.sample.data.corrupt_share", 0.05),
        (
            "profiles.open-schematics.train.tokens_per_step",
            "profiles.open-schematics.train.packed_length",
            7168,
        ),
    ],
)
def test_an_old_key_names_the_new_one(tmp_path: Path, old: str, new: str, value: Any) -> None:
    load_params(set_key(tmp_path, new, value))  # the new key is one of params.yaml
    with pytest.raises(UserError) as caught:
        load_params(set_key(tmp_path, old, value))
    expected = f"params.yaml: {old} is an old key: rename it to {new}, its values are the same"
    assert str(caught.value) == expected


def test_an_old_key_of_another_meaning_tells_what_to_set(tmp_path: Path) -> None:
    key = "profiles.sample.train.gradient_accumulation"
    with pytest.raises(UserError) as caught:
        load_params(set_key(tmp_path, key, 2))
    assert str(caught.value) == (
        f"params.yaml: {key} is an old key: in its place, set step_tokens, the tokens of an optimizer step "
        "over all GPUs, to packed_length times its value"
    )


def test_the_sizes_of_pictures_in_their_old_place_name_the_new_one(tmp_path: Path) -> None:
    params = yaml.safe_load(TEXT)
    params["image"] = params["profiles"]["sample"].pop("image")
    del params["profiles"]["open-schematics"]["image"]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_params(path)
    assert str(caught.value) == (
        "params.yaml: image is an old key: in its place, give every profile its own, profiles.NAME.image, "
        "with the same keys and values"
    )


def test_a_missing_file_names_the_folder_to_run_in(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is missing: run the stages from the repository's root"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("text", ["profile: [", "", "- sample", "!!python/object/apply:os.getcwd []"])
def test_what_is_no_group_of_keys_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match="params.yaml"):
        load_params(path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lora.dora", "profiles.sample.train.shard"),
        ("lora.dora", "profiles.sample.train.fp8"),
        ("profiles.sample.train.shard", "profiles.sample.train.fp8"),
    ],
)
def test_shards_fp8_and_dora_exclude_each_other(tmp_path: Path, one: str, other: str) -> None:
    path = set_key(tmp_path, one, True)
    load_params(path)
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    *parents, last = other.split(".")
    reduce(dict.__getitem__, parents, params)[last] = True
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    names = [key.removeprefix("profiles.sample.") for key in (one, other)]
    with pytest.raises(UserError, match=rf"{names[0]} and .*{names[1]} are true: .*choose one"):
        load_params(path)


def test_a_beam_search_and_a_grammar_exclude_each_other(tmp_path: Path) -> None:
    params = yaml.safe_load(TEXT)
    params["task"] = "json"
    params["evaluate"] |= {"grammar": True, "num_beams": 2}
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    with pytest.raises(UserError, match=r"evaluate\.grammar is true and evaluate\.num_beams is 2: a beam"):
        load_params(path)
    path.write_text(path.read_text().replace("num_beams: 2", "num_beams: 1"), encoding="utf-8")
    load_params(path)


@pytest.mark.parametrize("key", ["width", "height"])
def test_the_size_of_synthetic_sheets_is_checked_where_there_are_some(tmp_path: Path, key: str) -> None:
    path = set_key(tmp_path, f"profiles.open-schematics.data.{key}", 0)
    load_params(path)
    path.write_text(path.read_text().replace("synthetic: 0", "synthetic: 9"))
    with pytest.raises(UserError, match=rf"profiles\.open-schematics\.data\.{key} is 0: it must be greater"):
        load_params(path)


@pytest.mark.parametrize("hash", ["5e74c3648d22e73426bbeb4691397d9cc8053e34", "1e5" + 37 * "a"])
def test_a_commit_hash_without_quotes_is_text(tmp_path: Path, hash: str) -> None:
    path = tmp_path / "params.yaml"
    before = load_params(ROOT / "params.yaml").profiles["open-schematics"].data.revision
    assert before
    path.write_text(TEXT.replace(before, hash), encoding="utf-8")
    assert load_params(path).profiles["open-schematics"].data.revision == hash


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"profile: \xff", "is not UTF-8 (byte 9)"),
        (b"profile: 2026-02-31", "is not valid YAML: day is out of range"),
        (b"seed: " + 5000 * b"9", "is not valid YAML"),
        (b"seed: " + 20000 * b"[", "is not valid YAML"),
        (b"seed: 1\nseed: 2", "is not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_one_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(message)):
        load_params(path)

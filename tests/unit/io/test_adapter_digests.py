"""One flipped bit in an exported adapter is noticed, by evaluate and predict alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from schematic_reader.cli import UserError
from schematic_reader.config import Params, load_params
from schematic_reader.generation.answerer import open_answerer
from schematic_reader.io.adapter_digests import ADAPTER_DIGESTS, check_adapter, write_adapter_digests
from schematic_reader.model.device import prepare_device
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.predict.model_source import find_model
from schematic_reader.tasks import task
from schematic_reader.training.adapter import add_adapter
from tests.support.paths import ROOT
from tests.support.sheet_samples import LORA, TINY

PARAMS = load_params(ROOT / "params.yaml")


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    add_adapter(load_base(TINY, prepare_device(TINY, 1)), LORA).save_pretrained(str(tmp_path))
    load_processor(TINY.base, None).save_pretrained(str(tmp_path))
    write_adapter_digests(tmp_path)
    return tmp_path


def params() -> Params:
    return replace(PARAMS, profiles={PARAMS.profile: replace(PARAMS.active, model=TINY)})


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json", "tokenizer.json"])
def test_a_flipped_bit_is_noticed(adapter: Path, name: str) -> None:
    open_answerer(TINY, task("components"), PARAMS.evaluate, seed=1, adapter=adapter)
    find_model(str(adapter), params())
    content = bytearray((adapter / name).read_bytes())
    content[-100] ^= 4
    (adapter / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name} is not the file that was exported: .*dvc checkout --force"):
        open_answerer(TINY, task("components"), PARAMS.evaluate, seed=1, adapter=adapter)
    with pytest.raises(UserError, match=rf"{name} is not the file that was exported"):
        find_model(str(adapter), params())


def test_a_missing_file_is_noticed_and_another_one_is_no_damage(adapter: Path) -> None:
    (adapter / "README.md").write_text("a card")
    check_adapter(adapter)
    (adapter / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"tokenizer\.json is not the file that was exported"):
        check_adapter(adapter)


def test_a_list_that_is_written_again_lists_itself_no_more_than_the_first(adapter: Path) -> None:
    first = (adapter / ADAPTER_DIGESTS).read_bytes()
    write_adapter_digests(adapter)
    assert (adapter / ADAPTER_DIGESTS).read_bytes() == first
    check_adapter(adapter)


def test_a_folder_without_a_list_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    check_adapter(tmp_path)

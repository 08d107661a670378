"""``params.yaml`` as frozen dataclasses, checked in one place.

Each group of ``params.yaml`` is one class, whose field types are the allowed types and whose ``check`` tells
what combinations make no sense. An unknown key, a missing key, a wrong type or a value outside its range is a
``UserError`` that names the key, the value and what is allowed.
"""

from __future__ import annotations

import dataclasses
import math
import sys
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from ruamel.yaml import YAML, YAMLError

from schematic_reader.cli import UserError

TaskName = Literal["components", "yaml", "json", "schematic"]
FormName = Literal["verbatim", "compact"]
Projection = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
"""The linear layers of Qwen3-VL's language model."""

# Keys of version 0.1, as group.key, and what each is called now.
_RENAMED = {
    "messages.overlong": "on_too_long",
    "lora.also": "extra_targets",
    "evaluate.beams": "num_beams",
    "evaluate.draws": "bootstrap_samples",
    "evaluate.blind_sheets": "no_image_sheets",
    "data.dirty": "corrupt_share",
    "train.tokens_per_step": "packed_length",
}

# Keys that have another meaning or place now, and what to do with them. ".image" is a key of the file itself.
_REPLACED = {
    ".image": "give every profile its own, profiles.NAME.image, with the same keys and values",
    "train.gradient_accumulation": "set step_tokens, the tokens of an optimizer step over all GPUs, to "
    "packed_length times its value",
}


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UserError(f"params.yaml: {message}")


@dataclass(frozen=True)
class Clean:
    """Filters of the raw rows, and the split."""

    max_pixels: int
    max_text_chars: int
    mismatch: Literal["keep", "drop", "repair"]
    validation: float
    test: float
    rows_per_part: int

    def check(self, where: str) -> None:
        for name in ("max_pixels", "max_text_chars", "rows_per_part"):
            _positive(self, name, where)
        for name in ("validation", "test"):
            share = getattr(self, name)
            _require(0 < share < 1, f"{where}.{name} is {share}: it must be a share between 0 and 1")
        total = self.validation + self.test
        _require(total < 1, f"{where}.validation + {where}.test is {total}: nothing is left to train on")


@dataclass(frozen=True)
class Messages:
    """How an example becomes a chat."""

    form: FormName
    max_target_chars: int
    on_too_long: Literal["drop", "cut"]
    with_name: bool

    def check(self, where: str) -> None:
        _positive(self, "max_target_chars", where)


@dataclass(frozen=True)
class ImageLimits:
    """The largest picture that the model gets, in pixels; the most tiles of a sheet, 1 where none is cut."""

    max_side: int
    max_pixels: int
    tiles: int = 1

    def check(self, where: str) -> None:
        for name in ("max_side", "max_pixels", "tiles"):
            _positive(self, name, where)


@dataclass(frozen=True)
class Lora:
    """The adapter, as PEFT names it; ``init_from`` is the folder of the one that training starts from."""

    r: int
    alpha: int
    dropout: float
    rank_stabilized: bool
    dora: bool
    target_modules: tuple[Projection, ...]
    extra_targets: tuple[Literal["vision", "merger"], ...]
    init_from: str | None = None

    def check(self, where: str) -> None:
        _positive(self, "r", where)
        _positive(self, "alpha", where)
        _require(0 <= self.dropout < 1, f"{where}.dropout is {self.dropout}: it must be in [0, 1)")
        _require(bool(self.target_modules), f"{where}.target_modules is empty: name at least one projection")
        _require(
            self.init_from != "",
            f"{where}.init_from is '': name the folder of an adapter, or null for a new one",
        )


@dataclass(frozen=True)
class Train:
    """Training settings that do not depend on the profile."""

    weight_decay: float
    max_grad_norm: float
    warmup_steps: int
    schedule: Literal["linear", "cosine", "constant", "constant_with_warmup"]
    logging_steps: int
    validation_sheets: int
    vision_cache_gib: float
    report_to: Literal["none", "tensorboard", "dvclive", "wandb"] = "none"

    def check(self, where: str) -> None:
        _positive(self, "logging_steps", where)
        _positive(self, "validation_sheets", where)
        _positive(self, "max_grad_norm", where)
        _require(self.warmup_steps >= 0, f"{where}.warmup_steps is {self.warmup_steps}: it must be 0 or more")
        _require(self.weight_decay >= 0, f"{where}.weight_decay is {self.weight_decay}: it must be 0 or more")
        cache = self.vision_cache_gib
        _require(cache >= 0, f"{where}.vision_cache_gib is {cache}: it must be 0 (off) or more")


@dataclass(frozen=True)
class Evaluate:
    """How the baseline and the tuned model generate and are scored."""

    max_sheets: int
    max_new_tokens: int
    num_beams: int
    repetition_penalty: float
    bootstrap_samples: int
    no_image_sheets: int
    calibration_sheets: int
    grammar: bool
    ocr: bool

    def check(self, where: str) -> None:
        for name in ("max_sheets", "max_new_tokens", "num_beams", "repetition_penalty", "bootstrap_samples"):
            _positive(self, name, where)
        for name in ("no_image_sheets", "calibration_sheets"):
            count = getattr(self, name)
            _require(count >= 0, f"{where}.{name} is {count}: it must be 0 (off) or more")
        _require(
            not self.grammar or self.num_beams == 1,
            f"{where}.grammar is true and {where}.num_beams is {self.num_beams}: a beam search is not "
            "constrained to a grammar, set num_beams to 1 or grammar to false",
        )


@dataclass(frozen=True)
class Data:
    """Where the rows of a profile come from."""

    source: Literal["sample", "local", "hub"]
    path: str | tuple[str, ...] | None
    id: str | None
    revision: str | None
    rows: int | None
    width: int | None
    height: int | None
    corrupt_share: float | None
    shards: int | None = None
    synthetic: int = 0
    test_path: str | tuple[str, ...] | None = None

    def check(self, where: str) -> None:
        for name, paths in (("path", self.paths), ("test_path", self.test_paths)):
            _require(all(paths), f"{where}.{name} is {paths}: one of them is empty")
        _require(
            self.test_path is None or bool(self.test_paths),
            f"{where}.test_path is {self.test_path!r}: it must name parquet files, or be null for a test "
            "split of the source's own rows",
        )
        for name in ("rows", "shards"):
            if getattr(self, name) is not None:
                _positive(self, name, where)
        _require(self.synthetic >= 0, f"{where}.synthetic is {self.synthetic}: it must be 0 (none) or more")
        if self.synthetic:
            for name in ("width", "height"):  # null: as large as the sample's
                if getattr(self, name) is not None:
                    _positive(self, name, where)
        if self.source == "local":
            _require(bool(self.paths), f"{where}.path is null: source local needs a folder of parquet files")
        if self.source == "hub":
            _require(bool(self.id), f"{where}.id is null: source hub needs a data set such as owner/name")
            _require(
                bool(self.revision),
                f"{where}.revision is {self.revision!r}: source hub needs the full 40-hex commit of the data "
                "set, so that everybody reads the same rows",
            )
        if self.source == "sample":
            _require(self.shards is None, f"{where}.shards is {self.shards}: source sample has none")
            for name in ("rows", "width", "height"):
                _require(getattr(self, name) is not None, f"{where}.{name} is null: source sample needs it")
                _positive(self, name, where)
            share = self.corrupt_share
            _require(
                share is not None and 0 <= share < 1,
                f"{where}.corrupt_share is {share}: source sample needs a share from 0 to under 1",
            )

    @property
    def paths(self) -> tuple[str, ...]:
        """``path`` as one or several; empty where there is none."""
        return _several(self.path)

    @property
    def test_paths(self) -> tuple[str, ...]:
        """``test_path`` as one or several; empty where there is none."""
        return _several(self.test_path)


@dataclass(frozen=True)
class Model:
    """The base model: a folder or an id on the Hub, loaded by ``from_pretrained`` either way."""

    base: str
    revision: str | None
    dtype: Literal["float32", "bfloat16"]
    matmul: Literal["highest", "high", "medium"]
    device: Literal["auto", "cpu", "cuda"]
    batch_size: int

    def check(self, where: str) -> None:
        _require(bool(self.base), f"{where}.base is empty: name a folder or a model id such as owner/name")
        _positive(self, "batch_size", where)


@dataclass(frozen=True)
class ProfileTrain:
    """Training settings that go with the profile's model."""

    epochs: float
    max_sheets: int
    step_tokens: int
    packed_length: int
    learning_rate: float
    gradient_checkpointing: Literal["none", "selective", "full"]
    fp8: bool
    checkpoint_steps: int
    shard: bool

    def check(self, where: str) -> None:
        for name in ("epochs", "max_sheets", "step_tokens", "packed_length", "learning_rate"):
            _positive(self, name, where)
        _positive(self, "checkpoint_steps", where)


@dataclass(frozen=True)
class Profile:
    """What differs between a laptop and a GPU box."""

    data: Data
    image: ImageLimits
    model: Model
    train: ProfileTrain

    def check(self, _where: str) -> None:
        """Nothing beyond its parts, which check themselves."""


@dataclass(frozen=True)
class Params:
    """All of ``params.yaml``; ``active`` is the chosen profile."""

    profile: str
    seed: int
    task: TaskName
    clean: Clean
    messages: Messages
    lora: Lora
    train: Train
    evaluate: Evaluate
    profiles: dict[str, Profile]

    def check(self, _where: str) -> None:
        names = ", ".join(sorted(self.profiles))
        _require(self.profile in self.profiles, f"profile is {self.profile!r}: it must be one of {names}")
        held = self.evaluate.grammar
        _require(
            not held or (self.task in ("json", "yaml") and self.messages.form == "compact"),
            "evaluate.grammar is true: there is a grammar for task json or yaml with messages.form compact, "
            f"not for {self.task} with {self.messages.form}",
        )
        _require(
            self.active.image.tiles == 1 or self.task == "components" or self.messages.form == "compact",
            "the profile's image.tiles is over 1: with it, answers are joined in the compact form, set "
            f"messages.form to compact for task {self.task}, or image.tiles to 1",
        )
        # DoRA reads the base's whole weights, shards and fp8 replace them, each in its own way.
        chosen = {
            "lora.dora": self.lora.dora,
            "the profile's train.shard": self.active.train.shard,
            "the profile's train.fp8": self.active.train.fp8,
        }
        together = [name for name, value in chosen.items() if value]
        _require(len(together) < 2, f"{' and '.join(together)} are true: they exclude each other, choose one")
        _require(0 <= self.seed < 2**31, f"seed is {self.seed}: it must be from 0 to 2147483647")

    @property
    def active(self) -> Profile:
        return self.profiles[self.profile]


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check ``params.yaml``.

    Raises:
        UserError: the file is missing or not YAML, or a key or value is not allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run the stages from the repository's root") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 (byte {error.start}): save it in that encoding") from None
    try:
        value = YAML(typ="safe").load(text)  # DVC's own loader: both see the same values
    except (YAMLError, ValueError) as error:  # ValueError: an impossible date, a number of 5,000 digits
        raise UserError(f"{path} is not valid YAML: {error}") from None
    except RecursionError:
        raise UserError(f"{path} is not valid YAML: it is nested too deeply") from None
    return _build(Params, value, "")


T = TypeVar("T")


def _build(cls: type[T], value: Any, where: str) -> T:
    """Make the dataclass ``cls`` from the mapping ``value`` found at the dotted key ``where``."""
    _require(isinstance(value, dict), f"{where or 'the file'} is {value!r}: it must be a group of keys")
    hints = typing.get_type_hints(cls)
    known = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    prefix = f"{where}." if where else ""
    group = where.rpartition(".")[2]
    for key in value:
        new = _RENAMED.get(f"{group}.{key}")
        _require(
            new is None, f"{prefix}{key} is an old key: rename it to {prefix}{new}, its values are the same"
        )
        replaced = _REPLACED.get(f"{group}.{key}")
        _require(replaced is None, f"{prefix}{key} is an old key: in its place, {replaced}")
        _require(key in known, f"unknown key {prefix}{key}: allowed are {', '.join(known)}")
    for key in known:
        _require(key in value, f"{prefix}{key} is missing")
    made = cls(**{key: _convert(hints[key], value[key], prefix + key) for key in known})
    made.check(where)  # type: ignore[attr-defined]
    return made


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Check ``value`` against the type ``hint`` and return it in that type.

    An int is taken where a float is asked for, a list where a tuple is; nothing else is converted.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:  # only ever "X | None" or "X | tuple[X, ...] | None" here
        chosen = args[1] if isinstance(value, list) and len(args) == 3 else args[0]
        return None if value is None else _convert(chosen, value, where)
    if origin is Literal:
        allowed = ", ".join(map(str, args))
        _require(
            value in args and isinstance(value, str), f"{where} is {value!r}: it must be one of {allowed}"
        )
        return value
    if origin is tuple:
        _require(isinstance(value, list), f"{where} is {value!r}: it must be a list")
        return tuple(_convert(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        _require(isinstance(value, dict), f"{where} is {value!r}: it must be a group of keys")
        return {str(key): _build(args[1], item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        _require(abs(value) <= sys.float_info.max, f"{where} is {value!r:.20}...: it must be finite")
        return float(value)
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    _require(type(value) is hint, f"{where} is {value!r}: it must be {names[hint]}")
    if hint is float:
        _require(math.isfinite(value), f"{where} is {value!r}: it must be finite")
    return value


def _several(paths: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """None, one or several paths as a tuple; an empty text is none."""
    return paths if isinstance(paths, tuple) else (paths,) if paths else ()


def _positive(group: Any, name: str, where: str) -> None:
    value = getattr(group, name)
    _require(value > 0, f"{where}.{name} is {value}: it must be greater than 0")

"""Small sheets as a clean split, their message rows and their encoded samples, for tests of training."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image, ImageDraw

from schematic_reader.config import ImageLimits, Lora, Model
from schematic_reader.io.tables import CLEAN, MESSAGES, write_rows
from schematic_reader.model.encode import Encoded, Encoder
from schematic_reader.tasks.messages import chat
from tests.support.paths import ROOT

TINY = Model(
    base=str(ROOT / "models" / "tiny"),
    revision=None,
    dtype="float32",
    matmul="highest",
    device="cpu",
    batch_size=4,
)
LIMITS = ImageLimits(max_side=1024, max_pixels=1024 * 1024)
LORA = Lora(
    r=4,
    alpha=8,
    dropout=0.0,
    rank_stabilized=False,
    dora=False,
    target_modules=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    extra_targets=(),
    init_from=None,
)


def message_rows(folder: Path, count: int, split: str = "train") -> list[dict[str, Any]]:
    """Sheets with a word on them, of several sizes, as a clean split; returns their message rows."""
    clean, rows = [], []
    for i in range(count):
        generator = random.Random(f"{split}:{i}")
        size = (64 + 32 * generator.randrange(4), 64 + 32 * generator.randrange(3))
        image = Image.new("RGB", size, "white")
        ImageDraw.Draw(image).text((4, 4), f"R{i}", fill="black")
        data = io.BytesIO()
        image.save(data, "PNG")
        target = ", ".join(["R", "C", "GND", "LED"][: 1 + generator.randrange(4)])
        base = {"id": f"{split}{i:04d}", "name": f"owner/project{i}"}
        clean.append(
            base
            | {"description": "", "type": ".kicad_sch", "image": data.getvalue(), "width": size[0]}
            | {"height": size[1], "components": target.split(", "), "json": "{}", "yaml": "", "schematic": ""}
        )
        rows.append(
            base
            | {"part": "part-00.parquet", "row": i, "prompt": "Which parts?", "target": target}
            | {"messages": chat("Which parts?", target), "tile": None, "shown": None, "tiles": 1}
        )
    write_rows(folder / split / "part-00.parquet", CLEAN, clean)
    return rows


def ready_to_train(folder: Path, train: int, validation: int) -> None:
    """Make ``folder`` one in which all that comes before the train stage is done, but for its params.yaml."""
    for split, count in (("train", train), ("validation", validation)):
        rows = message_rows(folder / "data" / "clean", count, split)
        write_rows(folder / "data" / "messages" / f"{split}.parquet", MESSAGES, rows)
    (folder / "models").mkdir()
    (folder / "models" / "tiny").symlink_to(ROOT / "models" / "tiny")


def write_params(folder: Path, **changed: Any) -> None:
    """The committed params, for a few short steps; ``changed`` are the profile's of training."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["train"] |= {"warmup_steps": 1, "logging_steps": 4}
    params["lora"] |= {"dropout": 0.1}
    params["profiles"]["sample"]["train"] |= {"epochs": 6, "checkpoint_steps": 2}
    params["profiles"]["sample"]["train"] |= {"step_tokens": 150, "packed_length": 150}
    params["profiles"]["sample"]["train"] |= changed
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def write_exact_params(folder: Path, **changed: Any) -> None:
    """The same, for runs whose results are compared: on the CPU in float32, without dropout."""
    write_params(folder, **changed)
    text = (folder / "params.yaml").read_text()
    for name, old, new in (("device", "auto", "cpu"), ("matmul", "medium", "highest"), ("dropout", 0.1, 0.0)):
        text = text.replace(f"{name}: {old}", f"{name}: {new}")
    (folder / "params.yaml").write_text(text)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """A picture that looks different everywhere."""
    generator = random.Random(f"{width}:{height}:{seed}")
    return Image.frombytes("RGB", (width, height), generator.randbytes(width * height * 3))


def sample(encoder: Encoder, width: int, height: int, answer: str, seed: int = 0) -> Encoded:
    """A sheet of noise with its question and answer."""
    return encoder.encode_sample([noise(width, height, seed)], chat("Which parts?", answer))


def unpacked_loss(model: Any, samples: Sequence[Encoded]) -> torch.Tensor:
    """Summed loss of the samples by another road: one by one through transformers' own forward pass.

    All logits, of which those before a labelled token are scored. ``model`` has the attention that
    transformers gave it.
    """
    total = torch.zeros(())
    for one in samples:
        out = model(
            input_ids=one.input_ids[None],
            mm_token_type_ids=one.mm_token_type_ids[None],
            pixel_values=one.pixel_values,
            image_grid_thw=one.image_grid_thw,
            use_cache=False,
        )
        scored = one.labels[1:] != -100
        chances = torch.log_softmax(out.logits[0, :-1][scored], -1)
        total = total - chances.gather(-1, one.labels[1:][scored, None]).sum()
    return total

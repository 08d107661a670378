"""Real sheets for the training benchmark, and the processor and model that read them."""

from __future__ import annotations

import argparse
import gzip
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from transformers import (
    AutoConfig,
    AutoProcessor,
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
)

from schematic_reader.io.picture import PictureError, open_picture
from schematic_reader.io.tables import CLEAN, write_rows
from schematic_reader.model.device import Device
from schematic_reader.tasks import task
from schematic_reader.tasks.messages import chat
from schematic_reader.training.examples import Examples

TINY = Path("models/tiny")
COLUMNS = ["image", "components_used", "name", "type"]


def options(described: str | None, models: Iterable[str]) -> argparse.ArgumentParser:
    """A parser of what all benchmarks of a model take: its size, the rows and the processor."""
    parser = argparse.ArgumentParser(
        description=described, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=sorted(models), required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--processor")
    return parser


def first(examples: Examples, count: int) -> Examples:
    """The first ``count`` examples."""
    few = slice(count)
    return replace(
        examples,
        rows=examples.rows[few],
        lengths=examples.lengths[few],
        answer_lengths=examples.answer_lengths[few],
    )


def read_sheets(path: Path, folder: Path, most: int) -> list[dict[str, Any]]:
    """The first usable sheets of a parquet file or folder, as message rows over a clean split in ``folder``.

    Args:
        path: rows with the columns of Open Schematics.
    """
    components = task("components")
    clean: list[dict[str, Any]] = []
    for file in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
        for raw in pq.read_table(file, columns=COLUMNS).to_pylist():
            data = (raw["image"] or {}).get("bytes")
            row = dict.fromkeys(CLEAN.names, None) | {name: raw[name] for name in ("name", "type")}
            row["components"] = raw["components_used"] or []
            try:
                picture = open_picture(data or b"")
            except PictureError:
                continue
            if components.target(row, form="compact") and len(clean) < most:
                row |= {"id": f"{len(clean):05d}", "image": data}
                clean.append(row | {"width": picture.width, "height": picture.height})
    write_rows(folder / "train" / "part-00.parquet", CLEAN, clean)
    rows = []
    for number, row in enumerate(clean):
        prompt = components.prompt(row, form="compact", with_name=True)
        target = components.target(row, form="compact") or ""
        place = {"id": row["id"], "name": row["name"], "part": "part-00.parquet", "row": number}
        asked = {"prompt": prompt, "target": target, "messages": chat(prompt, target)}
        rows.append(place | asked | {"tile": None, "shown": None, "tiles": 1})
    return rows


def read_processor(base: str) -> Any:
    """The processor of a folder or of the Hub; around a bare ``tokenizer.json.gz``, one like Qwen3-VL's."""
    packed = Path(base) / "tokenizer.json.gz"
    if not packed.is_file():
        return AutoProcessor.from_pretrained(base)
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(gzip.decompress(packed.read_bytes()))
        file.flush()
        ends = {"pad_token": "<|endoftext|>", "eos_token": "<|im_end|>"}
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=file.name, **ends)
    tiny = AutoProcessor.from_pretrained(TINY)
    pictures = Qwen2VLImageProcessor(
        patch_size=16,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 65536, "longest_edge": 16777216},
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
    )
    return Qwen3VLProcessor(pictures, tokenizer, tiny.video_processor, chat_template=tiny.chat_template)


def build_model(name: str, processor: Any, device: Device) -> Any:
    """A model of that geometry with random weights, made on the device.

    Args:
        name: ``8b``, Qwen3-VL-8B-Instruct's geometry, or ``tiny``, that of models/tiny.
    """
    config = _config_8b(processor) if name == "8b" else AutoConfig.from_pretrained(TINY)
    with torch.device(device.name):
        model: Any = Qwen3VLForConditionalGeneration._from_config(
            config, dtype=device.dtype, attn_implementation=device.attention
        )
    return model.eval()


def _config_8b(processor: Any) -> Qwen3VLConfig:
    ids = processor.tokenizer.convert_tokens_to_ids
    return Qwen3VLConfig(
        text_config={
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 151936,
            "max_position_embeddings": 262144,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5000000,
                "mrope_section": [24, 20, 20],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 27,
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_heads": 16,
            "out_hidden_size": 4096,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [8, 16, 24],
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=False,
    )

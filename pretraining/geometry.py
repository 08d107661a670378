"""The shape of the small base model and of its processor.

The class is the one of Qwen3-VL-8B, with the same parts: two frames a patch, 2 x 2 patches merged to one
token, vision features added after the first decoder layer (deepstack), three-axis rotary positions. Patches
are of 12 px instead of 16, so that a merged token sees some dozen characters of a real A4 sheet.

Costs of a forward pass, counting multiply-adds as two operations: the vision tower 13 MFLOP a patch and, for
attention, 10 kFLOP a pair of patches; the language model 16 MFLOP a token.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from pretraining.tokens import (
    CELL,
    IMAGE,
    MERGE,
    PAD,
    PATCH,
    SPECIAL_TOKENS,
    TURN_END,
    VIDEO,
    VISION_END,
    VISION_START,
    VOCABULARY,
)

_VISION: dict[str, Any] = {
    "depth": 10,
    "hidden_size": 256,
    "intermediate_size": 768,
    "num_heads": 4,
    "patch_size": PATCH,
    "temporal_patch_size": 2,
    "spatial_merge_size": MERGE,
    "out_hidden_size": 384,
    "num_position_embeddings": 1024,
    "deepstack_visual_indexes": [4],
    "hidden_act": "gelu_pytorch_tanh",
}
_TEXT: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 384,
    "intermediate_size": 896,
    "num_hidden_layers": 6,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "max_position_embeddings": 8192,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [12, 10, 10],
        "mrope_interleaved": True,
    },
    "tie_word_embeddings": True,
    "pad_token_id": PAD,
    "bos_token_id": None,
    "eos_token_id": TURN_END,
}

_SHARD = "14MB"

# One turn as Qwen3-VL writes it; written for this project, without tools and without a default system turn.
CHAT_TEMPLATE = """\
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% if message.content is string -%}
{{ message.content }}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' or 'image' in part -%}<|vision_start|><|image_pad|><|vision_end|>
{%- elif part.type == 'video' or 'video' in part -%}<|vision_start|><|video_pad|><|vision_end|>
{%- elif 'text' in part -%}{{ part.text }}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}
"""


def make_config(*, vision: dict[str, Any] | None = None, text: dict[str, Any] | None = None) -> Qwen3VLConfig:
    """The configuration; ``vision`` and ``text`` replace single values, for tests at a smaller size."""
    return Qwen3VLConfig(
        vision_config={**_VISION, **(vision or {})},
        text_config={**_TEXT, **(text or {})},
        image_token_id=IMAGE,
        video_token_id=VIDEO,
        vision_start_token_id=VISION_START,
        vision_end_token_id=VISION_END,
        tie_word_embeddings=True,
    )


def make_model(config: Qwen3VLConfig, seed: int) -> Qwen3VLForConditionalGeneration:
    """An untrained model in float32; its weights depend on ``seed`` alone.

    A matrix holds plus or minus ``fan_in ** -0.5`` (0.02 for embeddings), those that end a residual branch
    smaller by the square root of twice the number of layers. Two values a matrix, not a normal distribution,
    because the file of an untrained model then compresses to a tenth.
    """
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(config)
    layers = {"visual.blocks": config.vision_config.depth, "layers": config.text_config.num_hidden_layers}
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            if weight.ndim < 2:
                continue
            scale = 0.02 if "embed_tokens" in name or "pos_embed" in name else weight[0].numel() ** -0.5
            if name.endswith(("attn.proj.weight", "linear_fc2.weight", "o_proj.weight", "down_proj.weight")):
                depth = next((n for part, n in layers.items() if f".{part}." in name), None)
                scale *= (2 * depth) ** -0.5 if depth else 1.0
            sign = torch.randint(0, 2, weight.shape) * 2 - 1
            weight.copy_(sign * scale)
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=[TURN_END, PAD], pad_token_id=PAD, bos_token_id=None
    )
    return model


def make_processor(tokenizer: Tokenizer) -> Qwen3VLProcessor:
    """The processor around a trained tokenizer whose first entries are ``SPECIAL_TOKENS``."""
    shared: dict[str, Any] = {
        "patch_size": PATCH,
        "temporal_patch_size": 2,
        "merge_size": MERGE,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    return Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(
            size={"shortest_edge": 4 * CELL * CELL, "longest_edge": 2048 * 2048}, **shared
        ),
        video_processor=Qwen3VLVideoProcessor(**shared),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            eos_token="<|im_end|>",  # noqa: S106
            pad_token="<|endoftext|>",  # noqa: S106
            additional_special_tokens=list(SPECIAL_TOKENS),
            model_max_length=_TEXT["max_position_embeddings"],
            clean_up_tokenization_spaces=False,
        ),
        chat_template=CHAT_TEMPLATE,
    )


def save(model: Qwen3VLForConditionalGeneration, folder: Path) -> None:
    """Writes the weights as bfloat16 safetensors in shards of at most 14 MB, and the configuration."""
    # A copy, since casting works in place and would round the weights in training.
    copy.deepcopy(model).to("cpu", torch.bfloat16).save_pretrained(folder, max_shard_size=_SHARD)


def parameters(model: Qwen3VLForConditionalGeneration) -> int:
    """How many parameters the model has; tied ones count once."""
    return sum(p.numel() for p in model.parameters())

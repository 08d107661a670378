"""Encodes a sheet's picture and its chat as model inputs, with labels on the answer alone.

The prompt's pictures are cut into patches by the model's own image processor, and its image token is expanded
to one placeholder for each merged patch. The answer's tokens are appended to that expanded sequence, so the
mask cannot be off by the length of a picture; and they are exactly what generation has to produce after the
same prompt.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from transformers import ProcessorMixin

from schematic_reader.cli import UserError
from schematic_reader.model.chat_template import PLACEHOLDER, rendered_forms

_NAME_ANOTHER = "name an Instruct model in the profile's model.base"

IGNORE_INDEX = -100  # label without a loss, as PyTorch's cross entropy and TRL have it


@dataclass(frozen=True)
class Encoded:
    """One sample.

    ``input_ids``, ``labels`` and ``mm_token_type_ids`` are int64 of shape ``(tokens,)``; ``pixel_values`` is
    float32 of shape ``(patches, channels * temporal_patch * patch * patch)`` over all pictures of the sample,
    and ``image_grid_thw`` is int64 of shape ``(pictures, 3)``.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    mm_token_type_ids: torch.Tensor
    pixel_values: torch.Tensor
    image_grid_thw: torch.Tensor


class Encoder:
    """Encodes prompts and samples for one processor.

    Raises:
        UserError: the processor's chat template fails, does not end, changes the prompt, or does not put the
            answer between the prompt and an end-of-turn token, so that no label could be placed.
    """

    def __init__(self, processor: ProcessorMixin) -> None:
        self.processor: Any = processor  # transformers types neither its call nor its parts
        self.tokenizer: Any = self.processor.tokenizer
        self.pad_id = int(self.tokenizer.pad_token_id)
        self.merge_size = int(self.processor.image_processor.merge_size)  # patches a side behind one token
        self._measured = ("", 0)  # the prompt measured last and its tokens: tiles of a sheet share it
        self._forms: dict[str, str] = {}  # rendered prompts with placeholders, by their messages as JSON
        self.end_of_turn_id = self._end_of_turn()

    def encode_prompt(self, pictures: list[Image.Image], messages: list[dict[str, Any]]) -> Encoded:
        """Encode the user's turn up to where the answer starts; every label is ``IGNORE_INDEX``."""
        # The image processor resizes the pictures and cuts them into patches.
        inputs = self.processor.image_processor(pictures, return_tensors="pt")
        return self._expanded(messages, inputs["image_grid_thw"], inputs["pixel_values"])

    def encode_sample(self, pictures: list[Image.Image], messages: list[dict[str, Any]]) -> Encoded:
        """Encode a whole chat; exactly the answer and its end-of-turn token have a label."""
        return self._append_answer(self.encode_prompt(pictures, messages), messages)

    def encode_with_cached_features(self, grids: torch.Tensor, messages: list[dict[str, Any]]) -> Encoded:
        """The same as ``encode_sample`` without pixels, for images whose features are cached.

        Args:
            grids: (temporal, height, width) of each picture in patches, int64 of shape ``(pictures, 3)``.
        """
        return self._append_answer(self._expanded(messages, grids, torch.empty(0, 0)), messages)

    def answer_ids(self, target: str) -> torch.Tensor:
        """Token ids of an answer with its end-of-turn token, int64 of shape ``(tokens,)``."""
        return torch.tensor([*self._ids(target), self.end_of_turn_id], dtype=torch.int64)

    def sample_lengths(self, sizes: list[tuple[int, int]], messages: list[dict[str, Any]]) -> tuple[int, int]:
        """Tokens of the prompt and of the answer in ``encode_sample``.

        Args:
            sizes: (width, height) of each picture, which need not be opened.
        """
        answer = self.answer_ids(messages[-1]["content"][0]["text"])
        return self.prompt_length(sizes, messages), len(answer)

    def prompt_length(self, sizes: list[tuple[int, int]], messages: list[dict[str, Any]]) -> int:
        """Tokens of ``encode_prompt`` for pictures of these (width, height), without opening them."""
        image_processor = self.processor.image_processor
        patches = [image_processor.get_number_of_image_patches(height, width) for width, height in sizes]
        # The unexpanded prompt holds one placeholder per picture already.
        expansion = sum(count // self.merge_size**2 - 1 for count in patches)
        text, measured = self._prompt_text(messages), self._measured
        if text != measured[0]:
            measured = self._measured = (text, len(self._ids(text)))
        return measured[1] + expansion

    def _ids(self, text: str) -> list[int]:
        """Token ids of ``text``; the backend takes a third of the time of the tokenizer's own call."""
        ids: list[int] = self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _expanded(
        self, messages: list[dict[str, Any]], grids: torch.Tensor, pixel_values: torch.Tensor
    ) -> Encoded:
        """The prompt, each picture's one placeholder expanded to one for each merged patch.

        The processor's own call does the same, but takes as long for it as the pictures' patches take.
        """
        ids = torch.tensor(self._ids(self._prompt_text(messages)), dtype=torch.int64)
        is_placeholder = ids == self.processor.image_token_id
        found = int(is_placeholder.sum())
        if found != len(grids):  # a text that spells the token would get a picture's patches
            raise ValueError(f"{found} placeholders in the prompt, {len(grids)} pictures")
        repeats = torch.ones_like(ids)
        repeats[is_placeholder] = grids.prod(1) // self.merge_size**2
        ids = ids.repeat_interleave(repeats)
        token_types = (ids == self.processor.image_token_id).to(ids.dtype)
        return Encoded(ids, torch.full_like(ids, IGNORE_INDEX), token_types, pixel_values, grids)

    def _append_answer(self, prompt: Encoded, messages: list[dict[str, Any]]) -> Encoded:
        answer = self.answer_ids(messages[-1]["content"][0]["text"])
        return replace(
            prompt,
            input_ids=torch.cat([prompt.input_ids, answer]),
            labels=torch.cat([prompt.labels, answer]),
            mm_token_type_ids=torch.cat([prompt.mm_token_type_ids, torch.zeros_like(answer)]),
        )

    def _prompt_text(self, messages: list[dict[str, Any]]) -> str:
        """The user's turn as the template renders it, and the start of the answer."""
        prompt = [message for message in messages if message["role"] != "assistant"]
        texts = [part["text"] for message in prompt for part in message["content"] if part["type"] == "text"]
        form = [_form(message) for message in prompt]
        key = json.dumps(form)
        if key not in self._forms:
            (self._forms[key],) = self._render([(form, True)])
        around = self._forms[key].split(PLACEHOLDER)
        if len(around) != len(texts) + 1:
            raise UserError(
                f"the base model's chat template does not repeat the prompt as it is: {_NAME_ANOTHER}"
            )
        return around[0] + "".join(text + after for text, after in zip(texts, around[1:], strict=True))

    def _render(self, forms: list[tuple[list[dict[str, Any]], bool]]) -> list[str]:
        """Forms of chats, and whether a generation prompt follows, as the model's template renders them."""
        template = self.processor.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        if template is None:
            raise UserError(f"the base model has no chat template: {_NAME_ANOTHER}")
        return rendered_forms(template, self.tokenizer.special_tokens_map, forms)

    def _end_of_turn(self) -> int:
        """The token with which the chat template ends an answer."""
        # A chat with and without its answer: what is longer by more than the answer is the end of the turn.
        text = {"type": "text", "text": PLACEHOLDER}
        user = {"role": "user", "content": [text]}
        reply = {"role": "assistant", "content": [text]}
        seen = [{"role": "user", "content": [{"type": "image"}, text]}]  # all prompts are of this form
        forms = [([user], True), ([user, reply], False), (seen, True)]
        opened, whole, self._forms[json.dumps(seen)] = self._render(forms)
        if not whole.startswith(opened + PLACEHOLDER):
            raise UserError(
                "the base model's chat template does not continue its generation prompt with the answer, so "
                f"no label can be placed: {_NAME_ANOTHER}"
            )
        tail = self.tokenizer(whole[len(opened + PLACEHOLDER) :], add_special_tokens=False)["input_ids"]
        if not tail or tail[0] not in self.tokenizer.all_special_ids:
            raise UserError(
                "the base model's chat template ends an answer with no special token, so the model could not "
                f"learn to stop: {_NAME_ANOTHER}"
            )
        return int(tail[0])


def _form(message: dict[str, Any]) -> dict[str, Any]:
    """The message with ``PLACEHOLDER`` for texts, without the nulls that parquet adds to content parts."""
    content = [
        {"type": "text", "text": PLACEHOLDER} if part["type"] == "text" else {"type": part["type"]}
        for part in message["content"]
    ]
    return {"role": message["role"], "content": content}


def collate(samples: list[Encoded], pad_id: int, *, padding_side: str) -> dict[str, torch.Tensor]:
    """Pad samples to one batch.

    Args:
        padding_side: "right" for training, "left" for generation.

    Returns:
        ``input_ids``, ``attention_mask``, ``labels`` and ``mm_token_type_ids`` of shape ``(batch, tokens)``;
        ``pixel_values`` and ``image_grid_thw`` of all pictures in order.
    """
    longest = max(len(sample.input_ids) for sample in samples)

    def pad(rows: list[torch.Tensor], value: int) -> torch.Tensor:
        """``(tokens,)`` each, to ``(batch, longest)``."""
        out = torch.full((len(rows), longest), value, dtype=torch.int64)
        for i, row in enumerate(rows):
            if padding_side == "left":
                out[i, longest - len(row) :] = row
            else:
                out[i, : len(row)] = row
        return out

    return {
        "input_ids": pad([s.input_ids for s in samples], pad_id),
        "attention_mask": pad([torch.ones_like(s.input_ids) for s in samples], 0),
        "labels": pad([s.labels for s in samples], IGNORE_INDEX),
        "mm_token_type_ids": pad([s.mm_token_type_ids for s in samples], 0),
        "pixel_values": torch.cat([s.pixel_values for s in samples]),
        "image_grid_thw": torch.cat([s.image_grid_thw for s in samples]),
    }

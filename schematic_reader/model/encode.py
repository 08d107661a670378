"""From a sheet's picture and its chat to what the model takes, with a loss on the answer alone.

The prompt is encoded by the model's own processor, which expands the image token to one placeholder for each
merged patch. The answer's tokens are appended to that expanded sequence, so the mask cannot be off by the
length of a picture; and they are exactly what generation has to produce after the same prompt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image as PILImage
from transformers import ProcessorMixin

from schematic_reader.cli import UserError

IGNORED = -100  # the label that PyTorch's cross entropy and TRL leave out


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
        UserError: the processor's chat template does not put the answer between the prompt and an end-of-turn
            token, so no label could be placed.
    """

    def __init__(self, processor: ProcessorMixin) -> None:
        self.processor: Any = processor  # transformers types neither its call nor its parts
        self.tokenizer: Any = self.processor.tokenizer
        self.pad_id = int(self.tokenizer.pad_token_id)
        self.merge = int(self.processor.image_processor.merge_size)  # side of the patches behind one token
        self.end_of_turn_id = self._end_of_turn()

    def encode_prompt(self, pictures: list[PILImage.Image], messages: list[dict[str, Any]]) -> Encoded:
        """Encode the user's turn up to where the answer starts; every label is ``IGNORED``."""
        text = self._prompt_text(messages)
        made = self.processor(
            text=[text], images=pictures, return_mm_token_type_ids=True, return_tensors="pt"
        )
        ids = made["input_ids"][0]
        return Encoded(
            ids,
            torch.full_like(ids, IGNORED),
            made["mm_token_type_ids"][0].to(ids.dtype),
            made["pixel_values"],
            made["image_grid_thw"],
        )

    def encode_sample(self, pictures: list[PILImage.Image], messages: list[dict[str, Any]]) -> Encoded:
        """Encode a whole chat; exactly the answer and its end-of-turn token have a label."""
        return self._answered(self.encode_prompt(pictures, messages), messages)

    def encode_seen(self, grids: torch.Tensor, messages: list[dict[str, Any]]) -> Encoded:
        """What ``encode_sample`` gives, but for the pixels, of which there are none.

        Args:
            grids: (temporal, height, width) of each picture in patches, int64 of shape ``(pictures, 3)``.
        """
        ids = torch.tensor(self._ids(self._prompt_text(messages)), dtype=torch.int64)
        tokens = torch.ones_like(ids)
        tokens[ids == self.processor.image_token_id] = grids.prod(1) // self.merge**2
        ids = ids.repeat_interleave(tokens)
        kinds = (ids == self.processor.image_token_id).to(ids.dtype)
        prompt = Encoded(ids, torch.full_like(ids, IGNORED), kinds, torch.empty(0, 0), grids)
        return self._answered(prompt, messages)

    def answer_ids(self, target: str) -> torch.Tensor:
        """Token ids of an answer with its end-of-turn token, int64 of shape ``(tokens,)``."""
        return torch.tensor([*self._ids(target), self.end_of_turn_id], dtype=torch.int64)

    def length(self, sizes: list[tuple[int, int]], messages: list[dict[str, Any]]) -> int:
        """How many tokens ``encode_sample`` would give for pictures of these (width, height), unopened."""
        answer = self.answer_ids(messages[-1]["content"][0]["text"])
        return self.prompt_length(sizes, messages) + len(answer)

    def prompt_length(self, sizes: list[tuple[int, int]], messages: list[dict[str, Any]]) -> int:
        """How many tokens ``encode_prompt`` would give for pictures of these (width, height), unopened."""
        image_processor = self.processor.image_processor
        patches = [image_processor.get_number_of_image_patches(height, width) for width, height in sizes]
        # The unexpanded prompt holds one placeholder a picture.
        pictures = sum(count // self.merge**2 - 1 for count in patches)
        return len(self._ids(self._prompt_text(messages))) + pictures

    def _ids(self, text: str) -> list[int]:
        """What the tokenizer makes of ``text``; its own call takes three times as long for one text."""
        ids: list[int] = self.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _answered(self, prompt: Encoded, messages: list[dict[str, Any]]) -> Encoded:
        answer = self.answer_ids(messages[-1]["content"][0]["text"])
        return replace(
            prompt,
            input_ids=torch.cat([prompt.input_ids, answer]),
            labels=torch.cat([prompt.labels, answer]),
            mm_token_type_ids=torch.cat([prompt.mm_token_type_ids, torch.zeros_like(answer)]),
        )

    def _prompt_text(self, messages: list[dict[str, Any]]) -> str:
        turn = [_plain(message) for message in messages if message["role"] != "assistant"]
        text: str = self.processor.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        return text

    def _end_of_turn(self) -> int:
        """The token that the chat template puts behind an answer."""
        answer = "answer"
        user = {"role": "user", "content": [{"type": "text", "text": "question"}]}
        reply = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
        opened: str = self.processor.apply_chat_template([user], tokenize=False, add_generation_prompt=True)
        whole: str = self.processor.apply_chat_template([user, reply], tokenize=False)
        if not whole.startswith(opened + answer):
            raise UserError(
                "the base model's chat template does not continue its generation prompt with the answer, so "
                "no label can be placed: name an Instruct model in the profile's model.base"
            )
        tail = self.tokenizer(whole[len(opened + answer) :], add_special_tokens=False)["input_ids"]
        if not tail or tail[0] not in self.tokenizer.all_special_ids:
            raise UserError(
                "the base model's chat template ends an answer with no special token, so the model could not "
                "learn to stop: name an Instruct model in the profile's model.base"
            )
        return int(tail[0])


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    """The message without the nulls that parquet adds to a content part of another type."""
    content = [{k: v for k, v in part.items() if v is not None} for part in message["content"]]
    return {"role": message["role"], "content": content}


def collate(samples: list[Encoded], pad_id: int, *, side: str) -> dict[str, torch.Tensor]:
    """Pad samples to one batch.

    Args:
        side: "right" for training, "left" for generation.

    Returns:
        ``input_ids``, ``attention_mask``, ``labels`` and ``mm_token_type_ids`` of shape ``(batch, tokens)``;
        ``pixel_values`` and ``image_grid_thw`` of all pictures in order.
    """
    longest = max(len(sample.input_ids) for sample in samples)

    def pad(rows: list[torch.Tensor], value: int) -> torch.Tensor:
        out = torch.full((len(rows), longest), value, dtype=torch.int64)
        for i, row in enumerate(rows):
            if side == "left":
                out[i, longest - len(row) :] = row
            else:
                out[i, : len(row)] = row
        return out

    return {
        "input_ids": pad([s.input_ids for s in samples], pad_id),
        "attention_mask": pad([torch.ones_like(s.input_ids) for s in samples], 0),
        "labels": pad([s.labels for s in samples], IGNORED),
        "mm_token_type_ids": pad([s.mm_token_type_ids for s in samples], 0),
        "pixel_values": torch.cat([s.pixel_values for s in samples]),
        "image_grid_thw": torch.cat([s.image_grid_thw for s in samples]),
    }

"""The chat of one sheet in the layout that Qwen3-VL's processor and TRL read."""

from __future__ import annotations

from typing import Any


def chat(prompt: str, target: str) -> list[dict[str, Any]]:
    """A user turn with the place of one picture and the prompt, and the assistant's answer."""
    return [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]},
        {"role": "assistant", "content": [{"type": "text", "text": target}]},
    ]

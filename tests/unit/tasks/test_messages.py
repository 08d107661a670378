"""The chat's layout."""

from __future__ import annotations

from schematic_reader.tasks.messages import chat


def test_chat_has_one_picture_before_the_prompt() -> None:
    assert chat("What is here?", "R, C") == [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is here?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "R, C"}]},
    ]

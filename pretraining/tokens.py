"""Token ids and picture units that the parts of pre-training share."""

from __future__ import annotations

PLACES = 100  # steps of a position along a side of the picture

# The ids of the special tokens are their places in this list; the first seven are those of Qwen3-VL.
CHAT_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
PAD, TURN_START, TURN_END, VISION_START, VISION_END, IMAGE, VIDEO = range(len(CHAT_TOKENS))
# One token for each hundredth of the width and one for each of the height: a model learns to point with
# tokens of its own sooner than with digits.
SPECIAL_TOKENS = (
    *CHAT_TOKENS,
    *(f"<|x{place:02d}|>" for place in range(PLACES)),
    *(f"<|y{place:02d}|>" for place in range(PLACES)),
)
# Tokens that no answer holds: nothing is learned about when to say them.
NEVER_SAID = (PAD, TURN_START, VISION_START, VISION_END, IMAGE, VIDEO)

VOCABULARY = 1024
PATCH = 12  # px
MERGE = 2  # patches a side of a merged token
CELL = PATCH * MERGE  # px a side of what one merged token sees


def position(x: float, y: float) -> str:
    """The two tokens of a place, ``x`` and ``y`` in shares of the picture's width and height."""
    column, row = (min(PLACES - 1, max(0, int(share * PLACES))) for share in (x, y))
    return f"<|x{column:02d}|><|y{row:02d}|>"

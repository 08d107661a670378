"""Token ids and picture units that the parts of pre-training share."""

# The ids of the special tokens are their places in this list.
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
PAD, TURN_START, TURN_END, VISION_START, VISION_END, IMAGE, VIDEO = range(len(SPECIAL_TOKENS))

VOCABULARY = 4096
PATCH = 16  # px
MERGE = 2  # patches a side of a merged token
CELL = PATCH * MERGE  # px a side of what one merged token sees

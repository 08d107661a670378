"""The byte-level BPE tokenizer of the small base model."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from pretraining.tokens import SPECIAL_TOKENS, VOCABULARY

# Digits and capitals stand alone, so that 4k7, STM32F103 and SPI1_SCK are read character by character; only
# words of small letters (with their capital and the blank before them) and runs of signs grow together.
_PIECES = r"\p{N}| ?\p{Lu}?\p{Ll}{2,}| ?[^\s\p{L}\p{N}]{1,8}|\p{L}|\s*[\r\n]+|\s+(?!\S)|\s"
# Bytes that no UTF-8 text holds: a token of them could never be learned.
_NEVER = {0xC0, 0xC1, *range(0xF5, 0x100)}


def train(lines: Iterable[str]) -> Tokenizer:
    """Trains on ``lines``. Every byte of UTF-8 has a token, so any text comes back unchanged."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=_alphabet(),
        limit_alphabet=256 - len(_NEVER),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


def _alphabet() -> list[str]:
    """The characters that stand for the bytes of UTF-8, as byte-level tokenizers map them (GPT-2)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(256, 512))
    characters = {byte: chr(byte if byte in printable else next(others)) for byte in range(256)}
    return [character for byte, character in characters.items() if byte not in _NEVER]

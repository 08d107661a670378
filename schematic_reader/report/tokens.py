"""A chat as the model gets it: its tokens, without the model and the libraries that run it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from tokenizers import Encoding, Tokenizer

_FILES = ("tokenizer.json", "tokenizer_config.json")
_TEMPLATES = ("chat_template.jinja", "chat_template.json")
_PICTURES = ("preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True, slots=True)
class ShownToken:
    """One token: its text, how often it follows itself, whether it is special and whether it has a loss."""

    text: str
    times: int
    special: bool
    loss: bool


class ChatTokens:
    """Chats of one picture and one prompt as the base model's tokenizer and chat template make them.

    Args:
        base: a folder, or an id on the Hub whose files are in this machine's cache: nothing is downloaded.

    Raises:
        FileNotFoundError: a file of the tokenizer is not there.
        UserError: the chat template fails.
        ValueError: the files are not those of a vision-language model, or damaged.
    """

    def __init__(self, base: str, revision: str | None) -> None:
        from schematic_reader.model.chat_template import PLACEHOLDER, rendered_forms

        tokenizer, config = (_file(base, revision, (name,)) for name in _FILES)
        self._tokenizer = _tokenizer(tokenizer)
        settings = _json(config)
        tokens = {
            name: token["content"] if isinstance(token, dict) else token
            for name, token in settings.items()
            if name.endswith("_token") and isinstance(token, (str, dict))
        }
        pictures = _json(_file(base, revision, _PICTURES))
        pictures = pictures.get("image_processor", pictures)
        try:
            self._factor = int(pictures["patch_size"]) * int(pictures["merge_size"])
            self._least, self._most = (
                int(pictures["size"][edge]) for edge in ("shortest_edge", "longest_edge")
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the picture's settings lack {error}") from None
        added = self._tokenizer.get_added_tokens_decoder()
        self._special = {number for number, token in added.items() if token.special}
        self._image = self._tokenizer.token_to_id(tokens.get("image_token", "<|image_pad|>"))
        text = {"type": "text", "text": PLACEHOLDER}
        user = {"role": "user", "content": [{"type": "image"}, text]}
        reply = {"role": "assistant", "content": [text]}
        template = settings.get("chat_template") or _template(_file(base, revision, _TEMPLATES))
        opened, whole = rendered_forms(template, tokens, [([user], True), ([user, reply], False)])
        self._before, placeholder, self._after = opened.partition(PLACEHOLDER)
        _, ended, tail = whole.removeprefix(opened).partition(PLACEHOLDER)
        ending = self._encode(tail)
        if not (placeholder and ended and ending.ids and ending.ids[0] in self._special):
            raise ValueError("its chat template does not put an answer between a prompt and a special token")
        self._end = ShownToken(tail[slice(*ending.offsets[0])], 1, special=True, loss=True)

    def chat(self, prompt: str, answer: str, size: tuple[int, int]) -> list[ShownToken]:
        """The tokens of a whole chat; the answer and its end have a loss, as in training.

        Args:
            size: width and height of the picture in pixels.
        """
        question = self._shown(self._before + prompt + self._after, size)
        return [*question, *self._shown(answer, None), self._end]

    def lengths(self, answers: Iterable[str]) -> list[int]:
        """Tokens of each answer, its end included."""
        found = self._tokenizer.encode_batch(list(answers), add_special_tokens=False)
        return [len(encoding.ids) + 1 for encoding in found]

    def picture_tokens(self, width: int, height: int) -> int:
        """The tokens that stand for a picture of that size: one for each merged patch of the resized one."""
        factor = self._factor
        down, across = (max(factor, round(side / factor) * factor) for side in (height, width))
        if down * across > self._most:
            shrink = math.sqrt(height * width / self._most)
            down, across = (
                max(factor, math.floor(side / shrink / factor) * factor) for side in (height, width)
            )
        elif down * across < self._least:
            grow = math.sqrt(self._least / (height * width))
            down, across = (math.ceil(side * grow / factor) * factor for side in (height, width))
        return down * across // factor**2

    def _encode(self, text: str) -> Encoding:
        return self._tokenizer.encode(text, add_special_tokens=False)

    def _shown(self, text: str, size: tuple[int, int] | None) -> Iterator[ShownToken]:
        """The tokens of a text; of an answer, which has a loss, where there is no picture's size."""
        encoding = self._encode(text)
        last = (0, 0)
        for number, span in zip(encoding.ids, encoding.offsets, strict=True):
            # A character of several bytes may be several tokens, all with its place.
            piece = text[span[0] : span[1]] if span != last else ""
            last = span
            times = self.picture_tokens(*size) if size and number == self._image else 1
            yield ShownToken(piece, times, number in self._special, loss=size is None)


def _file(base: str, revision: str | None, names: Sequence[str]) -> Path:
    """The first of the files ``names`` that the base model has here."""
    for name in names:
        if Path(base).is_dir():
            path: Any = Path(base) / name
        else:
            path = try_to_load_from_cache(base, name, revision=revision)
        if isinstance(path, (str, Path)) and Path(path).is_file():
            return Path(path)
    raise FileNotFoundError(names[0])


def _tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001, the library raises nothing narrower
        raise ValueError(f"its tokenizer.json is damaged ({' '.join(str(error).split())[:100]})") from None


def _json(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"its {path.name} holds no JSON object")
    return value


def _template(path: Path) -> str:
    if path.suffix == ".json":
        return str(_json(path)["chat_template"])
    return path.read_text(encoding="utf-8")

"""Asking a model about sheets, in batches, on every GPU that is there."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import torch
from PIL import Image as PILImage
from tokenizers.decoders import DecodeStream
from tqdm import tqdm
from transformers import (
    CompileConfig,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    StaticCache,
)

from stages.store.errors import UserError
from stages.store.parallel import cores
from stages.vlm import processes
from stages.vlm.cached_attention import cached_attention
from stages.vlm.encode import Encoded, Encoder, collate
from stages.vlm.fused import use_fused_norms, use_patch_product
from stages.vlm.shares import gathered, own_share, this_process

Narrowing = Callable[[list[dict[str, Any]]], LogitsProcessor]

GREY = (128, 128, 128)

_MAX_THREADS = 16  # 45 ms a sheet each: more than one GPU answers

CACHE_STEP = 128
"""Tokens that the length of a static cache is a multiple of."""


@dataclass(frozen=True)
class Answer:
    """What a model said: its text, how many tokens it took, and whether it stopped or ran into the limit.

    ``ends`` and ``probabilities`` have an entry for each token, the end of the turn, where it came, included:
    the number of characters of ``text`` up to the token's end, and the token's probability given all before
    it (softmax of the model's own logits). A beam search leaves both empty.
    """

    text: str
    tokens: int
    finish: str  # stop or length
    ends: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)


class Shown(Protocol):
    """The pictures of message rows as the model gets them; ``vlm.sheets.Sheets`` is one."""

    def picture(self, row: dict[str, Any]) -> PILImage.Image: ...
    def size(self, row: dict[str, Any]) -> tuple[int, int]: ...


class Journal(Protocol):
    """Where finished answers are kept; ``scoring.journal.Journal`` is one."""

    @property
    def values(self) -> Mapping[str, dict[str, Any]]: ...
    def add(self, values: Mapping[str, dict[str, Any]]) -> None: ...


@torch.inference_mode()
def answer_sheets(
    model: Any,
    encoder: Encoder,
    sheets: Shown,
    rows: list[dict[str, Any]],
    *,
    batch_size: int,
    max_new_tokens: int,
    beams: int = 1,
    repetition_penalty: float = 1.0,
    blind: bool = False,
    journal: Journal | None = None,
    narrowed: Narrowing | None = None,
    static: bool = False,
) -> list[Answer]:
    """Answer the prompt of each message row, by the likeliest next token unless told otherwise.

    Rows whose right answers have about the same length share a batch, so that its answers end together; the
    pictures of the next batch are encoded meanwhile. Where several processes run, each takes its share of the
    batches and all get all answers.

    Args:
        beams: of a beam search; 1 is greedy.
        repetition_penalty: what the score of a token that the answer already has is divided by (Keskar et
            al., CTRL, 2019, section 4.1); 1 is none. The prompt does not count.
        blind: show a grey sheet of the same size in place of each picture, so that the answer tells what the
            model says without looking.
        journal: keeps each batch when it is answered; a batch that it has whole is not asked again. Batches
            are made of the same rows every time, so that a run that was interrupted ends with the same bytes.
        narrowed: makes, for the rows of a batch, what limits which tokens may come next.
        static: decode with a cache of one size for all batches, and all batches filled up to one size, which
            on a GPU makes the decoding step one compiled graph that is launched at once. Compiling takes a
            minute, so it is for many sheets; a beam search, which moves its cache about, is left as it is.

    Returns:
        One answer a row, in the order of ``rows``.

    Raises:
        UserError: a batch does not fit into the GPU's memory.
    """
    static = static and beams == 1
    on_cuda = model.device.type == "cuda"
    batches, longest = _batches(encoder, sheets, rows, batch_size)
    stops = _stop_ids(model, encoder)
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        num_beams=beams,
        do_sample=False,
        repetition_penalty=1.0,
        eos_token_id=stops,
        pad_token_id=encoder.pad_id,
        compile_config=_compile_config(model) if static else None,
    )
    use_patch_product(model.model.visual)
    cache = None
    if static:
        use_fused_norms(model.model.language_model)
        cache = _static_cache(model, longest + max_new_tokens)
    answers: dict[int, Answer] = {}
    keys = {i: f"{'blind' if blind else 'seen'}:{row['id']}" for i, row in enumerate(rows)}
    own = own_share(batches)
    if journal:
        kept = [batch for batch in own if journal.values.keys() >= {keys[i] for i in batch}]
        answers = {i: Answer(**journal.values[keys[i]]) for batch in kept for i in batch}
        own = [batch for batch in own if batch not in kept]

    def encode(i: int) -> Encoded:
        made = encoder.encode_prompt([_shown(sheets, rows[i], blind=blind)], rows[i]["messages"])
        return replace(made, pixel_values=made.pixel_values.to(model.dtype))

    def collated(samples: list[Encoded]) -> dict[str, torch.Tensor]:
        """A batch of prompts; the last one is there several times where ``static`` needs more."""
        samples += samples[-1:] * (batch_size - len(samples) if static else 0)
        tensors = collate(samples, encoder.pad_id, side="left")
        del tensors["labels"]
        return {name: tensor.pin_memory() if on_cuda else tensor for name, tensor in tensors.items()}

    name = "answering blind" if blind else "answering"
    count = sum(map(len, own))
    with (
        cached_attention(model) if static else nullcontext(),
        tqdm(total=count, desc=name, unit="sheet", disable=this_process() > 0) as progress,
    ):
        for chosen, batch in _one_ahead(own, encode, collated):
            width = batch["input_ids"].shape[1]
            probabilities = _Probabilities()
            processors = LogitsProcessorList([probabilities] if beams == 1 else [])
            if narrowed:
                asked = [rows[i] for i in chosen]
                processors.append(narrowed(asked + asked[-1:] * (len(batch["input_ids"]) - len(asked))))
            if repetition_penalty != 1:
                processors.append(
                    RepetitionPenaltyLogitsProcessor(repetition_penalty, prompt_ignore_length=width)
                )
            if cache is not None:
                cache.reset()
            try:
                out = model.generate(
                    **{name: tensor.to(model.device, non_blocking=True) for name, tensor in batch.items()},
                    generation_config=config,
                    logits_processor=processors,
                    **({} if cache is None else {"past_key_values": cache}),
                )
            except torch.cuda.OutOfMemoryError:
                raise UserError(
                    f"{len(chosen)} sheets at once do not fit into the GPU's memory: lower the profile's "
                    "model.batch_size, or image.max_pixels or evaluate.max_new_tokens"
                ) from None
            said = probabilities.of(out) if beams == 1 else [[] for _ in out]
            for i, ids, sure in zip(chosen, out[:, width:].tolist(), said, strict=False):
                answers[i] = _answer(ids, sure, stops, encoder)
            if journal:
                journal.add({keys[i]: asdict(answers[i]) for i in chosen})
            progress.update(len(chosen))
    answers = gathered(answers)
    return [answers[i] for i in range(len(rows))]


def _batches(
    encoder: Encoder, sheets: Shown, rows: list[dict[str, Any]], batch_size: int
) -> tuple[list[list[int]], int]:
    """The numbers of the rows of each batch, and the most tokens that a prompt has.

    A decoding step costs about the same whoever still answers, so what counts is that the answers of a batch
    end together; how much longer one prompt is than another costs little. The longest come first, so that too
    large a batch fails at once.
    """
    lengths = []
    for row in rows:
        answer = len(encoder.answer_ids(row["messages"][-1]["content"][0]["text"]))
        lengths.append((answer, encoder.length([sheets.size(row)], row["messages"]) - answer))
    order = sorted(range(len(rows)), key=lambda i: (-lengths[i][0], -lengths[i][1], i))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    return batches, max((prompt for _, prompt in lengths), default=0)


def _one_ahead(
    batches: list[list[int]],
    encode: Callable[[int], Encoded],
    collated: Callable[[list[Encoded]], dict[str, torch.Tensor]],
) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Each batch with its tensors, which threads make while the one before is answered."""
    threads = max(1, min(_MAX_THREADS, cores() // processes.on_this_machine()))
    with ThreadPoolExecutor(1) as collator, ThreadPoolExecutor(threads) as encoders:

        def made(batch: list[int]) -> dict[str, torch.Tensor]:
            return collated(list(encoders.map(encode, batch)))

        coming = deque[tuple[list[int], Future[dict[str, torch.Tensor]]]]()
        for batch in batches:
            coming.append((batch, collator.submit(made, batch)))
            if len(coming) > 1:
                chosen, future = coming.popleft()
                yield chosen, future.result()
        for chosen, future in coming:
            yield chosen, future.result()


def _static_cache(model: Any, tokens: int) -> StaticCache:
    """A cache for so many tokens, rounded up so that runs over other rows compile nothing anew."""
    length = math.ceil(tokens / CACHE_STEP) * CACHE_STEP
    return StaticCache(config=model.config.get_text_config(decoder=True), max_cache_len=length)


def _compile_config(model: Any) -> CompileConfig | None:
    """How the decoding step is compiled: for one shape, its launches recorded; on the CPU not at all."""
    return CompileConfig(dynamic=False, mode="reduce-overhead") if model.device.type == "cuda" else None


def _shown(sheets: Shown, row: dict[str, Any], *, blind: bool) -> PILImage.Image:
    return PILImage.new("RGB", sheets.size(row), GREY) if blind else sheets.picture(row)


def _stop_ids(model: Any, encoder: Encoder) -> list[int]:
    """The end-of-turn token and whatever else the model's own generation config stops at."""
    own = model.generation_config.eos_token_id
    return sorted({encoder.end_of_turn_id, *([own] if isinstance(own, int) else own or [])})


class _Probabilities(LogitsProcessor):
    """Notes how probable the model held each token that was then chosen; it changes nothing.

    First in the list, it sees the raw logits of a step; which tokens were chosen it sees at the next.
    """

    def __init__(self) -> None:
        self._logs: torch.Tensor | None = None
        self._chosen: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self._note(input_ids)
        self._logs = torch.log_softmax(scores, dim=-1)
        return scores

    def of(self, sequences: torch.Tensor) -> list[list[float]]:
        """For each sequence that ``generate`` returned, the probability of each of its new tokens."""
        self._note(sequences)
        rows: list[list[float]] = torch.cat(self._chosen, dim=1).exp().tolist()
        return rows

    def _note(self, ids: torch.Tensor) -> None:
        if self._logs is not None:
            self._chosen.append(self._logs.gather(1, ids[:, -1:]))


def _answer(ids: list[int], probabilities: list[float], stops: list[int], encoder: Encoder) -> Answer:
    end = next((at for at, token in enumerate(ids) if token in stops), None)
    kept = ids if end is None else ids[:end]
    text: str = encoder.tokenizer.decode(kept, skip_special_tokens=True)
    finish = "length" if end is None else "stop"
    if not probabilities:
        return Answer(text.strip(), len(kept), finish)
    stream, tokenizer = DecodeStream(skip_special_tokens=True), encoder.tokenizer.backend_tokenizer
    length = len(text.strip())
    at, ends = len(text.lstrip()) - len(text), []  # minus the blanks that go
    for token in kept:
        # None while a character lacks some of its bytes.
        at += len(stream.step(tokenizer, token) or "")
        ends.append(min(max(at, 0), length))
    if end is not None:
        ends.append(length)
    sure = [round(probability, 6) for probability in probabilities[: len(ends)]]
    return Answer(text.strip(), len(kept), finish, ends, sure)

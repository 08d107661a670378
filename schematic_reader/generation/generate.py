"""Asking a model about sheets, many at once, on every GPU that is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Protocol

import torch
from tokenizers.decoders import DecodeStream
from tqdm import tqdm
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
)

from schematic_reader.cli import UserError
from schematic_reader.generation.asking import Questions, Said, Shown
from schematic_reader.generation.continuous import COMPILED_FROM, answer_continuously
from schematic_reader.generation.padded import answer_padded
from schematic_reader.generation.stopwatch import Stopwatch
from schematic_reader.model.encode import Encoder
from schematic_reader.model.fused import use_patch_product
from schematic_reader.model.shares import gathered, own_share, this_process
from schematic_reader.tasks.contract import ModelAnswer

Narrowing = Callable[[list[dict[str, Any]]], LogitsProcessor]

KEPT_AT_ONCE = 8  # answers that go into the journal together: each time the disk has to confirm


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
    continuous: bool = False,
    compiled_from: int = COMPILED_FROM,
    limits: Sequence[int] | None = None,
    stopwatch: Stopwatch | None = None,
) -> list[ModelAnswer]:
    """Answer the prompt of each message row, by the likeliest next token unless told otherwise.

    Rows whose right answers have about the same length are answered together; pictures of the next ones are
    encoded meanwhile. Where several processes run, each takes its share of the rows and all get all answers.

    Args:
        batch_size: how many sheets are answered at once.
        beams: of a beam search; 1 is greedy.
        repetition_penalty: what the score of a token that the answer already has is divided by (Keskar et
            al., CTRL, 2019, section 4.1); 1 is none. The prompt does not count.
        blind: show a grey sheet of the same size in place of each picture, so that the answer tells what the
            model says without looking.
        journal: keeps answers when they are finished; what it has is not asked again. A run that was
            interrupted ends with the same bytes.
        narrowed: makes, for some rows, what limits which tokens may come next.
        continuous: let a sheet take the place of another as soon as that one's answer ends, with the decoding
            step recorded on a GPU (``generation.continuous``). A beam search, which moves its cache about, is
            left to batches.
        compiled_from: from so many sheets on, the model's layers are compiled where ``continuous``.
        limits: for each row, the most tokens of its answer, if not ``max_new_tokens`` for all.
        stopwatch: takes the time of ``prompts`` and ``steps`` where ``continuous``.

    Returns:
        One answer a row, in the order of ``rows``.

    Raises:
        UserError: so many sheets do not fit into the GPU's memory.
    """
    questions = Questions(encoder, sheets, rows, blind, model.dtype)
    most = limits or [max_new_tokens] * len(rows)
    stops = _stop_ids(model, encoder)
    use_patch_product(model.model.visual)
    kept = {i for i in range(len(rows)) if journal and questions.key(i) in journal.values}
    answers = {i: ModelAnswer(**journal.values[questions.key(i)]) for i in kept} if journal else {}

    def processors(chosen: Sequence[int], prompt: int) -> LogitsProcessorList:
        """What changes the scores of these rows' next tokens; the first ``prompt`` tokens do not count."""
        found = LogitsProcessorList([narrowed([rows[i] for i in chosen])] if narrowed else [])
        if repetition_penalty != 1:
            found.append(RepetitionPenaltyLogitsProcessor(repetition_penalty, prompt_ignore_length=prompt))
        return found

    own = own_share(questions.longest_first())
    found: Iterator[dict[int, Said]]
    if continuous and beams == 1:
        watch = stopwatch or Stopwatch(model.device)
        found = answer_continuously(
            model,
            questions,
            own,
            kept=kept,
            at_once=min(batch_size, len(own)),
            most=most,
            stops=stops,
            processors=lambda i: processors([i], 0),
            compiled=len(own) >= compiled_from,
            stopwatch=watch,
        )
    else:
        batches = [own[start : start + batch_size] for start in range(0, len(own), batch_size)]
        config = GenerationConfig(
            max_new_tokens=max(most, default=1),
            num_beams=beams,
            do_sample=False,
            repetition_penalty=1.0,
            eos_token_id=stops,
            pad_token_id=encoder.pad_id,
        )
        asked = [batch for batch in batches if not kept.issuperset(batch)]
        found = answer_padded(model, questions, asked, config, processors)

    waiting: dict[int, ModelAnswer] = {}
    with (
        _explaining_lack_of_memory(batch_size),
        tqdm(
            total=len(set(own) - kept),
            desc="answering blind" if blind else "answering",
            unit="sheet",
            disable=this_process() > 0,
        ) as progress,
    ):
        for said in found:
            waiting |= {i: _answer(ids[: most[i]], sure, stops, encoder) for i, (ids, sure) in said.items()}
            progress.update(len(said))
            if journal and len(waiting) >= min(KEPT_AT_ONCE, batch_size):
                journal.add({questions.key(i): asdict(answer) for i, answer in waiting.items()})
                answers |= waiting
                waiting = {}
    if journal and waiting:
        journal.add({questions.key(i): asdict(answer) for i, answer in waiting.items()})
    answers = gathered(answers | waiting)
    return [answers[i] for i in range(len(rows))]


@contextmanager
def _explaining_lack_of_memory(batch_size: int) -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise UserError(
            f"{batch_size} sheets at once do not fit into the GPU's memory: lower the profile's "
            "model.batch_size, or image.max_pixels or evaluate.max_new_tokens"
        ) from None


def _stop_ids(model: Any, encoder: Encoder) -> list[int]:
    """The end-of-turn token and whatever else the model's own generation config stops at."""
    own = model.generation_config.eos_token_id
    return sorted({encoder.end_of_turn_id, *([own] if isinstance(own, int) else own or [])})


def _answer(ids: list[int], probabilities: list[float], stops: list[int], encoder: Encoder) -> ModelAnswer:
    end = next((at for at, token in enumerate(ids) if token in stops), None)
    kept = ids if end is None else ids[:end]
    text: str = encoder.tokenizer.decode(kept, skip_special_tokens=True)
    finish = "length" if end is None else "stop"
    if not probabilities:
        return ModelAnswer(text.strip(), len(kept), finish)
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
    return ModelAnswer(text.strip(), len(kept), finish, ends, sure)

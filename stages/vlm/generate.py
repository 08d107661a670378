"""Asking a model about sheets, in padded batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from PIL import Image as PILImage
from tokenizers.decoders import DecodeStream
from tqdm import tqdm
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
)

from stages.vlm.encode import Encoder, collate

GREY = (128, 128, 128)


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
) -> list[Answer]:
    """Answer the prompt of each message row, by the likeliest next token unless told otherwise.

    Rows are batched by length, longest first, so that little is padded and too large a batch fails at once.

    Args:
        beams: of a beam search; 1 is greedy.
        repetition_penalty: what the score of a token that the answer already has is divided by (Keskar et
            al., CTRL, 2019, section 4.1); 1 is none. The prompt does not count.
        blind: show a grey sheet of the same size in place of each picture, so that the answer tells what the
            model says without looking.
        journal: keeps each batch when it is answered; a batch that it has whole is not asked again. Batches
            are made of the same rows every time, so that a run that was interrupted ends with the same bytes.

    Returns:
        One answer a row, in the order of ``rows``.
    """
    stops = _stop_ids(model, encoder)
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        num_beams=beams,
        do_sample=False,
        repetition_penalty=1.0,
        eos_token_id=stops,
        pad_token_id=encoder.pad_id,
    )
    lengths = [encoder.length([sheets.size(row)], row["messages"]) for row in rows]
    order = sorted(range(len(rows)), key=lambda i: (-lengths[i], i))
    answers: dict[int, Answer] = {}
    with tqdm(total=len(rows), desc="answering blind" if blind else "answering", unit="sheet") as progress:
        for start in range(0, len(rows), batch_size):
            chosen = order[start : start + batch_size]
            keys = {i: f"{'blind' if blind else 'seen'}:{rows[i]['id']}" for i in chosen}
            if journal and journal.values.keys() >= set(keys.values()):
                answers |= {i: Answer(**journal.values[key]) for i, key in keys.items()}
                progress.update(len(chosen))
                continue
            encoded = [
                encoder.encode_prompt([_shown(sheets, rows[i], blind=blind)], rows[i]["messages"])
                for i in chosen
            ]
            batch = collate(encoded, encoder.pad_id, side="left")
            del batch["labels"]
            width = batch["input_ids"].shape[1]
            probabilities = _Probabilities()
            processors = LogitsProcessorList([probabilities] if beams == 1 else [])
            if repetition_penalty != 1:
                processors.append(
                    RepetitionPenaltyLogitsProcessor(repetition_penalty, prompt_ignore_length=width)
                )
            out = model.generate(
                **{name: tensor.to(model.device) for name, tensor in batch.items()},
                generation_config=config,
                logits_processor=processors,
            )
            said = probabilities.of(out) if beams == 1 else [[] for _ in chosen]
            for i, ids, sure in zip(chosen, out[:, width:].tolist(), said, strict=True):
                answers[i] = _answer(ids, sure, stops, encoder)
            if journal:
                journal.add({key: asdict(answers[i]) for i, key in keys.items()})
            progress.update(len(chosen))
    return [answers[i] for i in range(len(rows))]


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

"""Answers to message rows by one model: from the cache, or generated on every GPU that is there."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tokenizers.decoders import DecodeStream
from tqdm import tqdm

from schematic_reader.cli import UserError
from schematic_reader.config import Evaluate, Model
from schematic_reader.generation.answer_cache import (
    AnswerCache,
    generation_fingerprint,
    plan_generation,
    prompt_keys,
)
from schematic_reader.generation.continuous_batching import generate_continuously
from schematic_reader.generation.grammar import grammar_constraint
from schematic_reader.generation.prompts import ImageSource, PromptBatch
from schematic_reader.generation.settings import (
    COMPILE_FROM,
    Decoding,
    GeneratedTokens,
    GenerationSettings,
)
from schematic_reader.generation.static_batching import generate_in_static_batches
from schematic_reader.generation.symbols_watch import SymbolsWatch
from schematic_reader.io.adapter_digests import check_adapter
from schematic_reader.io.parallel import cores
from schematic_reader.model import distributed
from schematic_reader.model.device import cpu_multiplies_bfloat16, prepare_device
from schematic_reader.model.distributed import gather_dict, init, rank, shard_for_rank
from schematic_reader.model.encode import Encoder
from schematic_reader.model.fused import patch_embed_as_linear
from schematic_reader.model.load import load_base, load_processor, load_tuned
from schematic_reader.tasks.contract import ModelAnswer, SymbolsEnd, Task

_STORED_AT_ONCE = 8  # answers: each time the disk has to confirm

log = logging.getLogger(__name__)


class Answerer:
    """Answers message rows with one model.

    Args:
        load_model: gives a ``Qwen3VLForConditionalGeneration`` in evaluation mode, on its device; called when
            the first answer has to be generated.
        encoder: of the model's processor.
        cache: of answers of this model with these settings; None generates all answers.

    Raises:
        UserError: the settings have a grammar and the ``grammar`` extra is not installed.
    """

    def __init__(
        self,
        load_model: Callable[[], Any],
        encoder: Encoder,
        settings: GenerationSettings,
        cache: AnswerCache | None = None,
    ) -> None:
        self._load_model, self.encoder, self.settings = load_model, encoder, settings
        self._cache = cache
        self._model: Any = None
        self._constraint = None
        if settings.grammar is not None:
            most = settings.max_new_tokens
            self._constraint = grammar_constraint(settings.grammar, encoder, max_new_tokens=most)

    def load(self) -> Any:
        """The model, loaded unless it has been before."""
        if self._model is None:
            self._model = self._load_model()
            patch_embed_as_linear(self._model.model.visual)
        return self._model

    def max_new_tokens(self, _row: dict[str, Any]) -> int:
        """The most tokens of the answer to a row."""
        return self.settings.max_new_tokens

    def answer(
        self, images: ImageSource, rows: Sequence[dict[str, Any]], *, with_image: bool = True
    ) -> list[ModelAnswer]:
        """The answer to each message row, in the order of ``rows``.

        Rows whose targets have about the same length are answered together; images of the next ones are
        encoded meanwhile. Where several processes run, each generates its share and all return all answers.

        Args:
            images: of the rows.
            with_image: False puts a grey image of the same size in place of each (the no-image control).

        Raises:
            UserError: ``batch_size`` sheets do not fit into the GPU's memory.
        """
        prompts = PromptBatch(self.encoder, images, rows, with_image)
        order, answers = prompts.longest_first(), dict[int, ModelAnswer]()
        keys, plan = list[str](), ""
        if self._cache is not None:
            # 1) what the cache has, and which prompts are batched together for the rest
            keys = _keys(prompts)
            answers = {i: self._cache[key].answer for i, key in enumerate(keys) if key in self._cache}
            context = [self.settings.batch_size, distributed.world_size(), torch.get_num_threads()]
            plan, chosen = plan_generation(self._cache, [keys[i] for i in order], context)
            order = [order[index] for index in chosen]
            log.info("%d answers are cached, %d are generated", len(answers), len(rows) - len(answers))

        def store(fresh: dict[int, ModelAnswer]) -> None:
            if self._cache is not None:
                self._cache.add({keys[number]: answer for number, answer in fresh.items()}, plan)

        # 2) this process's share of the rest
        share = shard_for_rank(order)
        if any(number not in answers for number in share):
            answers |= self._generate(prompts, share, frozenset(answers), store)
        # 3) the answers of all processes
        answers = gather_dict(answers)
        if self._cache is not None:
            self._cache.learn({key: answers[number] for number, key in enumerate(keys)}, plan)
        return [answers[number] for number in range(len(rows))]

    def _generate(
        self,
        prompts: PromptBatch,
        share: Sequence[int],
        answered: frozenset[int],
        store: Callable[[dict[int, ModelAnswer]], None],
    ) -> dict[int, ModelAnswer]:
        """The answers to the rows of ``share`` that are not ``answered``, stored some at a time."""
        model = self.load()
        stop_ids = _stop_ids(model, self.encoder)
        symbols_end = self.settings.symbols_end
        watch = partial(SymbolsWatch, self.encoder, symbols_end) if symbols_end else None
        decoding = Decoding(self.settings, stop_ids, self.encoder.pad_id, self._constraint, watch)
        answers: dict[int, ModelAnswer] = {}
        unstored: dict[int, ModelAnswer] = {}
        with (
            torch.inference_mode(),
            _oom_hint(self.settings.batch_size),
            tqdm(
                total=len(set(share) - answered),
                desc="answering" if prompts.with_image else "answering without images",
                unit="picture",
                disable=rank() > 0,
            ) as progress,
        ):
            for generated in self._generated_tokens(model, prompts, share, answered, decoding):
                for number in generated.keys() - answered:
                    unstored[number] = _decode(
                        generated[number], stop_ids, self.encoder, watch() if watch else None
                    )
                    progress.update()
                if len(unstored) >= min(_STORED_AT_ONCE, self.settings.batch_size):
                    store(unstored)
                    answers |= unstored
                    unstored = {}
        if unstored:
            store(unstored)
        return answers | unstored

    def _generated_tokens(
        self,
        model: Any,
        prompts: PromptBatch,
        share: Sequence[int],
        answered: frozenset[int],
        decoding: Decoding,
    ) -> Iterator[dict[int, GeneratedTokens]]:
        if self.settings.num_beams == 1:
            return generate_continuously(
                model,
                prompts,
                share,
                decoding,
                answered=answered,
                max_new_tokens=lambda number: self.max_new_tokens(prompts.rows[number]),
                resumable=self._cache is not None,
            )
        size = self.settings.batch_size  # a beam search reorders its KV cache, which slots cannot
        batches = [share[start : start + size] for start in range(0, len(share), size)]
        batches = [batch for batch in batches if not answered.issuperset(batch)]
        return generate_in_static_batches(model, prompts, batches, decoding)


def open_answerer(
    model: Model,
    task: Task,
    evaluate: Evaluate,
    *,
    seed: int,
    adapter: Path | None = None,
    cache: Path | None = None,
    symbols_end: SymbolsEnd | None = None,
) -> Answerer:
    """The Answerer of a model with the settings of params.yaml, in each process of a run.

    Args:
        model: the base model.
        task: whose grammar answers are constrained to where ``evaluate.grammar`` is true.
        adapter: the exported adapter on the base; None answers with the base as it is.
        cache: the folder of the sets of answers (``AnswerCache``); None generates all answers.
        symbols_end: where answers end because only their symbols are wanted; None asks for all of them.

    Raises:
        UserError: the model or the adapter cannot be loaded, or not run here.
    """
    device = prepare_device(model, seed)
    init(device)
    if adapter is not None:
        check_adapter(adapter)  # before its processor and answers of it from the cache are used
    own_processor = adapter is not None and (adapter / "tokenizer_config.json").is_file()
    source, revision = (str(adapter), None) if own_processor else (model.base, model.revision)
    encoder = Encoder(load_processor(source, revision))
    settings = GenerationSettings.of(
        evaluate,
        task.grammar,
        batch_size=model.batch_size,
        symbols_end=symbols_end,
        compile_from=COMPILE_FROM if device.name == "cuda" else None,
    )
    stored = None
    if cache is not None:
        stored = AnswerCache(cache, generation_fingerprint(model, adapter, settings, device))

    def load() -> Any:
        loaded: Any = load_base(model, device) if adapter is None else load_tuned(model, device, adapter)
        if device.name == "cpu" and cpu_multiplies_bfloat16():
            # Its matmuls are in bfloat16 either way: this saves casts, and halves what the rest moves.
            loaded.model.visual.to(torch.bfloat16)
        return loaded

    return Answerer(load, encoder, settings, stored)


def _keys(prompts: PromptBatch) -> list[str]:
    """The key of each row's prompt, by its number; the processes share out the images."""

    def digest(number: int) -> tuple[int, str]:
        image = prompts.image(number)
        pixels = hashlib.sha256(f"{image.mode} {image.size} ".encode())
        pixels.update(image.tobytes())
        return number, pixels.hexdigest()

    with ThreadPoolExecutor(max(1, cores() // distributed.local_world_size())) as threads:
        digests = gather_dict(dict(threads.map(digest, shard_for_rank(range(len(prompts.rows))))))
    user_messages = [
        [message for message in row["messages"] if message["role"] != "assistant"] for row in prompts.rows
    ]
    return prompt_keys([(digests[number], messages) for number, messages in enumerate(user_messages)])


@contextmanager
def _oom_hint(batch_size: int) -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise UserError(
            f"{batch_size} sheets at once do not fit into the GPU's memory: lower the profile's "
            "model.batch_size or image.max_pixels, or evaluate.max_new_tokens"
        ) from None


def _stop_ids(model: Any, encoder: Encoder) -> list[int]:
    """The end-of-turn token and whatever else the model's own generation config stops at."""
    own = model.generation_config.eos_token_id
    return sorted({encoder.end_of_turn_id, *([own] if isinstance(own, int) else own or [])})


def _decode(
    generated: GeneratedTokens, stop_ids: Sequence[int], encoder: Encoder, watch: SymbolsWatch | None
) -> ModelAnswer:
    """The answer that generated tokens spell, up to the first stop token; padding may follow that.

    Where ``watch`` ends it before, its symbols are made a whole answer.
    """
    end = next((at for at, token in enumerate(generated.ids) if token in stop_ids), None)
    ids = generated.ids[:end]
    if watch and any(watch(token) for token in ids):
        ids, end = ids[: watch.tokens], None
    text: str = encoder.tokenizer.decode(ids, skip_special_tokens=True)
    whole = watch.whole if watch else None
    answer = text.strip() if whole is None else whole
    finish = "length" if end is None and whole is None else "stop"
    if not generated.probs:
        return ModelAnswer(answer, len(ids), finish)
    stream, tokenizer = DecodeStream(skip_special_tokens=True), encoder.tokenizer.backend_tokenizer
    length = len(answer)
    at, ends = len(text.lstrip()) - len(text), list[int]()  # minus the blanks that are stripped
    for token in ids:
        # None while a character lacks some of its bytes.
        at += len(stream.step(tokenizer, token) or "")
        ends.append(min(max(at, 0), length))
    if end is not None:
        ends.append(length)
    probabilities = [round(prob, 6) for prob in generated.probs[: len(ends)]]
    return ModelAnswer(answer, len(ids), finish, ends, probabilities)

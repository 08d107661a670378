"""``python -m benchmarks.generation.throughput --model 8b --rows FOLDER_OR_FILE``: answering on one device.

A model of random weights answers real sheets, first one at a time by the tutorial's loop, then by the
Answerer of the baseline and evaluate stages with the settings of params.yaml, and prints and records one
JSON line each. Every answer gets its true length. The loop answers ``--loop-sheets`` of the sheets, chosen so
that their answers are as long as those of all: one from each of as many equal parts by length. ``ratio`` is
that of answer tokens a second, ``equal`` the share of the loop's sheets to which both give the same answer.
``tail_s`` are the seconds after the last prefill, in which slots run empty; they weigh on small sets alone.
Warm-up and compilation are recorded apart as ``other_s``. ``--rows`` are parquet files with Open Schematics'
columns; ``--processor`` is a folder or an id on the Hub, or a folder with a bare tokenizer.json.gz.
``--model tiny`` has the geometry of models/tiny and runs on a CPU.
"""

from __future__ import annotations

import gc
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image

from benchmarks.common.results import record
from benchmarks.common.sheets import TINY, build_model, options, read_processor, read_sheets
from benchmarks.common.work import ceiling, settle
from benchmarks.generation.stopwatch import Stopwatch
from benchmarks.generation.work import TimedRequest, bandwidth, floor_seconds
from schematic_reader.config import Params, load_params
from schematic_reader.generation.answerer import Answerer
from schematic_reader.generation.kv_cache import SlotKVCache
from schematic_reader.generation.settings import GenerationSettings
from schematic_reader.io.parallel import cores
from schematic_reader.io.picture import fit_within
from schematic_reader.model.device import Device, prepare_device
from schematic_reader.model.encode import Encoder
from schematic_reader.model.sheet_images import SheetImages

TUTORIAL_SIDE, TUTORIAL_PIXELS = 1024, 1024 * 1024


@dataclass(frozen=True)
class Size:
    """What is run where: the profile, where its processor is, how many sheets, how many by the loop."""

    profile: str
    processor: str
    sheets: int
    loop_sheets: int


SIZES = {
    "8b": Size("open-schematics", "Qwen/Qwen3-VL-8B-Instruct", 240, 8),
    "tiny": Size("sample", str(TINY), 6, 2),
}


def main() -> None:
    """Run both ways and record them."""
    parser = options(__doc__, SIZES)
    parser.add_argument("--sheets", type=int)
    parser.add_argument("--loop-sheets", type=int)
    parser.add_argument("--batch-size", type=int)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")

    size = SIZES[arguments.model]
    params = settings(size, arguments.batch_size)
    device = prepare_device(params.active.model, params.seed)
    processor = read_processor(arguments.processor or size.processor)
    encoder = Encoder(processor)
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        folder = Path(name)
        rows = read_sheets(arguments.rows, folder, arguments.sheets or size.sheets)
        sheets = SheetImages(folder, "train", params.active.image)
        lengths = [answer_length(encoder, row, params.evaluate.max_new_tokens) for row in rows]
        chosen = stratified(lengths, arguments.loop_sheets or size.loop_sheets)
        few = [rows[index] for index in chosen]
        model = build_model(arguments.model, processor, device)
        bench = Bench(model, encoder, sheets, params, device)
        loop = bench.timed(few, bench.by_the_loop, warm_up=few[:1])
        before = bench.record(Figures("tutorial", loop, 1))
        rates = {"flops": ceiling(device), "bandwidth": bandwidth(device)}
        for compiled in (False, True) if device.name == "cuda" else (False,):
            bench.compiled = compiled
            ours = bench.timed(rows, bench.by_the_stages, warm_up=rows[: params.active.model.batch_size])
            same = [ours.answers[i] == answer for i, answer in zip(chosen, loop.answers, strict=True)]
            equal = sum(same) / len(same)
            variant = "continuous, compiled" if compiled else "continuous"
            figures = Figures(variant, ours, params.active.model.batch_size, rates, equal)
            bench.record(figures, ratio_to=before["answer_tokens_per_s"])


def stratified(lengths: Sequence[int], count: int) -> list[int]:
    """Indexes of ``count`` of these lengths: the middle one of each of as many equal parts by length."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    count = min(count, len(order))
    return sorted(order[(2 * part + 1) * len(order) // (2 * count)] for part in range(count))


def settings(size: Size, batch_size: int | None) -> Params:
    """params.yaml with the benchmark's profile and, if given, its batch size."""
    params = load_params()
    profile = params.profiles[size.profile]
    model = replace(profile.model, batch_size=batch_size or profile.model.batch_size)
    return replace(params, profile=size.profile, profiles={size.profile: replace(profile, model=model)})


@dataclass(frozen=True)
class Timed:
    """Answers to some sheets, and how long they took: in all, and by the stopwatch.

    ``other`` are the seconds of the warm-up.
    """

    requests: list[TimedRequest]
    answers: list[str]
    seconds: float
    other: float
    stopwatch: Stopwatch
    peak: int  # bytes


@dataclass(frozen=True)
class Figures:
    """What is recorded of one way.

    Args:
        rates: of the device, for the share of the floor; None leaves that out.
        equal: the share of answers that are those of the loop.
    """

    variant: str
    timed: Timed
    batch_size: int
    rates: dict[str, float] | None = None
    equal: float | None = None


class FixedLengthAnswerer(Answerer):
    """Gives every answer the length of its target, which a model of random weights never ends before."""

    def max_new_tokens(self, row: dict[str, Any]) -> int:
        return answer_length(self.encoder, row, self.settings.max_new_tokens)


def answer_length(encoder: Encoder, row: dict[str, Any], most: int) -> int:
    """Tokens of the target, ``most`` at most."""
    return min(len(encoder.answer_ids(row["target"])), most)


class Bench:
    """One model, run in both ways; ``compiled`` says whether the Answerer compiles the layers."""

    def __init__(
        self,
        model: Any,
        encoder: Encoder,
        sheets: SheetImages,
        params: Params,
        device: Device,
    ) -> None:
        self.model, self.encoder, self.sheets = model, encoder, sheets
        self.params, self.device = params, device
        self.stopwatch = Stopwatch(model.device)
        self.compiled = False

    def _length(self, row: dict[str, Any]) -> int:
        return answer_length(self.encoder, row, self.params.evaluate.max_new_tokens)

    def by_the_loop(self, rows: list[dict[str, Any]]) -> list[str]:
        """The tutorial's ``run_inference``, a sheet at a time."""
        answers = []
        for row in rows:
            picture = self.sheets.picture(row)
            picture = fit_within(picture, max_side=TUTORIAL_SIDE, max_pixels=TUTORIAL_PIXELS)
            inputs = self._chat(picture, row["prompt"]).to(self.model.device)
            width, length = inputs["input_ids"].shape[1], self._length(row)
            out = self.model.generate(
                **inputs,
                min_new_tokens=length,
                max_new_tokens=length,
                do_sample=False,
                eos_token_id=self.encoder.end_of_turn_id,
                pad_token_id=self.encoder.pad_id,
            )
            answers.append(self.encoder.tokenizer.decode(out[0][width:], skip_special_tokens=True).strip())
        return answers

    def by_the_stages(self, rows: list[dict[str, Any]]) -> list[str]:
        """This project's way, as the stages call it."""
        settings = GenerationSettings(
            batch_size=self.params.active.model.batch_size,
            max_new_tokens=self.params.evaluate.max_new_tokens,
            compile_from=0 if self.compiled else None,
        )
        answerer = FixedLengthAnswerer(lambda: self.model, self.encoder, settings)
        with self.stopwatch.timing(SlotKVCache, "prefill", "decode_step"):
            answers = answerer.answer(self.sheets, rows)
        early = sum(answer.tokens < self._length(row) for row, answer in zip(rows, answers, strict=True))
        if early:
            raise SystemExit(f"error: {early} answers ended before their length: the figures are no measure")
        return [answer.text for answer in answers]

    def timed(
        self,
        rows: list[dict[str, Any]],
        run: Callable[[list[dict[str, Any]]], list[str]],
        *,
        warm_up: list[dict[str, Any]],
    ) -> Timed:
        """Time ``run`` over ``rows`` after it has run over ``warm_up``."""
        start = time.perf_counter()
        run(warm_up)
        settle(self.device)
        other = time.perf_counter() - start
        self.stopwatch = Stopwatch(self.model.device)
        gc.collect()
        if self.device.name == "cuda":
            torch.cuda.reset_peak_memory_stats()
        settle(self.device)
        start = time.perf_counter()
        answers = run(rows)
        settle(self.device)
        seconds = time.perf_counter() - start
        peak = torch.cuda.max_memory_allocated() if self.device.name == "cuda" else 0
        return Timed([self._request(row) for row in rows], answers, seconds, other, self.stopwatch, peak)

    def record(self, figures: Figures, *, ratio_to: float | None = None) -> dict[str, Any]:
        """Record one way's figures.

        Args:
            ratio_to: the answer tokens a second that ``ratio`` compares with.
        """
        timed, batch_size = figures.timed, figures.batch_size
        on_cuda = self.device.name == "cuda"
        rate = len(timed.requests) / timed.seconds
        tokens = sum(sheet.answer for sheet in timed.requests)
        steps, prefills = (timed.stopwatch.milliseconds(kind) for kind in ("decode_step", "prefill"))
        share = None
        if figures.rates:
            value = self.device.dtype.itemsize
            least = floor_seconds(
                self.model.config, timed.requests, batch_size=batch_size, bytes_a_value=value, **figures.rates
            )
            share = round(least / timed.seconds, 3)
        hardware = (
            torch.cuda.get_device_name() if on_cuda else f"{cores()} cores, {torch.get_num_threads()} threads"
        )
        text = self.model.config.text_config
        return record(
            "generate_throughput",
            figures.variant,
            device=hardware,
            model=f"{text.num_hidden_layers} layers of {text.hidden_size}",
            samples_per_s=round(rate, 3),
            ratio=round(tokens / timed.seconds / ratio_to, 2) if ratio_to else None,
            answer_tokens_per_s=round(tokens / timed.seconds, 1),
            answer_tokens=round(tokens / len(timed.requests), 1),
            decode_ms=round(statistics.median(steps), 2) if steps else None,
            steps=len(steps) or None,
            decode_s=round(sum(steps) / 1000, 2) or None,
            tail_s=round(timed.stopwatch.seconds_after("prefill", "decode_step"), 2) if steps else None,
            prompt_ms=round(sum(prefills) / len(timed.requests), 2) or None,
            share_of_floor=share,
            peak_gib=round(timed.peak / 2**30, 1) if on_cuda else None,
            batch_size=batch_size,
            samples=len(timed.requests),
            timed_s=round(timed.seconds, 1),
            other_s=round(timed.other, 1),
            equal=figures.equal,
            attention=self.model.config._attn_implementation,
            torch=torch.__version__,
            transformers=transformers.__version__,
        )

    def _chat(self, picture: Image.Image, prompt: str) -> Any:
        content = [{"type": "image", "image": picture}, {"type": "text", "text": prompt}]
        return self.encoder.processor.apply_chat_template(
            [{"role": "user", "content": content}],
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
        )

    def _request(self, row: dict[str, Any]) -> TimedRequest:
        width, height = self.sheets.size(row)
        image = self.encoder.processor.image_processor
        answer = self._length(row)
        prompt = self.encoder.prompt_length([(width, height)], row["messages"])
        return TimedRequest(prompt, answer, image.get_number_of_image_patches(height, width))


if __name__ == "__main__":
    main()

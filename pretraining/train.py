"""The training loop: steps, validation, checkpoints and the curve.

Every step depends on its number, the seed and the sheets before it alone, so a run that is taken up from a
checkpoint goes on exactly as if it had not been interrupted (bit for bit on the CPU).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase, Qwen3VLForConditionalGeneration

from pretraining import geometry
from pretraining.fast import Grid, Reader
from pretraining.feed import Chunk, Feed, Maker
from pretraining.objective import Objective, unpack
from pretraining.pool import Batch, Pool
from pretraining.settings import Settings

LOG = logging.getLogger("pretraining")
_LOG_EVERY = 25
# Chunks of this number and above are never trained on.
VALIDATION_CHUNK = 1_000_000_000


@dataclass(frozen=True)
class Source:
    """Where sheets come from, and what their labels and colours are."""

    make: Maker
    labels: int
    questions: tuple[str, ...]  # names for ``Chunk.asked``
    colors: np.ndarray  # float32 (themes, 256, 3) in -1..1
    theme_shares: tuple[float, ...]


def prefix_of(tokenizer: PreTrainedTokenizerBase, grid: Grid) -> torch.Tensor:
    """Ids of a chat up to the end of its picture."""
    opening = "<|im_start|>user\n<|vision_start|>" + "<|image_pad|>" * grid.tokens + "<|vision_end|>"
    return torch.tensor(tokenizer(opening, add_special_tokens=False)["input_ids"])


class Run:
    """A model in training.

    Args:
        model: float32 weights; trained in place.
        folder: checkpoint, curve and exported weights go here.
    """

    def __init__(
        self,
        settings: Settings,
        model: Qwen3VLForConditionalGeneration,
        tokenizer: PreTrainedTokenizerBase,
        source: Source,
        folder: Path,
        device: torch.device,
    ) -> None:
        self.settings = settings
        self.source = source
        self.folder = folder
        self.device = device
        self.step = 0
        grid = Grid.of(settings.width, settings.height)
        reader = Reader(model, grid, prefix_of(tokenizer, grid), settings.slots)
        torch.manual_seed(settings.seed)
        self.objective = Objective(
            reader,
            torch.from_numpy(source.colors),
            settings.slots,
            source.labels,
            settings.cells_weight,
            settings.cells_positive,
        ).to(device)
        self.model = model
        self.optimizer = _optimizer(self.objective, settings, device)
        self._forward = torch.compile(self._losses) if device.type == "cuda" else self._losses

    def load(self) -> bool:
        """Take up the folder's checkpoint; False where there is none."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        return True

    def save(self) -> None:
        """Write the checkpoint, and the weights as they would be shipped."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "checkpoint.pt"
        state = {
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
        geometry.save(self.model, self.folder / "weights")

    def train(self, workers: int, until: int | None = None) -> None:
        """Train up to step ``until``, or to the end."""
        settings = self.settings
        last = min(until or settings.steps, settings.steps)
        # The pool as an uninterrupted run would have it; before its sheets come those of the validation.
        first = self.step - min(self.step, settings.pool // settings.fresh)
        held_out = max(1, settings.validation_sheets // settings.fresh)
        feed = Feed(
            self.source.make,
            lambda place: VALIDATION_CHUNK + place if place < held_out else first + place - held_out,
            workers,
        )
        try:
            self._compile()
            chunks = iter(feed)
            validation = [self._held_out(next(chunks)) for _ in range(held_out)]
            pool = Pool(
                self.source.make.empty(), settings.pool // settings.fresh * settings.fresh, self.device
            )
            for _ in range(first, self.step):
                pool.add(next(chunks))
            LOG.info("training from step %d", self.step)
            themes = torch.tensor(self.source.theme_shares)
            meter = _Meter(settings)
            while self.step < last:
                began = time.perf_counter()
                chunk = next(chunks)
                meter.waited += time.perf_counter() - began
                pool.add(chunk)
                generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + self.step)
                losses = self._step(pool.draw(settings.batch, settings.fresh, themes, generator))
                self.step += 1
                meter.add(losses)
                if self.step % _LOG_EVERY == 0:
                    meter.log(self.step, self.optimizer.param_groups[0]["lr"])
                if self.step % settings.validation_every == 0 or self.step == last:
                    self._validate(validation, meter)
                if self.step % settings.checkpoint_every == 0 or self.step == last:
                    self.save()
        finally:
            feed.close()

    def _compile(self) -> None:
        """Compile the step while the workers make the first sheets."""
        if self.device.type == "cuda":
            began = time.perf_counter()
            pool = Pool(self.source.make.empty(), self.settings.fresh, self.device)
            pool.count = self.settings.fresh
            generator = torch.Generator().manual_seed(0)
            batch = pool.draw(self.settings.batch, self.settings.fresh, torch.tensor([1.0]), generator)
            self._forward(batch.pictures, batch.themes, batch.tokens, batch.answers, batch.cells)[
                0
            ].backward()
            self.optimizer.zero_grad(set_to_none=True)
            torch.cuda.synchronize()
            LOG.info("compiled in %.0f s", time.perf_counter() - began)

    def _losses(self, *batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            return self.objective(*batch)

    def _step(self, batch: Batch) -> torch.Tensor:
        """One step; the loss of the answers and that of the cells."""
        settings = self.settings
        rate = settings.learning_rate * min(
            (self.step + 1) / settings.warmup,
            (settings.steps - self.step) / (settings.steps - settings.warmup),
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        total, answers, cells = self._forward(
            batch.pictures, batch.themes, batch.tokens, batch.answers, batch.cells
        )
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.objective.parameters(), settings.max_grad_norm, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return torch.stack([answers.detach(), cells.detach()])

    def _held_out(self, view: Chunk) -> tuple[Chunk, Batch]:
        """A copy of a chunk, and the batch of its sheets with the first set of questions of each."""
        chunk = Chunk.empty(view, bytearray(view.nbytes))
        chunk.copy_from(view)
        batch = Batch(
            torch.from_numpy(chunk.pictures).to(self.device),
            torch.zeros(len(chunk.pictures), dtype=torch.int64, device=self.device),
            torch.from_numpy(chunk.tokens[:, 0].astype(np.int64)).to(self.device),
            torch.from_numpy(chunk.answers[:, 0].astype(bool)).to(self.device),
            torch.from_numpy(chunk.cells).to(self.device),
        )
        return chunk, batch

    @torch.no_grad()
    def _validate(self, validation: list[tuple[Chunk, Batch]], meter: _Meter) -> None:
        """Append a line to the curve: losses, and for each question the share of answers that are all right.

        Given the true answer so far, every next token must be the likeliest one: exactly then greedy decoding
        gives the true answer.
        """
        exact: dict[int, list[float]] = {}
        tokens, cells_right, cells_said, cells_true = [], 0, 0, 0
        losses = []
        for chunk, batch in validation:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                logits, cells = self.objective.predict(batch.pictures, batch.themes, batch.tokens)
            target, weight = self.objective.targets(batch.tokens, batch.answers)
            right = logits.argmax(-1) == target
            counted = weight > 0
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1).float(), target.flatten(), reduction="none"
            ).view_as(weight)
            losses.append(float((loss * weight).sum() / weight.sum()))
            tokens.append(float(right[counted].float().mean()))
            truth, said = unpack(batch.cells, self.source.labels), cells > 2.0  # positives weigh e**2 more
            cells_right += int((truth & said).sum())
            cells_said += int(said.sum())
            cells_true += int(truth.sum())
            parts = zip(
                right.split(self.settings.slots, 1), counted.split(self.settings.slots, 1), strict=True
            )
            for slot, (good, used) in enumerate(parts):
                whole = (good | ~used).all(1).tolist()
                for ok, asked in zip(whole, chunk.asked[:, 0, slot], strict=True):
                    exact.setdefault(int(asked), []).append(float(ok))
        f1 = 2 * cells_right / max(1, cells_said + cells_true)
        row = {
            "step": self.step,
            "sheets": self.step * self.settings.batch,
            "train_loss": meter.recent,
            "loss": float(np.mean(losses)),
            "token_accuracy": float(np.mean(tokens)),
            "cells_f1": f1,
        }
        row |= {name: float(np.mean(exact.get(i, [0.0]))) for i, name in enumerate(self.source.questions)}
        LOG.info("validation: %s", " ".join(f"{k}={v:.4g}" for k, v in row.items()))
        self.folder.mkdir(parents=True, exist_ok=True)
        curve = self.folder / "curve.tsv"
        head = "" if curve.exists() else "\t".join(row) + "\n"
        with curve.open("a", encoding="utf-8") as file:
            file.write(head + "\t".join(f"{v:.5g}" for v in row.values()) + "\n")


def _optimizer(objective: Objective, settings: Settings, device: torch.device) -> torch.optim.AdamW:
    named = dict(objective.named_parameters())
    plain = [n for n, p in named.items() if p.ndim < 2 or "embed" in n]
    groups = [
        {"params": [p for n, p in named.items() if n not in plain], "weight_decay": settings.weight_decay},
        {"params": [named[n] for n in plain], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=settings.learning_rate, betas=(0.9, 0.95), fused=True if device.type == "cuda" else None
    )


class _Meter:
    """Sums of the losses since the last log line."""

    def __init__(self, settings: Settings) -> None:
        self.batch = settings.batch
        self.recent = float("nan")
        self.waited = 0.0
        self._losses: list[torch.Tensor] = []
        self._began = time.perf_counter()

    def add(self, losses: torch.Tensor) -> None:
        self._losses.append(losses)

    def log(self, step: int, rate: float) -> None:
        answers, cells = torch.stack(self._losses).mean(0).tolist()
        seconds = time.perf_counter() - self._began
        LOG.info(
            "step %d answers %.4f cells %.4f lr %.2e %.0f sheets/s, %.0f %% of the time waiting for sheets",
            step,
            answers,
            cells,
            rate,
            len(self._losses) * self.batch / seconds,
            100 * self.waited / seconds,
        )
        self.recent, self.waited, self._losses = answers, 0.0, []
        self._began = time.perf_counter()

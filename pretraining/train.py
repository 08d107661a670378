"""The training loop: steps, validation, checkpoints and the curve, on one GPU or several of one host.

Every step depends on its number, the seed, the number of GPUs and the pictures before it alone, so a run that
resumes from a checkpoint continues as if it had not been interrupted: bit for bit on the CPU, except that its
pools of older pictures start empty.
"""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from transformers import PreTrainedTokenizerBase, Qwen3VLForConditionalGeneration

from pretraining import geometry
from pretraining.fast import FixedSizeModel, Grid
from pretraining.feed import VALIDATION_CHUNK, Feed, Maker, Order
from pretraining.muon import Muon
from pretraining.objective import Losses, Objective
from pretraining.pool import Batch, Pool
from pretraining.settings import Settings
from pretraining.validation import HeldOut, validate

LOG = logging.getLogger("pretraining")
_LOG_EVERY = 25


@dataclass(frozen=True)
class Source:
    """Where pictures come from, and what they are asked and look like."""

    make: Maker
    questions: tuple[str, ...]  # names for ``Chunk.asked``
    colors: np.ndarray  # float32 (themes, 256, 3) in -1..1


@dataclass(frozen=True)
class Rank:
    """This process among those that train together, one a GPU."""

    number: int = 0
    count: int = 1

    @property
    def main(self) -> bool:
        return self.number == 0


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
        rank: Rank = Rank(),
    ) -> None:
        self.settings = settings
        self.source = source
        self.folder = folder
        self.device = device
        self.rank = rank
        self.step = 0
        self.pictures = 0
        shape_models, slots = {}, {}
        for name, shape in settings.shapes.items():
            grid = Grid.of(shape.width, shape.height)
            prefix = prefix_of(tokenizer, grid)
            shape_models[name] = FixedSizeModel(model, grid, prefix, shape.slots)
            slots[name] = shape.slots
        torch.manual_seed(settings.seed)
        self.objective = Objective(
            model, shape_models, slots, torch.from_numpy(source.colors), settings.cells_weight
        ).to(device)
        for shape_model in shape_models.values():
            shape_model.to(device)
        self.model = model
        self.optimizers = _optimizers(self.objective, settings, device)
        if device.type == "cuda":
            torch._dynamo.config.recompile_limit = 256
            torch._dynamo.config.accumulated_recompile_limit = 1024
            self.objective.compile()

    def load(self) -> bool:
        """Resume from the folder's checkpoint; False where there is none."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.objective.load_state_dict(state["objective"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.pictures = state["step"], state["pictures"]
        return True

    def save(self) -> None:
        """Write the checkpoint, and the weights as they would be shipped."""
        if not self.rank.main:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "checkpoint.pt"
        state = {
            "objective": self.objective.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
            "pictures": self.pictures,
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
        geometry.save(self.model, self.folder / "weights")

    def order(self, step: int) -> Order:
        """Number and shape of the chunk that this rank takes in a step; all ranks take the same shape."""
        phase, _ = self.settings.phase_at(step)
        rng = random.Random(f"{self.settings.seed} shape {step}")
        (name,) = rng.choices(list(phase.shapes), list(phase.shapes.values()))
        return step * self.rank.count + self.rank.number, name

    def train(self, workers: int, until: int | None = None, deadline: float | None = None) -> None:
        """Train up to step ``until``, to ``deadline`` (seconds since the epoch), or to the end."""
        settings = self.settings
        last = min(until or settings.steps, settings.steps)
        first, validation = self.step, self._validation_orders()

        def order(place: int) -> Order:
            """The stream holds the pictures of the validation, then those of each step."""
            after = place - len(validation)
            return validation[place] if after < 0 else self.order(first + after)

        feed = Feed(self.source.make, list(settings.shapes), order, workers)
        try:
            chunks = iter(feed)
            held_out = [HeldOut.of(*next(chunks), self.device) for _ in validation]
            pools = {
                name: Pool(self.source.make.empty(name), shape.pool // shape.fresh * shape.fresh, self.device)
                for name, shape in settings.shapes.items()
            }
            LOG.info("training from step %d", self.step)
            meter = _Meter()
            while self.step < last:
                began = time.perf_counter()
                name, chunk = next(chunks)
                meter.waited += time.perf_counter() - began
                pools[name].add(chunk)
                batch = self._draw(name, pools[name])
                pictures = len(batch.pictures) * self.rank.count
                meter.add(self._step(name, batch), pictures)
                self.pictures += pictures
                self.step += 1
                if self.step % _LOG_EVERY == 0:
                    meter.log(self.step, settings)
                ends = self.step == last or self._late(deadline)
                if self.step % settings.validation_every == 0 or ends:
                    self._validate(held_out, meter)
                if self.step % settings.checkpoint_every == 0 or ends:
                    self.save()
                if ends:
                    break
        finally:
            feed.close()

    def _validation_orders(self) -> list[Order]:
        """Numbers and shapes of the chunks that are never trained on."""
        wanted = self.settings.validation_pictures
        return [
            (VALIDATION_CHUNK + i, name)
            for name, shape in self.settings.shapes.items()
            for i in range(max(1, wanted // shape.fresh))
        ]

    def _draw(self, name: str, pool: Pool) -> Batch:
        """The batch of this step and rank; also seeds what changes its pictures."""
        shape, seed = self.settings.shapes[name], self.settings.seed
        torch.manual_seed(seed * 1_000_033 + self.step * 64 + self.rank.number)
        generator = torch.Generator().manual_seed((seed * 1_000_003 + self.step) * 64 + self.rank.number)
        return pool.draw(shape.batch, shape.fresh, len(self.source.colors), generator)

    def _late(self, deadline: float | None) -> bool:
        """Whether the deadline has passed for the main process; asked now and then."""
        if deadline is None or self.step % 10:
            return False
        late = torch.tensor([float(time.time() > deadline)], device=self.device)
        if self.rank.count > 1:
            dist.broadcast(late, 0)
        return bool(late.item())

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda")

    def _step(self, name: str, batch: Batch) -> torch.Tensor:
        """One step; the parts of its loss, float32 (3,)."""
        settings = self.settings
        _, share = settings.phase_at(self.step)
        for optimizer in self.optimizers:
            rate = settings.matrix_rate if isinstance(optimizer, Muon) else settings.learning_rate
            for group in optimizer.param_groups:
                group["lr"] = rate * share
        with self._autocast():
            losses: Losses = self.objective(name, batch)
        losses.total.backward()
        self._average_gradients()
        torch.nn.utils.clip_grad_norm_(self.objective.parameters(), settings.max_grad_norm, foreach=True)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return torch.stack([losses.answers, losses.characters, losses.kinds]).detach()

    def _average_gradients(self) -> None:
        """The mean of all ranks' gradients, in one exchange."""
        if self.rank.count == 1:
            return
        grads = [p.grad for p in self.objective.parameters() if p.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        dist.all_reduce(flat)
        flat /= self.rank.count
        offset = 0
        for grad in grads:
            grad.copy_(flat[offset : offset + grad.numel()].view_as(grad))
            offset += grad.numel()

    def _validate(self, held_out: list[HeldOut], meter: _Meter) -> None:
        """Append a line to the curve."""
        if not self.rank.main:
            return
        row = {"step": self.step, "pictures": self.pictures, "train_loss": meter.recent}
        with self._autocast():
            row |= validate(self.objective, held_out, self.source.questions)
        LOG.info("validation: %s", " ".join(f"{k}={v:.4g}" for k, v in row.items()))
        self.folder.mkdir(parents=True, exist_ok=True)
        curve = self.folder / "curve.tsv"
        head = "" if curve.exists() else "\t".join(row) + "\n"
        with curve.open("a", encoding="utf-8") as file:
            file.write(head + "\t".join(f"{v:.6g}" for v in row.values()) + "\n")


def _optimizers(
    objective: Objective, settings: Settings, device: torch.device
) -> tuple[torch.optim.Optimizer, ...]:
    """AdamW for embeddings, heads, vectors and the patch kernel; Muon for the matrices of all layers."""
    named = dict(objective.named_parameters())
    matrices = [
        n for n, p in named.items() if p.ndim == 2 and ("blocks" in n or ".layers." in n or "merger" in n)
    ]
    others = [n for n in named if n not in matrices]
    plain = [n for n in others if named[n].ndim < 2 or "embed" in n]
    groups = [
        {"params": [named[n] for n in others if n not in plain], "weight_decay": settings.weight_decay},
        {"params": [named[n] for n in plain], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(
        groups, lr=settings.learning_rate, betas=(0.9, 0.95), fused=True if device.type == "cuda" else None
    )
    muon = Muon([named[n] for n in matrices], settings.matrix_rate, weight_decay=settings.weight_decay)
    return adam, muon


class _Meter:
    """Sums of the losses since the last log line."""

    def __init__(self) -> None:
        self.recent = float("nan")
        self.waited = 0.0
        self._pictures = 0
        self._losses: list[torch.Tensor] = []
        self._began = time.perf_counter()

    def add(self, losses: torch.Tensor, pictures: int) -> None:
        self._losses.append(losses)
        self._pictures += pictures

    def log(self, step: int, settings: Settings) -> None:
        answers, characters, kinds = torch.stack(self._losses).mean(0).tolist()
        seconds = time.perf_counter() - self._began
        LOG.info(
            "step %d answers %.4f characters %.4f kinds %.4f rate %.3f %.0f pictures/s, waiting %.0f %%",
            step,
            answers,
            characters,
            kinds,
            settings.phase_at(step)[1],
            self._pictures / seconds,
            100 * self.waited / seconds,
        )
        self.recent, self.waited, self._losses, self._pictures = answers, 0.0, [], 0
        self._began = time.perf_counter()

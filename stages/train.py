"""``python -m stages.train``: fine-tune a LoRA adapter on data/messages and write it to models/adapter.

Reads the train and validation splits, writes ``models/adapter/`` (adapter and processor),
``metrics/train.json`` and the loss curves in ``metrics/plots/``. A run that is killed leaves its state in
``models/.train.part``; the next one goes on from there if code, params and data are the same. Where several
GPUs are visible, each trains on its part of every step; ``accelerate launch`` takes in other machines.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schematic_reader.cli import UserError, run, takes_no_arguments
from schematic_reader.config import Params, load_params
from schematic_reader.io.files import atomic_folder, write_json, write_text
from schematic_reader.io.fingerprint import value_digest
from schematic_reader.io.tables import read_messages

if TYPE_CHECKING:
    from schematic_reader.model.encode import Encoder
    from schematic_reader.training.examples import Examples
    from schematic_reader.training.finetune import Finetuned

CLEAN = Path("data/clean")
MESSAGES = Path("data/messages")
ADAPTER = Path("models/adapter")
UNFINISHED = Path("models/.train.part")
METRICS = Path("metrics/train.json")
PLOTS = Path("metrics/plots")

log = logging.getLogger(__name__)


def main() -> None:
    """Run the stage in the current folder."""
    takes_no_arguments(__doc__)
    from schematic_reader.model import processes
    from schematic_reader.model.device import prepare_device
    from schematic_reader.model.encode import Encoder
    from schematic_reader.model.load import load_base, load_processor
    from schematic_reader.training.checkpoint import Checkpoint
    from schematic_reader.training.finetune import finetune
    from schematic_reader.training.fp8 import check_fp8
    from schematic_reader.training.shard import load_sharded

    processes.check_launch()
    params = load_params()
    profile = params.active
    if profile.model.device != "cpu" and processes.run_on_every_gpu("stages.train"):
        return
    device = prepare_device(profile.model, params.seed)
    if profile.train.fp8:
        check_fp8(device)
    encoder = Encoder(load_processor(profile.model.base, profile.model.revision))
    chosen = choose(params, encoder)
    if profile.train.shard and processes.count() == 1:
        log.info("train.shard: there is one process, which holds the whole model")
    sharded = profile.train.shard and processes.count() > 1
    model = (load_sharded if sharded else load_base)(profile.model, device)
    checkpoint = Checkpoint(UNFINISHED, fingerprint(params, chosen, model))
    done = finetune(
        model,
        encoder,
        chosen["train"],
        chosen["validation"],
        lora=params.lora,
        settings=params.train,
        profile=profile.train,
        device=device,
        seed=params.seed,
        checkpoint=checkpoint,
    )
    if processes.is_first():
        write(done, encoder, chosen)
    checkpoint.clear()


def write(done: Finetuned, encoder: Encoder, chosen: dict[str, Examples]) -> None:
    """Write the adapter with its processor, the metrics and the loss curves."""
    with atomic_folder(ADAPTER) as folder:
        done.model.save_pretrained(str(folder))
        encoder.processor.save_pretrained(str(folder))
    curves = {"train": done.ledger.train, "validation": done.ledger.validation}
    for name, points in curves.items():
        lines = [f"{step}\t{loss:.6f}" for step, loss in points]
        write_text(PLOTS / f"{name}.tsv", "\n".join(["step\tloss", *lines]) + "\n")
    write_json(
        METRICS,
        {
            "sheets": len(chosen["train"].rows),
            "dropped": {"too_long": len(chosen["train"].dropped)},
            "answer_tokens": sum(chosen["train"].answers),
            "padding": round(done.padding, 4),
            "validation_sheets": len(chosen["validation"].rows),
            "loss": round(curves["train"][-1][1], 6),
            "validation_loss": round(curves["validation"][-1][1], 6),
            "validation_loss_before": round(curves["validation"][0][1], 6),
        },
    )


def choose(params: Params, encoder: Any) -> dict[str, Examples]:
    """The sheets to train on and those to validate with, by split.

    Raises:
        UserError: no sheet of a split fits into a row.
    """
    from schematic_reader.model.sheets import Sheets
    from schematic_reader.training.examples import choose_examples

    profile = params.active.train
    chosen = {}
    for split, most in (("train", profile.max_sheets), ("validation", params.train.validation_sheets)):
        examples = choose_examples(
            read_messages(MESSAGES, split),
            Sheets(CLEAN, split, params.image),
            encoder,
            budget=profile.packed_length,
            max_sheets=most,
        )
        if examples.dropped:
            log.warning(
                "%s: %d sheets are longer than train.packed_length (%d tokens) and left out: %s",
                split,
                len(examples.dropped),
                profile.packed_length,
                ", ".join(examples.dropped),
            )
        if not examples.rows:
            raise UserError(
                f"every {split} sheet is longer than the profile's train.packed_length "
                f"({profile.packed_length} tokens): raise it, or lower image.max_pixels or "
                "messages.max_target_chars"
            )
        chosen[split] = examples
    return chosen


def fingerprint(params: Params, chosen: dict[str, Examples], model: Any) -> dict[str, str]:
    """Hashes of all that the adapter depends on."""
    from schematic_reader.model import processes
    from schematic_reader.training.checkpoint import digest_of_code, digest_of_model

    profile = params.active
    groups = (params.image, params.lora, params.train, profile.model, profile.train)
    return {
        "code": digest_of_code(),
        "params": value_digest([params.seed, *map(repr, groups)]),
        "number of processes": str(processes.count()),
        # An id is a hash of the sheet's content, its picture included.
        "data": value_digest([examples.rows for _, examples in sorted(chosen.items())]),
        "base model": digest_of_model(
            profile.model.base, profile.model.revision, getattr(model.config, "_commit_hash", None)
        ),
    }


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    run(main)

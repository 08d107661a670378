"""``python -m stages.train``: fine-tune a LoRA adapter on data/messages and write it to models/adapter.

Reads the train and validation splits, writes ``models/adapter/`` (adapter and processor),
``metrics/train.json`` and the loss curves in ``metrics/plots/``.
"""

from __future__ import annotations

import logging
from pathlib import Path

from stages.config import load_params
from stages.store.errors import UserError, run, takes_no_arguments
from stages.store.files import replacing_folder, write_json, write_text
from stages.store.tables import read_messages

CLEAN = Path("data/clean")
MESSAGES = Path("data/messages")
ADAPTER = Path("models/adapter")
METRICS = Path("metrics/train.json")
PLOTS = Path("metrics/plots")


def main() -> None:
    """Run the stage in the current folder."""
    takes_no_arguments(__doc__)
    from stages.vlm.device import prepare_device
    from stages.vlm.encode import Encoder
    from stages.vlm.finetune import answer_tokens, choose_examples, finetune
    from stages.vlm.load import load_base, load_processor
    from stages.vlm.sheets import Sheets

    params = load_params()
    profile = params.active
    rows = {split: read_messages(MESSAGES, split) for split in ("train", "validation")}
    device = prepare_device(profile.model, params.seed)
    encoder = Encoder(load_processor(profile.model.base, profile.model.revision))
    limits = {"train": profile.train.max_sheets, "validation": params.train.validation_sheets}
    chosen = {
        split: choose_examples(
            rows[split],
            Sheets(CLEAN, split, params.image),
            encoder,
            max_length=params.train.max_length,
            max_sheets=limits[split],
        )
        for split in rows
    }
    for split, examples in chosen.items():
        if not examples.rows:
            raise UserError(
                f"every {split} sheet is longer than train.max_length ({params.train.max_length} tokens): "
                "raise it, or lower image.max_pixels or messages.max_target_chars"
            )
    with replacing_folder(ADAPTER) as folder:
        curve = finetune(
            load_base(profile.model, device),
            encoder,
            chosen["train"],
            chosen["validation"],
            lora=params.lora,
            settings=params.train,
            profile=profile.train,
            device=device,
            seed=params.seed,
            out=folder,
        )
    for name, points in (("train", curve.train), ("validation", curve.validation)):
        lines = [f"{step:g}\t{loss:.6f}" for step, loss in points]
        write_text(PLOTS / f"{name}.tsv", "\n".join(["step\tloss", *lines]) + "\n")
    write_json(
        METRICS,
        {
            "sheets": len(chosen["train"].rows),
            "dropped": {"too_long": chosen["train"].dropped},
            "answer_tokens": answer_tokens(chosen["train"], encoder),
            "validation_sheets": len(chosen["validation"].rows),
            "loss": round(curve.train[-1][1], 6),
            "validation_loss": round(curve.validation[-1][1], 6),
            "validation_loss_before": round(curve.validation[0][1], 6),
        },
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    run(main)

"""The results of a fine-tuning run: adapter folder, metrics and loss curves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from schematic_reader.io.adapter_digests import write_adapter_digests
from schematic_reader.io.files import atomic_folder, write_json, write_text
from schematic_reader.io.reader_settings import ReaderSettings
from schematic_reader.model.encode import Encoder
from schematic_reader.training.examples import Examples
from schematic_reader.training.finetune import FinetuneResult
from schematic_reader.training.initial_adapter import InitialAdapter


def export_adapter(result: FinetuneResult, encoder: Encoder, settings: ReaderSettings, folder: Path) -> None:
    """Write the adapter and its processor to ``folder``, as PEFT and transformers load them.

    ``settings`` tell what it was trained for. Last comes a list of the files' SHA-256, by which
    ``check_adapter`` notices damage.
    """
    with atomic_folder(folder) as part:
        result.model.save_pretrained(str(part))
        encoder.processor.save_pretrained(str(part))
        settings.write(part)
        write_adapter_digests(part)


def write_metrics(
    result: FinetuneResult,
    splits: Mapping[str, Examples],
    initial: InitialAdapter | None,
    *,
    metrics: Path,
    plots: Path,
) -> None:
    """Write the loss curves as ``train.tsv`` and ``validation.tsv`` below ``plots``, and the metrics file.

    Of a run that started from another adapter, the metrics name that one by the SHA-256 of its weights.
    """
    curves = {"train": result.loss_log.train, "validation": result.loss_log.validation}
    for name, points in curves.items():
        lines = [f"{step}\t{loss:.6f}" for step, loss in points]
        write_text(plots / f"{name}.tsv", "\n".join(["step\tloss", *lines]) + "\n")
    write_json(
        metrics,
        {
            "sheets": splits["train"].count_sheets(),
            "dropped": {"too_long": len(splits["train"].dropped)},
            "answer_tokens": sum(splits["train"].answer_lengths),
            "padding": round(result.padding, 4),
            "validation_sheets": splits["validation"].count_sheets(),
            "loss": round(curves["train"][-1][1], 6),
            "validation_loss": round(curves["validation"][-1][1], 6),
            "validation_loss_before": round(curves["validation"][0][1], 6),
        }
        | ({} if initial is None else {"init_from": initial.digest}),
    )

"""``python -m stages.train``: fine-tune a LoRA adapter on data/messages and write it to models/adapter.

Reads the train and validation splits, writes ``models/adapter/`` (adapter and processor),
``metrics/train.json`` and the loss curves in ``metrics/plots/``. A run that is killed leaves checkpoints in
``models/.train.part``; the next one resumes from them if code, params and data are the same. Where several
GPUs are visible, each trains on its part of every step; ``accelerate launch`` adds other machines.
"""

from __future__ import annotations

import logging
from pathlib import Path

from schematic_reader.cli import parse_no_arguments, run, start_logging
from schematic_reader.config import load_params
from schematic_reader.io.reader_settings import ReaderSettings

CLEAN = Path("data/clean")
MESSAGES = Path("data/messages")
ADAPTER = Path("models/adapter")
UNFINISHED = Path("models/.train.part")
METRICS = Path("metrics/train.json")
PLOTS = Path("metrics/plots")

log = logging.getLogger(__name__)


def main() -> None:
    """Run the stage in the current folder."""
    parse_no_arguments(__doc__)
    from schematic_reader.model import distributed
    from schematic_reader.model.device import prepare_device
    from schematic_reader.model.encode import Encoder
    from schematic_reader.model.load import load_base, load_processor
    from schematic_reader.training.checkpoint import Checkpoint, run_fingerprint
    from schematic_reader.training.examples import read_splits
    from schematic_reader.training.export import export_adapter, write_metrics
    from schematic_reader.training.finetune import finetune
    from schematic_reader.training.fp8 import check_fp8
    from schematic_reader.training.initial_adapter import InitialAdapter
    from schematic_reader.training.settings import FinetuneSettings
    from schematic_reader.training.sharding import load_sharded
    from schematic_reader.training.tracking import check_tracker

    distributed.check_launch()
    params = load_params()
    profile = params.active
    if profile.model.device != "cpu" and distributed.run_on_every_gpu("stages.train"):
        return
    initial = InitialAdapter.of(params, outputs=(ADAPTER, UNFINISHED))
    device = prepare_device(profile.model, params.seed)
    distributed.init(device)
    if profile.train.fp8:
        check_fp8(device)
    check_tracker(params.train.report_to)
    encoder = Encoder(load_processor(profile.model.base, profile.model.revision))
    splits = read_splits(MESSAGES, CLEAN, params, encoder)
    if profile.train.shard and distributed.world_size() == 1:
        log.info("train.shard: there is one process, which holds the whole model")
    sharded = profile.train.shard and distributed.world_size() > 1
    model = (load_sharded if sharded else load_base)(profile.model, device)
    checkpoint = Checkpoint(UNFINISHED, run_fingerprint(params, splits, initial))
    watch = None
    if params.train.report_to != "none":
        from schematic_reader.report.watched_sheets import watched_sheets

        watch = watched_sheets(params, encoder, messages=MESSAGES, clean=CLEAN)
    result = finetune(
        model,
        encoder,
        splits["train"],
        splits["validation"],
        FinetuneSettings.of(params, initial),
        device,
        checkpoint,
        watch,
    )
    if distributed.is_main_process():
        longest = max(splits["train"].answer_lengths)
        if initial is not None:
            longest = max(longest, initial.answer_tokens)
        settings = ReaderSettings.of(params, answer_tokens=longest)
        export_adapter(result, encoder, settings, ADAPTER)
        write_metrics(result, splits, initial, metrics=METRICS, plots=PLOTS)
    checkpoint.clear()
    distributed.shutdown()


if __name__ == "__main__":
    start_logging()
    run(main, exclusive=True)

"""``python -m stages.publish --repo OWNER/NAME``: send the trained adapter and its model card to the Hub.

Writes published/ (adapter, processor, model card with the training curve) and commits it to the model
repository OWNER/NAME, which is created if it does not exist. The card names base model, data set, settings,
results and Git commit, so the working tree has to be clean and every stage up to date. The token comes from
HF_TOKEN.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

from schematic_reader.cli import run, say
from schematic_reader.config import Params, load_params
from schematic_reader.io.files import atomic_folder
from schematic_reader.io.reader_settings import ReaderSettings
from schematic_reader.publish.card import PublishedWeights
from schematic_reader.publish.folder import (
    cached_commit,
    copy_adapter,
    licence_on_hub,
    write_card,
    write_processor_parts,
)
from schematic_reader.publish.provenance import find_provenance
from schematic_reader.publish.upload import check_repository, require_token, upload_folder

ADAPTER = Path("models/adapter")
FOLDER = Path("published")


def main() -> None:
    """Publish what the current folder holds."""
    args = command_line().parse_args()
    check_repository(args.repo)
    token = None if args.dry_run else require_token()
    params = load_params()
    provenance = find_provenance(forced=args.force)
    base = params.active.model
    weights = PublishedWeights(args.repo, args.merged, cached_commit(base), licence_on_hub(base))
    with atomic_folder(FOLDER) as folder:
        if args.merged:
            write_merged(params, folder)
        else:
            copy_adapter(ADAPTER, params.active.model.base, folder)
        write_processor_parts(folder)
        write_card(folder, weights, params, provenance)
    files = sorted(FOLDER.iterdir())
    for path in files:
        say(f"{path.stat().st_size:>14,}  {path.name}")
    total = f"{sum(path.stat().st_size for path in files):,} bytes in {len(files)} files"
    if token is None:
        say(f"{total} in {FOLDER} would go to {args.repo}; nothing was sent")
        return
    message = f"Publish {'merged weights' if args.merged else 'adapter'} of commit {provenance.commit[:12]}"
    commit = upload_folder(FOLDER, args.repo, private=args.private, message=message, token=token)
    say(f"{total} sent: {commit}")


def command_line() -> argparse.ArgumentParser:
    """The options; ``--help`` imports neither torch nor transformers."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m stages.publish", description=__doc__, formatter_class=formatter
    )
    parser.add_argument("--repo", required=True, metavar="OWNER/NAME", help="model repository on the Hub")
    parser.add_argument(
        "--merged", action="store_true", help="whole weights, for serving engines, instead of the adapter"
    )
    parser.add_argument("--private", action="store_true", help="refuse to publish where all can see it")
    parser.add_argument("--dry-run", action="store_true", help="write published/ and send nothing")
    parser.add_argument(
        "--force", action="store_true", help="even from a dirty tree or with stale metrics; the card says so"
    )
    return parser


def write_merged(params: Params, folder: Path) -> None:
    """Write the weights that ``stages.evaluate`` judges, in the profile's precision, and the processor.

    Whole weights have no base, whose version their settings would name.
    """
    from schematic_reader.model.device import prepare_device
    from schematic_reader.model.load import load_processor, load_tuned

    device = prepare_device(params.active.model, params.seed)
    load_tuned(params.active.model, device, ADAPTER).save_pretrained(folder)
    load_processor(str(ADAPTER), None).save_pretrained(folder)
    if settings := ReaderSettings.read(ADAPTER):
        replace(settings, base_weights=None).write(folder)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    run(main, exclusive=True)

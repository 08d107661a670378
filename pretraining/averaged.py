"""One adapter that changes the base as several do on average, after runs that went on from each other.

``python -m pretraining.averaged --out FOLDER ADAPTER=SHARE ADAPTER=SHARE ...``

Weights of runs that share a start can be averaged, and read better than each alone (Wortsman et al., Model
soups, 2022). Averaged are the changes themselves, which are products of an adapter's two halves, and of their
average the ``r`` largest singular values are kept. Both halves have an equal part of these, as in training,
so that the average can be trained on. Shares under 1 together leave the rest to the base, which was never
changed (Wortsman et al., Robust fine-tuning of zero-shot models, 2022).
"""

from __future__ import annotations

import shutil
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from schematic_reader.cli import UserError, run
from schematic_reader.io.adapter_digests import check_adapter, write_adapter_digests
from schematic_reader.io.files import atomic_folder, read_json

_WEIGHTS, _SETTINGS, _READER = "adapter_model.safetensors", "adapter_config.json", "reader.json"
_SCALES = ("r", "lora_alpha", "use_rslora")  # what a product of halves is scaled by


def averaged(adapters: Sequence[tuple[Mapping[str, torch.Tensor], float]]) -> dict[str, torch.Tensor]:
    """The halves ``lora_A``, ``(r, in)``, and ``lora_B``, ``(out, r)``, of the average change of each layer.

    Args:
        adapters: the halves of each, of the same shapes, and its share.
    """
    first, _ = adapters[0]
    halves = {}
    for name in (name for name in first if "lora_A" in name):
        other = name.replace("lora_A", "lora_B")
        change = sum(share * (one[other].float() @ one[name].float()) for one, share in adapters)
        left, values, right = torch.linalg.svd(change, full_matrices=False)
        rank = len(first[name])
        root = values[:rank].sqrt()
        halves[name] = (root[:, None] * right[:rank]).contiguous()
        halves[other] = (left[:, :rank] * root).contiguous()
    return halves


def average_adapters(shares: Mapping[Path, float], out: Path) -> None:
    """Write the average of adapter folders to the folder ``out``, with the first one's settings.

    Raises:
        UserError: a folder is missing or damaged, the adapters are not of the same task, base, layers, rank
            and scale, or have more than the two halves of each change, the shares are over 1 together or not
            over 0, or ``out`` is there already.
    """
    together = sum(shares.values())
    if not 0 < together <= 1 + 1e-6:  # nor where a share is no number
        raise UserError(f"the shares are {together:g} together: make them 1, or less for a smaller change")
    if out.exists():
        raise UserError(f"{out} is there already: name a new folder with --out")
    adapters, scales = [], []
    for folder, share in shares.items():
        for name in (_SETTINGS, _READER, _WEIGHTS):
            if not (folder / name).is_file():
                raise UserError(f"{folder / name} is missing: name a folder that the stage train exported")
        check_adapter(folder)
        settings = read_json(folder / _SETTINGS, "train")
        try:
            adapters.append((load_file(folder / _WEIGHTS), share))
        except SafetensorError as error:
            raise UserError(f"{folder / _WEIGHTS} is damaged: get the adapter anew ({error})") from None
        reader = read_json(folder / _READER, "train")
        scales.append([*map(settings.get, _SCALES), *map(reader.get, ("task", "base_weights"))])
    shapes = [{name: half.shape for name, half in halves.items()} for halves, _ in adapters]
    if any(one != shapes[0] for one in shapes) or any(one != scales[0] for one in scales):
        raise UserError(
            "the adapters differ in their task, base, layers, rank or scale: average those of one recipe"
        )
    odd = [name for name in shapes[0] if "lora_A" not in name and "lora_B" not in name]
    if odd:
        raise UserError(f"the adapters have {odd[0]}, which is no half of a change: train without it")
    halves = averaged(adapters)
    with atomic_folder(out) as part:
        save_file(halves, part / _WEIGHTS, {"format": "pt"})
        for name in (_SETTINGS, _READER):
            shutil.copy(next(iter(shares)) / name, part / name)
        write_adapter_digests(part)


def _share(text: str) -> tuple[Path, float]:
    folder, _, share = text.rpartition("=")
    if not folder:
        raise ArgumentTypeError(f"{text} is not FOLDER=SHARE")
    return Path(folder), float(share)


def main() -> None:
    """Average the adapters of the command line."""
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("adapters", nargs="+", type=_share, metavar="ADAPTER=SHARE")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    arguments = parser.parse_args()
    times = Counter(folder for folder, _ in arguments.adapters)
    if twice := [folder for folder, count in times.items() if count > 1]:
        raise UserError(f"{twice[0]} is named twice: name it once, with its whole share")
    average_adapters(dict(arguments.adapters), arguments.out)


if __name__ == "__main__":
    run(main)

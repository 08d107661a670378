"""A frozen base model whose weights are spread over the processes (PyTorch's FSDP2): for what fits no GPU.

Each decoder layer is one unit: a process holds its share of the layer's weights and gathers the others' for
as long as the layer computes, forward and backward. The embedding is another unit, the output projection and
the last norm are what is left for the whole. The vision tower, about 1 GiB, stays whole in each process,
because not all of them call it for the same rows.

The adapter is not spread: it is a hundredth of the base, it is put on the sharded base as on any other, and
each process has all of it, so that clipping, checkpoints and export are what they are without shards. Its
gradients are averaged once a step.
"""

from __future__ import annotations

from typing import Any

import torch
from huggingface_hub.errors import HfHubHTTPError
from torch import distributed, nn
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedModel

from schematic_reader.cli import UserError
from schematic_reader.config import Model
from schematic_reader.model import processes
from schematic_reader.model.device import Device
from schematic_reader.model.load import not_found
from schematic_reader.model.shares import join


def load_sharded(model: Model, device: Device) -> PreTrainedModel:
    """The base model spread over the devices of all processes, in evaluation mode.

    The first process reads all of it into its machine's memory, the others only what it looks like.

    Raises:
        UserError: there is no such model, or it takes no pictures.
    """
    kind: Any = AutoModelForImageTextToText
    form = {"dtype": device.dtype, "attn_implementation": device.attention}
    try:
        if join(device) == 0:
            loaded = kind.from_pretrained(model.base, revision=model.revision, **form)
        else:
            config = AutoConfig.from_pretrained(model.base, revision=model.revision)
            with torch.device("meta"):
                loaded = kind.from_config(config, **form)
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise UserError(not_found(model.base, "vision-language model", error)) from None
    return shard(loaded.eval(), device)


def shard(model: PreTrainedModel, device: Device) -> PreTrainedModel:
    """Spread ``model`` over the processes' devices, tensor by tensor.

    Args:
        model: on the CPU in the first process, whose weights all get; in the others it may be on ``meta``.
    """
    model.requires_grad_(False)
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    buffers = {name: buffer.detach() for name, buffer in model.named_buffers()}
    nn.Module.to(model, "meta")
    model.tie_weights()
    mesh = distributed.init_device_mesh(device.name, (processes.count(),), mesh_dim_names=("fsdp",))
    language, visual = model.model.language_model, model.model.visual
    for layer in language.layers:
        fully_shard(layer, mesh=mesh)
    if model.lm_head.weight is not language.embed_tokens.weight:
        fully_shard(language.embed_tokens, mesh=mesh)
    fully_shard(model, mesh=mesh, ignored_params=set(visual.parameters()))
    placed = {
        id(weight): nn.Parameter(_placed(weights.pop(name), weight, device), requires_grad=False)
        for name, weight in list(model.named_parameters())
    }
    placed |= {id(buffer): _placed(buffers[name], buffer, device) for name, buffer in model.named_buffers()}
    for module in model.modules():
        for kept in (module._parameters, module._buffers):
            kept.update({name: placed[id(old)] for name, old in kept.items() if old is not None})
    return model


def _placed(whole: torch.Tensor, place: torch.Tensor, device: Device) -> Any:
    """The first process's ``whole``, on the device: this process's share of it if ``place`` is a share."""
    whole = torch.empty_like(whole, device=device.place) if whole.is_meta else whole.to(device.place)
    if isinstance(place, DTensor):
        return distribute_tensor(whole, place.device_mesh, place.placements)
    distributed.broadcast(whole, 0)
    return whole


def is_sharded(model: Any) -> bool:
    """Whether ``shard`` has spread the model, which may have an adapter on it since."""
    return any(isinstance(weight, DTensor) for weight in model.parameters())


class ReplicatedAdapter:
    """The adapter on a sharded base: the same in every process, trained by the mean of their gradients.

    Args:
        model: PEFT's wrapper of a sharded base; its ``forward`` gathers the weights outside the layers.
    """

    def __init__(self, model: Any) -> None:
        register_fsdp_forward_method(model.get_base_model(), "forward")
        self._weights = [weight for weight in model.parameters() if weight.requires_grad]
        for weight in self._weights:
            distributed.broadcast(weight.data, 0)

    def average_gradients(self) -> None:
        """Replace each gradient by its mean over the processes, in one exchange."""
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= processes.count()
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

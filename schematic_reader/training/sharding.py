"""A frozen base model sharded over the ranks with PyTorch's FSDP2, for models that do not fit on one GPU.

Each decoder layer is one FSDP unit: a rank holds its shard of the layer's weights and all-gathers the others
while the layer computes, forward and backward. The embedding is another unit; output projection and last norm
belong to the root unit. The vision tower, about 1 GiB, is replicated, because not all ranks call it for the
same batches.

The adapter is replicated too: it is a hundredth of the base, it is put on the sharded base as on any other,
and each rank has all of it, so that clipping, checkpoints and export are the same as without shards. Its
gradients are averaged once a step.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from torch import nn
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import AutoConfig, AutoModelForImageTextToText, PreTrainedModel

from schematic_reader.cli import UserError
from schematic_reader.config import Model
from schematic_reader.model import distributed
from schematic_reader.model.device import Device
from schematic_reader.model.load import LOADING_ERRORS, not_found


def load_sharded(model: Model, device: Device) -> PreTrainedModel:
    """The base model sharded over the devices of all ranks, in evaluation mode.

    Rank 0 reads all of it into its node's memory, the others only its configuration.

    Raises:
        UserError: there is no such model, or it takes no pictures.
    """
    auto_class: Any = AutoModelForImageTextToText
    kwargs = {"dtype": device.dtype, "attn_implementation": device.attention, "trust_remote_code": False}
    try:
        if distributed.init(device) == 0:
            loaded = auto_class.from_pretrained(model.base, revision=model.revision, **kwargs)
        else:
            config = AutoConfig.from_pretrained(model.base, revision=model.revision, trust_remote_code=False)
            with torch.device("meta"):
                loaded = auto_class.from_config(config, **kwargs)
    except (*LOADING_ERRORS, SafetensorError) as error:
        raise UserError(not_found(model.base, "vision-language model", error)) from None
    return shard_model(loaded.eval(), device)


def shard_model(model: PreTrainedModel, device: Device) -> PreTrainedModel:
    """Shard ``model`` over the ranks' devices, tensor by tensor.

    Args:
        model: on the CPU on rank 0, whose weights all ranks get; on the others it may be on ``meta``.
    """
    model.requires_grad_(False)
    # 1) Keep the weights aside and move the modules to meta, so that no rank allocates the whole model.
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    buffers = {name: buffer.detach() for name, buffer in model.named_buffers()}
    nn.Module.to(model, "meta")
    model.tie_weights()
    # 2) Wrap decoder layers, embedding (unless tied to the output projection) and root into FSDP units.
    mesh = dist.init_device_mesh(device.name, (distributed.world_size(),), mesh_dim_names=("fsdp",))
    language, visual = model.model.language_model, model.model.visual
    for layer in language.layers:
        fully_shard(layer, mesh=mesh)
    if model.lm_head.weight is not language.embed_tokens.weight:
        fully_shard(language.embed_tokens, mesh=mesh)
    fully_shard(model, mesh=mesh, ignored_params=set(visual.parameters()))
    # 3) Scatter or broadcast each tensor from rank 0, and put it in the place of the one on meta.
    materialized = {
        id(weight): nn.Parameter(_materialize(weights.pop(name), weight, device), requires_grad=False)
        for name, weight in list(model.named_parameters())
    }
    materialized |= {
        id(buffer): _materialize(buffers[name], buffer, device) for name, buffer in model.named_buffers()
    }
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            tensors.update({name: materialized[id(old)] for name, old in tensors.items() if old is not None})
    return model


def _materialize(source: torch.Tensor, target: torch.Tensor, device: Device) -> Any:
    """Rank 0's ``source`` on the device: this rank's shard of it if ``target`` is sharded, else all of it."""
    name = device.torch_device
    whole = torch.empty_like(source, device=name) if source.is_meta else source.to(name)
    # distribute_tensor scatters rank 0's rows; a replicated tensor is broadcast.
    if isinstance(target, DTensor):
        return distribute_tensor(whole, target.device_mesh, target.placements)
    dist.broadcast(whole, 0)
    return whole


def is_sharded(model: Any) -> bool:
    """Whether ``shard_model`` has sharded the model, which may have got an adapter since."""
    return any(isinstance(weight, DTensor) for weight in model.parameters())


class ReplicatedAdapter:
    """The adapter on a sharded base: replicated on every rank, trained by the mean of the ranks' gradients.

    Args:
        model: PEFT's wrapper of a sharded base; its ``forward`` all-gathers the weights outside the layers.
    """

    def __init__(self, model: Any) -> None:
        register_fsdp_forward_method(model.get_base_model(), "forward")
        self._weights = [weight for weight in model.parameters() if weight.requires_grad]
        for weight in self._weights:
            dist.broadcast(weight.data, 0)

    def average_gradients(self) -> None:
        """Replace each gradient by its mean over the ranks, in one all-reduce."""
        # One flat tensor instead of a collective per weight, whose latency would add up.
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])  # (adapter weights,)
        dist.all_reduce(flat)
        flat /= distributed.world_size()
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

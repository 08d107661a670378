"""A packed batch computes what its samples would alone: loss, gradients, and nothing of the neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._dynamo.testing import CompileCounterWithBackend
from transformers import GenerationConfig

from schematic_reader.generation.answerer import Answerer
from schematic_reader.generation.settings import GenerationSettings
from schematic_reader.model.attention import packed_attention
from schematic_reader.model.device import prepare_device
from schematic_reader.model.encode import Encoded, Encoder, collate
from schematic_reader.model.load import load_base, load_processor
from schematic_reader.model.packed_batch import BatchShape, PackedBatch, pack_batch
from schematic_reader.tasks.messages import chat
from schematic_reader.training.adapter import add_adapter
from schematic_reader.training.answer_loss import CHUNK, answer_loss
from schematic_reader.training.packed_loss import PackedLoss
from tests.support.answering import OnePicture
from tests.support.sheet_samples import LORA, TINY, noise, sample, unpacked_loss

WORDS = ["R", "C", "GND", "LED", "+3V3", "Conn_01x04_Pin", "AMS1117-3.3"]
SHEETS = st.lists(
    st.tuples(
        st.integers(2, 7),  # width and height in cells of 32 px
        st.integers(2, 7),
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=5,
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(load_processor(TINY.base, None))


def adapted_model() -> Any:
    """The small model with an adapter and deepstack features that matter: new adapters have a zero half."""
    torch.manual_seed(1)
    model = add_adapter(load_base(TINY, prepare_device(TINY, 1)), LORA)
    with torch.no_grad():
        for merger in model.get_base_model().model.visual.deepstack_merger_list:
            merger.linear_fc2.weight.mul_(10)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
    return model


@pytest.fixture(scope="module")
def models() -> tuple[Any, PackedLoss]:
    """Two equal models: one as transformers computes it, one over packed batches."""
    plain, packed = adapted_model(), adapted_model()
    return plain, PackedLoss(packed)


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> CompileCounterWithBackend:
    """What modules are compiled to from here on."""
    torch._dynamo.reset()  # what other tests have compiled counts against the limit of versions
    graphs = CompileCounterWithBackend("aot_eager")
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **how: compile_module(self, backend=graphs, **how)
    )
    return graphs


def packed(encoder: Encoder, samples: list[Encoded], shape: BatchShape | None = None) -> PackedBatch:
    ids = [str(i) for i in range(len(samples))]
    return pack_batch(samples, ids, merge_size=encoder.merge_size, pad_id=encoder.pad_id, shape=shape)


def gradients(model: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    return dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))


@settings(max_examples=12, deadline=None)
@given(sheets=SHEETS, padded=st.booleans(), data=st.data())
def test_loss_and_gradients_are_those_of_the_samples_alone(
    models: tuple[Any, PackedLoss],
    encoder: Encoder,
    sheets: list[tuple[int, int, list[str]]],
    padded: bool,
    data: st.DataObject,
) -> None:
    plain, packed_loss = models
    samples = [
        sample(encoder, 32 * width, 32 * height, ", ".join(words), seed)
        for seed, (width, height, words) in enumerate(sheets)
    ]
    shuffled = data.draw(st.permutations(samples))
    shape = BatchShape(sum(len(one.input_ids) for one in samples) + 7, 8) if padded else None
    alone = unpacked_loss(plain, samples)
    together = packed_loss(packed(encoder, shuffled, shape))
    assert together.item() == pytest.approx(alone.item(), rel=1e-5)
    expected, found = gradients(plain, alone), gradients(packed_loss.model, together)
    assert expected.keys() == found.keys() and len(found) == 2 * 7 * packed_loss.num_layers
    for name, gradient in expected.items():
        assert (found[name] - gradient).norm() <= 1e-4 * gradient.norm() > 0, name


def test_a_loss_does_not_change_with_its_neighbours(models: tuple[Any, PackedLoss], encoder: Encoder) -> None:
    _, packed_loss = models
    one = sample(encoder, 96, 128, "R, C, GND")
    neighbours = [
        [sample(encoder, 64, 64, "LED", 1), sample(encoder, 160, 96, "AMS1117-3.3, C", 2)],
        [sample(encoder, 224, 64, "Conn_01x04_Pin", 3)],
    ]
    with torch.no_grad():
        alone = packed_loss.hidden_states(packed(encoder, [one]))[0]
        for others in neighbours:
            for at in range(len(others) + 1):
                mixed = [*others[:at], one, *others[at:]]
                batch = packed(encoder, mixed)
                start = int(batch.cu_seqlens[at])
                inside = packed_loss.hidden_states(batch)[0, start : start + len(one.input_ids)]
                assert (inside - alone).norm() <= 1e-5 * alone.norm()


def test_a_wrong_boundary_would_be_noticed(models: tuple[Any, PackedLoss], encoder: Encoder) -> None:
    """That the test above can fail: with one boundary missing the second sample attends to the first."""
    _, packed_loss = models
    samples = [sample(encoder, 96, 128, "R, C, GND"), sample(encoder, 64, 64, "LED", 1)]
    batch = packed(encoder, samples)
    merged = replace(batch, cu_seqlens=batch.cu_seqlens[[0, 2]], max_seqlen=int(batch.cu_seqlens[2]))
    with torch.no_grad():
        right, wrong = float(packed_loss(batch)), float(packed_loss(merged))
    assert abs(right - wrong) > 1e-4 * right


@pytest.mark.parametrize("native", [False, True])
def test_bfloat16_products_give_the_same_loss_up_to_rounding(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    batch = packed(encoder, [sample(encoder, 160, 128, "R, C, GND"), sample(encoder, 96, 192, "LED, R")])
    plain, products = PackedLoss(adapted_model()), PackedLoss(adapted_model())
    expected = plain(batch)
    monkeypatch.setattr("schematic_reader.training.packed_loss.cpu_multiplies_bfloat16", lambda: native)
    loss = products(batch)
    assert loss.dtype == torch.float32 and (loss != expected) == native
    torch.testing.assert_close(loss, expected, rtol=0.01, atol=0)
    found, exact = gradients(products.model, loss), gradients(plain.model, expected)
    for name, gradient in exact.items():
        assert (found[name] - gradient).norm() < 0.1 * gradient.norm(), name


@pytest.mark.parametrize("level", [0, 1])
def test_features_belong_to_their_tokens(
    models: tuple[Any, PackedLoss], encoder: Encoder, monkeypatch: pytest.MonkeyPatch, level: int
) -> None:
    """Shifted by one token, those of the input (level 0) or of deepstack (1) give another loss."""
    plain, packed_loss = models
    samples = [sample(encoder, 96, 128, "R, C, GND"), sample(encoder, 64, 64, "LED", 1)]
    batch = packed(encoder, samples)
    encode_images = PackedLoss._encode_images
    with torch.no_grad():
        right, alone = float(packed_loss(batch)), float(unpacked_loss(plain, samples))

        def shifted(self: PackedLoss, batch: PackedBatch) -> list[torch.Tensor]:
            features = encode_images(self, batch)
            features[level] = features[level].roll(1, 0)
            return features

        monkeypatch.setattr(PackedLoss, "_encode_images", shifted)
        wrong = float(packed_loss(batch))
    assert right == pytest.approx(alone, rel=1e-5)
    assert abs(wrong - alone) > 1e-4 * alone


@pytest.mark.parametrize("recompute", ["selective", "full"])
def test_recomputed_layers_give_the_same_gradients(encoder: Encoder, recompute: Any) -> None:
    samples = [sample(encoder, 96, 128, "R, C, GND"), sample(encoder, 64, 64, "LED", 1)]
    batch = packed(encoder, samples)
    found = []
    for mode in ("none", recompute):
        packed_loss = PackedLoss(adapted_model(), recompute=mode)
        calls = [0]
        layer = packed_loss.model.get_base_model().model.language_model.layers[0]
        layer.register_forward_pre_hook(lambda *_, calls=calls: calls.__setitem__(0, calls[0] + 1))
        found.append(gradients(packed_loss.model, packed_loss(batch)))
        assert calls == ([1] if mode == "none" else [2])
    for name, gradient in found[0].items():
        assert torch.equal(gradient, found[1][name]), name


@pytest.mark.slow
def test_compiled_layers_compute_the_same_and_are_compiled_once(
    encoder: Encoder, graphs: CompileCounterWithBackend
) -> None:
    """Batches of one shape need no new graphs, whatever is in them."""
    shape = BatchShape(256, 4)
    batches = [
        packed(encoder, [sample(encoder, 32 * w, 96, "R, C", w) for w in widths], shape)
        for widths in ((2, 3), (4,), (3, 2, 2), (5, 2))
    ]
    packed_loss = PackedLoss(adapted_model())
    expected = [gradients(packed_loss.model, packed_loss(batch)) for batch in batches]
    packed_loss.compile_layers()
    counts = []
    for batch, gradient in zip(batches, expected, strict=True):
        found = gradients(packed_loss.model, packed_loss(batch))
        counts.append(graphs.frame_count)
        for name in gradient:
            assert (found[name] - gradient[name]).norm() <= 1e-5 * gradient[name].norm(), name
    assert 0 < counts[1] == counts[2] == counts[3]


@pytest.mark.slow
def test_compiled_layers_take_no_number_from_the_host(
    encoder: Encoder, graphs: CompileCounterWithBackend
) -> None:
    """An adapter's scaling is a constant of a graph for any shape: as an input it would be on the CPU."""
    lora = replace(LORA, dropout=0.05, extra_targets=("vision", "merger"))
    packed_loss = PackedLoss(add_adapter(load_base(TINY, prepare_device(TINY, 1)), lora))
    packed_loss.model.train()
    packed_loss.compile_layers()
    for sides in ((96, 64), (64, 128)):
        packed_loss(packed(encoder, [sample(encoder, *sides, "R, C")], BatchShape(128, 2)))
    inputs = [
        node.meta["example_value"]
        for graph in graphs.graphs
        for node in graph.graph.nodes
        if node.op == "placeholder"
    ]
    assert len(inputs) > 50
    floats = [one for one in inputs if isinstance(one, torch.SymFloat | float)]
    assert not floats
    assert not [one for one in inputs if isinstance(one, torch.Tensor) and one.dim() == 0]


@pytest.mark.slow
def test_a_model_that_answers_meanwhile_is_not_compiled_anew(
    encoder: Encoder, graphs: CompileCounterWithBackend
) -> None:
    """It says what transformers' own says; its loss, its graphs and its parts are those from before."""
    prompt = encoder.encode_prompt([noise(96, 64)], chat("Which parts?", "R"))
    asked = collate([prompt], 0, padding_side="left")
    del asked["labels"]
    limit = GenerationConfig(max_new_tokens=6, do_sample=False)
    ids = adapted_model().get_base_model().generate(**asked, generation_config=limit)
    said = ids[0, asked["input_ids"].shape[1] :]
    expected = encoder.tokenizer.decode(said, skip_special_tokens=True).strip()
    packed_loss = PackedLoss(adapted_model())
    packed_loss.install_forward()
    packed_loss.model.train()
    packed_loss.compile_layers()
    batch = packed(encoder, [sample(encoder, 96, 64, "R, C")], BatchShape(128, 2))
    before = float(packed_loss.model(batch=batch)), graphs.frame_count
    modules = dict(packed_loss.model.named_modules())
    rows = [{"messages": chat("Which parts?", "R")}]
    greedy = GenerationSettings(batch_size=2, max_new_tokens=6)
    with packed_loss.answering() as model:
        (found,) = Answerer(lambda: model, encoder, greedy).answer(OnePicture(noise(96, 64)), rows)
    assert found.text == expected and graphs.frame_count == before[1] > 0
    assert (float(packed_loss.model(batch=batch)), graphs.frame_count) == before
    assert dict(packed_loss.model.named_modules()) == modules
    assert packed_loss.model.training


@pytest.mark.parametrize("extra_targets", [("merger",), ("vision", "merger")])
def test_adapters_on_the_other_parts_learn_too(encoder: Encoder, extra_targets: Any) -> None:
    torch.manual_seed(1)
    lora = type(LORA)(**{**vars(LORA), "extra_targets": extra_targets})
    packed_loss = PackedLoss(add_adapter(load_base(TINY, prepare_device(TINY, 1)), lora))
    found = gradients(packed_loss.model, packed_loss(packed(encoder, [sample(encoder, 96, 128, "R, C")])))
    moved = {name for name, gradient in found.items() if "lora_B" in name and gradient.norm() > 0}
    assert any(".visual.merger." in name for name in moved)
    assert any(".visual.deepstack_merger_list." in name for name in moved)
    assert any(".visual.blocks." in name for name in moved) == ("vision" in extra_targets)


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=6).filter(any),
    heads=st.sampled_from([(4, 4), (4, 2), (6, 1)]),
    causal=st.booleans(),
    known=st.booleans(),
)
def test_attention_is_a_softmax_over_the_own_sample(
    lengths: list[int], heads: tuple[int, int], causal: bool, known: bool
) -> None:
    """Against a block mask written out, in float64. Samples of no token are what padding leaves."""
    generator = torch.Generator().manual_seed(sum(lengths))
    total, (many, few) = sum(lengths), heads
    query, key, value = (
        torch.randn(1, count, total, 8, generator=generator, dtype=torch.float64)
        for count in (many, few, few)
    )
    owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    allowed = owner[:, None] == owner
    if causal:
        allowed &= torch.ones(total, total, dtype=torch.bool).tril()
    scores = query @ key.repeat_interleave(many // few, 1).mT * 0.3
    weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
    expected = (weights @ value.repeat_interleave(many // few, 1)).transpose(1, 2)
    cu_seqlens = torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
    # The host knows the lengths of pictures, which have as many key heads as query heads.
    kwargs = {"lengths": torch.tensor(lengths)} if known and many == few else {}
    with torch.inference_mode():
        out, none = packed_attention(
            None, query, key, value, None, scaling=0.3, cu_seq_lens_q=cu_seqlens, max_length_q=9,
            is_causal=causal, **kwargs,
        )  # fmt: skip
    assert none is None
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("heads", [(4, 4), (6, 2)])
def test_attention_under_autocast_is_the_same_up_to_rounding(heads: tuple[int, int], causal: bool) -> None:
    """Outputs and gradients, against float64 without autocast."""
    generator = torch.Generator().manual_seed(1)
    exact = [
        torch.randn(1, count, 90, 64, generator=generator).double() for count in (heads[0], *heads[1:] * 2)
    ]
    upstream = torch.randn(1, 90, heads[0], 64, generator=generator).double()
    cu_seqlens = torch.tensor([0, 30, 90], dtype=torch.int32)

    def computed(*qkv: torch.Tensor) -> list[torch.Tensor]:
        inputs = query, key, value = [tensor.clone().requires_grad_() for tensor in qkv]
        out, _ = packed_attention(
            None, query, key, value, None, scaling=0.125, cu_seq_lens_q=cu_seqlens, max_length_q=60,
            is_causal=causal,
        )  # fmt: skip
        return [out.detach(), *torch.autograd.grad(out, inputs, upstream.to(out.dtype))]

    expected = computed(*exact)
    with torch.autocast("cpu", torch.bfloat16):
        found = computed(*(tensor.float() for tensor in exact))
    for one, other in zip(found, expected, strict=True):
        assert (one.double() - other).norm() < 0.02 * other.norm()


@pytest.mark.parametrize("answers", [1, CHUNK, 2 * CHUNK + 3])
def test_the_loss_of_answers_is_the_cross_entropy(answers: int) -> None:
    generator = torch.Generator().manual_seed(answers)
    hidden = torch.randn(answers, 16, generator=generator, requires_grad=True)
    weight = torch.randn(50, 16, generator=generator)
    wanted = torch.randint(0, 50, (answers,), generator=generator)
    loss = answer_loss(hidden, weight, wanted)
    twice = hidden.detach().double().requires_grad_()
    expected = torch.nn.functional.cross_entropy(twice @ weight.double().T, wanted, reduction="sum")
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=0)
    (3 * loss).backward()
    (3 * expected).backward()
    torch.testing.assert_close(hidden.grad.double(), twice.grad, rtol=1e-5, atol=1e-5)


def test_an_output_projection_that_is_trained_is_refused() -> None:
    hidden, weight = torch.randn(2, 4), torch.randn(5, 4, requires_grad=True)
    with pytest.raises(ValueError, match="must be frozen"):
        answer_loss(hidden, weight, torch.tensor([0, 1]))

"""Models with blocks that draw no latent: their states, parameters, cost, gradients and emitted source."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import hvaedsl
from hvaedsl.ir.bridge_text import bridge_text, parse_bridge
from hvaedsl.ir.parameter_names import parameter_shapes
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.lowering.names import published_names
from hvaedsl.nn.cells import DeterministicBlock
from hvaedsl.nn.steps import DeterministicStep

SPEC = """hvae 1
data {{ dataset = npy  channels = 3  resolution = 8 }}
model {{
  width = 8  latent = {latent}  cell = {cell}  likelihood = mixture_of_logistics(2)
  encoder = 8x1, 8d2, 4x2, 4d4, 1x1  decoder = 1x1, 4m1, 4r2, 8m4, 8x1
}}
"""
LATENTS = {"top": "{1: 0, other: 3}", "middle": "{4: 0, other: 3}", "image": "{8: 0, other: 3}"}
CELLS = ("vdvae", "nvae", "{4: nvae, other: vdvae}")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=[(latent, cell) for latent in LATENTS for cell in CELLS], ids=lambda item: "-".join(item))
def program(request: pytest.FixtureRequest) -> hvaedsl.Program:
    latent, cell = request.param
    return hvaedsl.loads(SPEC.format(latent=LATENTS[latent], cell=cell))


def trained(program: hvaedsl.Program) -> HierarchicalVAE:
    """The module in float64, with weights that are nowhere zero."""
    model = program.module().double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.1)
    return model


def images() -> tuple[Tensor, Tensor]:
    x = torch.randn(2, 8, 8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return x, x.clamp(-1, 1)


def noise(layer: int, shape: tuple[int, ...]) -> Tensor:
    assert layer >= 0
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(layer))


def test_the_parameters_and_flops_are_those_that_torch_counts(program: hvaedsl.Program) -> None:
    model = program.module()
    shapes = {name: tuple(value.shape) for name, value in model.named_parameters()}
    assert shapes == parameter_shapes(program.bridge)
    assert sum(map(math.prod, shapes.values())) == program.cost.parameters
    x, target = (tensor.float() for tensor in images())
    with FlopCounterMode(display=False) as counter:
        model(x, target)
    assert counter.get_total_flops() == 2 * program.cost.flops_per_image


def test_a_block_without_a_latent_has_no_posterior_and_no_projection_of_z(program: hvaedsl.Program) -> None:
    model = program.module()
    silent = [block for block in model.decoder.blocks.values() if isinstance(block, DeterministicBlock)]
    assert silent
    for block in silent:
        assert [name for name, _ in block.named_children()] in (["prior", "resnet"], ["combiner", "resnet"])


def test_layers_are_those_of_the_blocks_that_draw(program: hvaedsl.Program) -> None:
    model = trained(program)
    x, target = images()
    depth = program.cost.stochastic_depth
    assert model.stochastic_depth == depth < len(model.decoder.steps)
    assert model(x, target, noise).kl_nats.shape == (depth, 2)
    latents = model.latents(x, noise=noise)
    assert [z.shape[2] for z in latents] == [step.resolution for step in model.plan.layers]
    assert [step.layer for step in model.plan.layers] == list(range(depth))
    assert model.decoder.steps == model.plan.decoder_steps


def test_the_latents_of_the_posterior_replay_the_state(program: hvaedsl.Program) -> None:
    model = trained(program)
    x, _ = images()
    state, latents, _ = model.decoder.infer(model.encoder(x), noise)
    assert torch.equal(model.decode(latents), state)
    assert model.decode(latents[:1], noise=noise).shape == state.shape
    assert model.decode([None, *latents[1:]], noise=noise).shape == state.shape
    with pytest.raises(ValueError, match=f"decode takes 1 to {len(latents)} latents"):
        model.decode([*latents, latents[0]])
    assert model.sample(2).shape == (2, 8, 8, 3)


def test_only_what_draws_reads_the_encoder(program: hvaedsl.Program) -> None:
    model = trained(program)
    x, _ = images()
    assert set(model.encode(x)) == {step.resolution for step in model.plan.layers}
    assert all(step.slot is None for step in model.decoder.steps if isinstance(step, DeterministicStep))


def test_the_next_state_is_a_function_of_the_state() -> None:
    for cell in ("vdvae", "nvae"):
        model = trained(hvaedsl.loads(SPEC.format(latent=LATENTS["middle"], cell=cell)))
        block, state = model.decoder.blocks["r4_1"], torch.randn(2, 8, 4, 4, dtype=torch.float64)
        parts = dict(block.named_children())
        u = state + parts["prior"](state) if cell == "vdvae" else parts["combiner"](state)
        assert torch.equal(block(state), parts["resnet"](u))


def test_the_weights_without_a_gradient_are_those_that_autograd_gives_none() -> None:
    lists = {"model.decoder": "1x1, 4m1, 4r2, 1x1, 8x1"}
    for latent in ("{4: 0, other: 3}", "{1: 0, other: 3}", "{8: 0, other: 3}", "{1: 0, 4: 0, 8: 3}"):
        for cell in ("vdvae", "nvae"):
            program = hvaedsl.loads(SPEC.format(latent=latent, cell=cell), sets=lists)
            model = trained(program)
            model(*images(), noise).loss_nats_per_dim.backward()
            found = {name for name, value in model.named_parameters() if value.grad is None or not value.grad.any()}
            assert found == set(program.without_gradient), (latent, cell)


def test_the_scale_at_initialization_counts_every_application() -> None:
    """sqrt(1 / applications): of 5 in both models, though one draws only 3 latents."""
    weights = []
    for latent in ("3", LATENTS["middle"]):
        torch.manual_seed(3)
        model = hvaedsl.loads(SPEC.format(latent=latent, cell="vdvae")).module()
        weights.append(dict(model.named_parameters())["decoder.blocks.r1_0.resnet.c4.weight"])
    assert torch.equal(weights[0], weights[1])
    assert weights[0].abs().max() <= 1 / math.sqrt(5 * 2)


def test_checkpoints_change_nothing(program: hvaedsl.Program) -> None:
    model, (x, target) = trained(program), images()
    whole = model(x, target, noise).loss_nats_per_dim
    model.recompute_every = 2
    assert torch.equal(model(x, target, noise).loss_nats_per_dim, whole)


def test_the_emitted_file_computes_the_same(program: hvaedsl.Program) -> None:
    model, (x, target) = trained(program), images()
    names: dict[str, object] = {"__name__": "emitted"}
    exec(compile(program.python_source(), "emitted.py", "exec"), names)
    (kind,) = [found for name, found in names.items() if name == "Model"]
    assert isinstance(kind, type)
    emitted = kind().double()
    emitted.load_state_dict(model.state_dict())
    for ours, theirs in zip(model(x, target, noise), emitted(x, target, noise), strict=True):
        assert torch.equal(ours, theirs)
    assert emitted.stochastic_depth == model.stochastic_depth
    assert torch.equal(emitted.decode_prior(2, noise=noise), model.decode_prior(2, noise=noise))


def test_the_emitted_file_of_a_model_whose_blocks_all_draw_has_nothing_of_it() -> None:
    source = hvaedsl.loads(SPEC.format(latent="3", cell="vdvae")).python_source()
    assert "Deterministic" not in source
    assert "MixedDecoder" not in source


def test_the_published_code_has_no_such_blocks() -> None:
    program = hvaedsl.loads(SPEC.format(latent=LATENTS["image"], cell="vdvae"))
    assert published_names(program.bridge) == {}
    with pytest.raises(ValueError, match="draws a latent in every block of the decoder"):
        program.module().vdvae_state_dict()


def test_the_printed_bridge_reads_back(program: hvaedsl.Program) -> None:
    assert parse_bridge(bridge_text(program.bridge)) == program.bridge


def test_the_picture_says_that_nothing_is_drawn(program: hvaedsl.Program) -> None:
    assert "no z" in program.dot()
    assert "no skip connections" not in program.dot()

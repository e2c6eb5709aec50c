"""The optimizing passes change how a model computes, and not what: values and gradients, to 1e-12 in float64."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import assume, given
from torch import Tensor

import hvaedsl
from hvaedsl.ir.pass_names import PASSES
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl.nn.cells import NonResidualCell
from hvaedsl.nn.forms import Form, FormedDecoder
from hvaedsl.nn.passes import Decoder, MixedDecoder
from tests.properties.memory_models import models
from tests.properties.profile import examples

EACH = ("one_gelu", "hoist", "join", "one_gelu, hoist, join")
CELLS = ("vdvae", "non_residual", "nvae", "euler_maruyama")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def program_of(passes: str, model: str = "") -> hvaedsl.Program:
    latent = "" if "latent" in model else "latent = 12"
    lists = "" if "encoder" in model else "encoder = 8r2, 8d2, 4x2, 4d4, 1x1"
    lists += "" if "decoder" in model else "  decoder = 1x1, 4m1, 4r3, 8m4, 8x1, 8r2"
    return hvaedsl.loads(f"""hvae 1
data {{ dataset = npy  channels = 3  resolution = 8 }}
model {{
  width = 12  likelihood = mixture_of_logistics(2)  {latent}  {lists}
  {model}
}}
train {{ passes = {passes} }}
""")


def made(program: hvaedsl.Program) -> HierarchicalVAE:
    """The model with weights away from their initialization, which are equal for equal parameters."""
    torch.manual_seed(0)
    model = program.module().double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, dtype=torch.float64))
    return model


def noise(layer: int, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(layer), dtype=torch.float64)


def images(program: hvaedsl.Program) -> tuple[Tensor, Tensor]:
    stem, generator = program.bridge.stem, torch.Generator().manual_seed(1)
    x = torch.randn((2, *program.spec.data.shape[:2], stem.in_channels), generator=generator, dtype=torch.float64)
    target = torch.rand((2, *program.spec.data.shape), generator=generator, dtype=torch.float64) * 2 - 1
    return x, (target > 0).double() if program.spec.data.binarize != "none" else target


def results(
    program: hvaedsl.Program, every: int | None = None, memory_format: torch.memory_format = torch.contiguous_format
) -> Iterator[tuple[str, Tensor]]:
    """Everything that a model computes, by name."""
    model, (x, target) = made(program).store_in(memory_format), images(program)
    model.recompute_every = every
    out = model(x, target, noise)
    out.loss_nats_per_dim.backward()
    yield from ((name, value.detach()) for name, value in out._asdict().items())
    yield from ((name, parameter.grad) for name, parameter in model.named_parameters() if parameter.grad is not None)
    with torch.no_grad():
        zs = model.latents(x, noise)
        yield from ((f"z {number}", z) for number, z in enumerate(zs))
        yield "prior", model.decode_prior(2, temperature=0.7, noise=noise)
        yield "decoded", model.decode(zs)
        yield "continued", model.decode([None, *zs[1:2]] if len(zs) > 1 else zs, noise=noise)


def assert_same(
    one: hvaedsl.Program,
    other: hvaedsl.Program,
    every: int | None = None,
    memory_format: torch.memory_format = torch.contiguous_format,
    exact: float = 1e-12,
) -> None:
    found, expected = dict(results(one, every, memory_format)), dict(results(other, every))
    assert found.keys() == expected.keys()
    # Beside the largest one, a value that is nearly 0 is known to fewer digits.
    norms = {name: value.detach().norm().item() for name, value in expected.items()}
    least = 1e-6 * max(norms.values())
    for name, value in expected.items():
        assert (found[name] - value).detach().norm().item() < exact * max(norms[name], least), name


@pytest.mark.parametrize("passes", EACH)
@pytest.mark.parametrize("cell", CELLS)
def test_each_pass_on_each_cell(cell: str, passes: str) -> None:
    model = f"cell = {cell}"
    assert_same(program_of(passes, model), program_of("none", model))


@pytest.mark.parametrize("every", [1, 3])
def test_with_checkpoints(every: int) -> None:
    assert_same(program_of(EACH[-1]), program_of("none"), every)


@pytest.mark.parametrize(
    "model",
    [
        "latent = {4: 0, other: 3}",
        "cell = {8: nvae, other: vdvae}",
        "widths = {4: 16, 1: 20}  latent = 2",
        "skips = none",
        "processing = synchronous  encoder = 8x2, 8d2, 4x3  decoder = 4x3, 8m4, 8r2",
        "fourier { at = sample, block  exponents = 0 }",
        "fourier { at = branches  exponents = 1 }",
        "normalize_state { norm = rms }",
        "block = attention",
        "decoder = 1x1, 4m1@a, 4x1, 4x1@a, 8m4, 8r2",
    ],
)
def test_all_passes_on_other_models(model: str) -> None:
    assert_same(program_of(EACH[-1], model), program_of("none", model))


@pytest.mark.parametrize("passes", ["none", EACH[-1]])
@pytest.mark.parametrize(
    "model",
    [
        *(f"cell = {cell}" for cell in CELLS),
        "latent = {4: 0, other: 3}",
        "skips = none",
        "fourier { at = sample, block  exponents = 0 }",
        "normalize_state { norm = rms }",
        "block = attention",
    ],
)
def test_channels_last(model: str, passes: str) -> None:
    program = program_of(passes, model)
    assert_same(program, program, memory_format=torch.channels_last)


@examples(quick=15, long=600)
@given(program=models())
def test_drawn_models_in_channels_last(program: hvaedsl.Program) -> None:
    # Features of a high frequency make large differences of those in the last digit of a state.
    assume(max(program.spec.model.fourier.exponents, default=0) <= 1)
    # Every sum of every convolution has another order here, in models of any depth.
    assert_same(program, program, memory_format=torch.channels_last, exact=1e-9)


def test_states_are_stored_in_the_format_from_the_beginning_on() -> None:
    """A state in another format than the weights would be copied for each convolution."""
    model = made(program_of("none")).store_in(torch.channels_last)
    seen = []

    def look(_: torch.nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor | tuple[Tensor, ...]) -> None:
        seen.extend([*inputs, *(outputs if isinstance(outputs, tuple) else (outputs,))])

    for block in (*model.encoder.blocks.values(), *model.decoder.blocks.values()):
        block.register_forward_hook(look)
    x, target = images(program_of("none"))
    model(x, target, noise)
    states = [tensor for tensor in seen if tensor.ndim == 4 and tensor.shape[-1] > 1]
    assert len(states) > 20
    assert all(state.is_contiguous(memory_format=torch.channels_last) for state in states)
    assert not any(state.is_contiguous() for state in states)


@examples(quick=15, long=600)
@given(program=models())
def test_drawn_models(program: hvaedsl.Program) -> None:
    plain = hvaedsl.loads(program.resolved_text(), sets={"train.passes": "none"})
    assert_same(program, plain)


def test_state_dicts_are_the_same() -> None:
    formed, plain = made(program_of(EACH[-1])), made(program_of("none"))
    assert list(formed.state_dict()) == list(plain.state_dict())
    assert formed.vdvae_state_dict().keys() == plain.vdvae_state_dict().keys()


def test_without_passes_the_decoder_is_the_plain_one() -> None:
    assert type(made(program_of("none")).decoder) is Decoder
    assert type(made(program_of("none", "latent = {4: 0, other: 3}")).decoder) is MixedDecoder
    formed = made(program_of("one_gelu, join")).decoder
    assert isinstance(formed, FormedDecoder)
    assert set(formed.forms.values()) == {Form(one_gelu=True, joined=True)}


def test_only_a_cell_that_adds_h_and_z_is_joined() -> None:
    decoder = made(program_of("join", "cell = {8: non_residual, other: vdvae}")).decoder
    assert isinstance(decoder, FormedDecoder)
    assert all(isinstance(decoder.blocks[name], NonResidualCell) != (name in decoder.forms) for name in decoder.blocks)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_that_is_none(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must be above 0"):
        made(program_of("join")).decode_prior(1, temperature=temperature)


def counted(model: HierarchicalVAE, x: Tensor, target: Tensor) -> dict[str, int]:
    """How often a forward pass calls the operations of torch."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile, torch.no_grad():
        model(x, target, noise)
    return {event.key.removeprefix("aten::"): event.count for event in profile.key_averages()}


def test_the_operations_that_are_saved() -> None:
    """Of 4r3, the activation is read once for three applications; of all blocks at a resolution, it has one GELU."""
    every = {passes: counted(made(program_of(passes)), *images(program_of(passes))) for passes in ("none", *EACH)}
    blocks, groups, activations = 9, 6, 3
    plain = every["none"]
    assert every["one_gelu"]["gelu"] == plain["gelu"]  # of x and of a, in place of [x, a] and x
    assert every["hoist"]["gelu"] == plain["gelu"] + activations
    assert every["hoist"]["conv2d"] == plain["conv2d"] + groups
    assert every["hoist"]["cat"] == plain["cat"] - blocks
    assert every["join"]["conv2d"] == plain["conv2d"]  # two of the prior, none of z
    everything = every[EACH[-1]]
    assert everything["gelu"] == plain["gelu"] - blocks + activations
    assert PASSES == ("one_gelu", "hoist", "join")

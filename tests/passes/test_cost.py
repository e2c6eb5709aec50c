"""The cost, counted without torch, against the published figures and against what torch itself counts."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import hvaedsl
from hvaedsl.ir.parameter_names import parameter_shapes
from hvaedsl.shipped import shipped
from tests.joint_weights import joint_bytes

# Falck, Williams et al. 2022, Table G.6, and openai/vdvae, hps.py: parameters and stochastic depth.
PUBLISHED = {
    "mnist_ws": (233_113, 57),
    "mnist": (339_857, 43),
    "cifar_ws_25m": (24_999_012, 268),
    "cifar_ws": (39_145_700, 105),
    "cifar": (39_145_700, 43),
    "imagenet32_ws_55m": (54_952_036, 169),
    "imagenet32_ws_85m": (85_179_044, 235),
    "imagenet32": (119_280_868, 78),
    "imagenet32_oord": (119_280_868, 78),
    "celeba_ws": (75_091_748, 125),
    "celeba": (125_005_860, 75),
    "imagenet64": (125_005_860, 75),
    "ffhq256": (114_874_852, 66),
    "ffhq1024": (109_366_904, 70),
}
FAMILY_MNIST = (107, 140, 173, 206)  # thousands of parameters for 1 to 4 blocks, Tables G.4 and G.5
FAMILY_CIFAR = (87, 130, 173, 216)  # hundreds of thousands
FAMILIES = {"mnist_r", "mnist_x", "cifar_r", "cifar_x"}
SPECS = sorted(path.stem for path in shipped("specs").glob("*.hvae") if path.stem != "vdvae")


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models(name: str) -> None:
    cost = hvaedsl.load(f"{name}.hvae").cost
    assert (cost.parameters, cost.stochastic_depth) == PUBLISHED[name]


def test_no_shipped_model_lacks_a_figure() -> None:
    assert set(SPECS) == {*PUBLISHED, *FAMILIES, "digits"}


@pytest.mark.parametrize(("data", "unit", "published"), [("mnist", 1e3, FAMILY_MNIST), ("cifar", 1e5, FAMILY_CIFAR)])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_small_scale_runs(data: str, unit: float, published: tuple[int, ...], count: int) -> None:
    """Tables G.4 and G.5: r keeps the parameters of one block, x multiplies them; depth counts applications."""
    for kind, expected in (("r", published[0]), ("x", published[count - 1])):
        cost = hvaedsl.load(f"{data}_{kind}.hvae", lets={"n": count}).cost
        assert round(cost.parameters / unit) == expected
        assert cost.stochastic_depth == 5 * count + 4


def test_latents_of_table_g7() -> None:
    decoder = "1x1,4m1,4x2,8m4,8x5,16m8,16x10,32m16,32x20"
    for channels, expected in {16: 396_048, 32: 792_096, 64: 1_584_192, 128: 3_168_384}.items():
        sets = {"model.decoder": decoder, "model.latent": channels}
        assert hvaedsl.load("cifar.hvae", sets=sets).cost.latents == expected


def test_parameters(program: hvaedsl.Program) -> None:
    found = {key: tuple(tensor.shape) for key, tensor in program.module().named_parameters()}
    assert parameter_shapes(program.bridge) == found
    assert program.cost.parameters == sum(tensor.numel() for tensor in program.module().parameters())


@pytest.mark.parametrize("name", SPECS)
def test_parameters_of_the_shipped_specs(name: str) -> None:
    """On the meta device: shapes without memory."""
    program = hvaedsl.load(f"{name}.hvae")
    with torch.device("meta"):
        model = program.module()
    assert parameter_shapes(program.bridge) == {key: tuple(value.shape) for key, value in model.named_parameters()}
    assert program.cost.parameters == sum(value.numel() for value in model.parameters())


def images(program: hvaedsl.Program, batch: int) -> tuple[Tensor, Tensor]:
    """x and target as random levels [B, H, W, C]."""
    data = program.spec.data
    x = torch.randn(batch, *data.shape[:2], program.bridge.stem.in_channels)
    levels = torch.randint(0, data.levels, (*x.shape[:3], data.channels))
    binary = program.spec.model.likelihood.name == "bernoulli"
    return x, (levels > 127).float() if binary else 2 * levels / (data.levels - 1) - 1


def test_flops(program: hvaedsl.Program) -> None:
    model, (x, target) = program.module(), images(program, 2)
    with FlopCounterMode(display=False) as counter:
        model(x, target)
    assert counter.get_total_flops() == 2 * program.cost.flops_per_image


def saved_bytes(program: hvaedsl.Program, batch: int, *, bfloat16: bool = False) -> int:
    """Bytes of all storages that autograd keeps, parameters and images aside."""
    model, (x, target) = program.module().float(), images(program, batch)
    given = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers(), x, target)}
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in given:
            kept[address] = tensor  # holds the storage, so that its address is not used again
        return tensor

    def unpack(tensor: Tensor) -> Tensor:
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, unpack),
        torch.autocast("cpu", torch.bfloat16, enabled=bfloat16),
    ):
        out = model(x, target)
    assert out.loss_nats_per_dim.requires_grad
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("batch", [1, 3])
def test_activation_bytes_float32(program: hvaedsl.Program, batch: int) -> None:
    assert saved_bytes(program, batch) == program.cost.activation_bytes(batch) + joint_bytes(program)


@pytest.mark.parametrize("passes", ["none", "one_gelu", "hoist", "join", "one_gelu, hoist"])
def test_activation_bytes_of_other_passes(model_texts: Mapping[str, str], passes: str) -> None:
    for name, text in model_texts.items():
        program = hvaedsl.loads(f"{text}\ntrain {{ passes = {passes} }}")
        found = saved_bytes(program, 2)
        assert found == program.cost.activation_bytes(2) + joint_bytes(program), name


def test_activation_bytes_bfloat16(program: hvaedsl.Program) -> None:
    """The copies of the weights do not grow with the batch; what does is counted within 2 %."""
    grown = saved_bytes(program, 5, bfloat16=True) - saved_bytes(program, 2, bfloat16=True)
    assert program.cost.activation_bytes(3, "bfloat16") == pytest.approx(grown, rel=0.02)


def test_rows_add_up(program: hvaedsl.Program) -> None:
    cost = program.cost
    assert sum(row.parameters for row in cost.rows) == cost.parameters
    assert sum(row.weight_groups for row in cost.rows) == len(program.weight_groups)
    assert sum(row.blocks for row in cost.rows) == sum(len(group.applications) for group in program.weight_groups)
    encoder = [row.resolution for row in cost.rows if row.stack == "encoder"]
    decoder = [row.resolution for row in cost.rows if row.stack == "decoder"]
    assert encoder == sorted(encoder, reverse=True)
    assert decoder == sorted(decoder)


def test_without_gradient_is_what_autograd_leaves_out(program: hvaedsl.Program) -> None:
    model, (x, target) = program.module(), images(program, 2)
    model(x, target).loss_nats_per_dim.backward()
    assert set(program.without_gradient) == {key for key, value in model.named_parameters() if value.grad is None}


def test_some_models_have_parameters_without_gradient(model_texts: Mapping[str, str]) -> None:
    assert {name for name, text in model_texts.items() if hvaedsl.loads(text).without_gradient} == {
        "above_the_bottleneck",
        "without_mix_in",
        "revisited",
        "non_residual_revisited",
        "nvae_revisited",
        "normalized_zeros",
    }


def test_a_limit_on_parameters_is_arithmetic(model_texts: Mapping[str, str]) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        hvaedsl.loads(model_texts["colour"], sets={"model.width": 999_999_999_999_999})
    assert [item.code for item in caught.value.diagnostics] == ["HV314"]

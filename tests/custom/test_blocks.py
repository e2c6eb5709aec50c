"""Custom residual blocks: built-in ones through the same door, counted exactly, trained, and checked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import hvaedsl
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.ir.parameter_names import parameter_shapes
from hvaedsl.program import CustomParts
from tests.properties.memory_models import Measurement

EXAMPLES = Path(__file__).parents[2] / "examples"
SPEC = """hvae 1
data { dataset = npy  channels = 1  resolution = 8 }
model { width = 16  latent = 4  encoder = 8x2, 8d2, 4x1  decoder = 4x1, 8m4, 8x2 }
"""
RESIDUAL, ATTENTION = '"hvaedsl.nn.blocks:ResidualBlock"', '"hvaedsl.nn.attention:AttentionBlock"'

BLOCKS = """
import torch
from torch import nn
from torch.nn import functional as F
from hvaedsl.nn.blocks import ResidualBlock

class Cut(ResidualBlock):
    def forward(self, x):
        return super().forward(x)[:, :, 1:]

class Counts(ResidualBlock):
    def __init__(self, *shape):
        super().__init__(*shape)
        self.norm = nn.BatchNorm2d(shape[0])

    def forward(self, x):
        return super().forward(self.norm(x))

class Remembers(ResidualBlock):
    def __init__(self, *shape):
        super().__init__(*shape)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return super().forward(x)

class NoArguments(nn.Module):
    pass

class Attends(nn.Module):
    def __init__(self, channels, mid_channels, kernel):
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * channels)

    def forward(self, x):
        q, k, v = self.qkv(x.flatten(2).mT)[:, None].chunk(3, dim=-1)
        return x + F.scaled_dot_product_attention(q, k, v)[:, 0].mT.unflatten(2, x.shape[2:])

class Frozen(ResidualBlock):
    def __init__(self, *shape):
        super().__init__(*shape)
        self.c2.requires_grad_(False)

def a_function(channels, mid_channels, kernel):
    return None
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module of blocks; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blocks_of_a_test.py").write_text(BLOCKS)
    yield tmp_path
    sys.modules.pop("blocks_of_a_test", None)


def loaded(block: str, **sets: object) -> hvaedsl.Program:
    return hvaedsl.loads(SPEC, sets={"model.block": block, **sets}, custom=CustomParts())


def gradients(program: hvaedsl.Program, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The loss and the gradients of a fixed batch, with fixed weights, images and noise."""
    torch.manual_seed(0)
    model = program.module().to(dtype)
    x = torch.rand(2, 8, 8, program.bridge.stem.in_channels, dtype=dtype) * 2 - 1
    loss = model(x, x[..., :1]).loss_nats_per_dim
    loss.backward()
    found = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    return {"loss": loss.detach(), **found, **{f"state {name}": value for name, value in model.state_dict().items()}}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("known", "custom"), [("residual", RESIDUAL), ("attention", ATTENTION)])
@pytest.mark.parametrize("cell", ["vdvae", "nvae", "non_residual"])
@pytest.mark.parametrize("features", ["none", "block"])
def test_a_known_block_through_the_custom_door_is_itself(
    known: str, custom: str, dtype: torch.dtype, cell: str, features: str
) -> None:
    sets = {"model.cell": cell, "model.fourier.at": features}
    own, other = loaded(custom, **sets), loaded(known, **sets)
    first, second = gradients(own, dtype), gradients(other, dtype)
    assert [*first] == [*second]
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert own.cost.parameters == other.cost.parameters
    assert own.cost.flops_per_image == other.cost.flops_per_image
    assert own.cost.activation_bytes(3) == other.cost.activation_bytes(3)
    assert own.checkpointing.peak_bytes(2, 1) == other.checkpointing.peak_bytes(2, 1)
    assert parameter_shapes(own.bridge) == parameter_shapes(other.bridge)
    assert own.without_gradient == other.without_gradient
    assert own.cost.uncounted == ()


def test_a_block_that_attends_is_counted_with_the_kernel_of_the_device(project: Path) -> None:
    program = loaded('{8: "blocks_of_a_test:Attends", other: residual}')
    model = program.module()
    assert program.cost.parameters == sum(parameter.numel() for parameter in model.parameters())
    x = torch.zeros(2, 8, 8, 1)
    with FlopCounterMode(display=False) as counter:
        model(x, x)
    assert counter.get_total_flops() == 2 * program.cost.flops_per_image
    kept = Measurement(program, 2, "float32", None).kept_bytes
    assert abs(program.cost.activation_bytes(2) / kept - 1) < 0.02


def test_the_example_is_counted_and_trains() -> None:
    block = '{8: "custom_block:DepthwiseBlock", other: residual}'
    parts = CustomParts((EXAMPLES,))
    program = hvaedsl.loads(SPEC, sets={"model.block": block}, custom=parts)
    model = program.module()
    assert program.cost.parameters == sum(parameter.numel() for parameter in model.parameters())
    kinds = {name: type(item).__name__ for name, item in model.encoder.blocks.items()}
    assert kinds == dict.fromkeys(("r8_0", "r8_1", "r8_2"), "DepthwiseBlock") | {"r4_0": "ResidualBlock"}

    x = torch.zeros(2, 8, 8, 1)
    model(x, x).loss_nats_per_dim.backward()
    left = {name for name, value in model.named_parameters() if value.grad is None}
    assert left == set(program.without_gradient)
    with FlopCounterMode(display=False) as counter:
        model(x, x)
    assert counter.get_total_flops() == 2 * program.cost.flops_per_image


def test_depth_scales_a_custom_block_as_the_known_one() -> None:
    torch.manual_seed(0)
    shallow = loaded(RESIDUAL).module()
    torch.manual_seed(0)
    deep = loaded(RESIDUAL, **{"model.encoder": "8x14, 8d2, 4x1"}).module()
    name = "encoder.blocks.r8_0.c4.weight"
    torch.testing.assert_close(shallow.state_dict()[name] / 2, deep.state_dict()[name])  # 4 and 16 applications


def test_frozen_parameters_are_not_counted(project: Path) -> None:
    program = loaded('"blocks_of_a_test:Frozen"')
    trained = [value for value in program.module().parameters() if value.requires_grad]
    assert program.cost.parameters == sum(value.numel() for value in trained)


@pytest.mark.parametrize(
    ("block", "message", "way_out"),
    [
        ("Cut", "the state that it gives is [B, 16, 7, 8], but must be [B, 16, 8, 8]", "fix the custom part"),
        ("Counts", "it keeps state: forward changes its buffer norm.running_mean", "GroupNorm"),
        ("Remembers", "it keeps state: forward changes its buffer calls", "GroupNorm"),
        ("NoArguments", "it cannot be built with (channels, mid_channels, kernel): TypeError", "docs/custom.md"),
        ("a_function", "it is not a torch module class", "derive it from torch.nn.Module"),
        ("Attend", "blocks_of_a_test has no Attend", "did you mean `Attends`?"),
    ],
)
def test_a_block_that_cannot_be_used_is_one_diagnostic(project: Path, block: str, message: str, way_out: str) -> None:
    with pytest.raises(hvaedsl.SpecError) as caught:
        loaded(f'{{8: "blocks_of_a_test:{block}", other: residual}}')
    (found,) = caught.value.diagnostics
    assert (found.code, found.span.text) == ("HV220", f'8: "blocks_of_a_test:{block}"')
    assert message in found.message
    assert way_out in found.help_text


def test_without_leave_it_is_not_counted(project: Path) -> None:
    program = hvaedsl.loads(SPEC, sets={"model.block": '"blocks_of_a_test:Attends"'})
    assert program.cost.uncounted == ("blocks_of_a_test:Attends",)
    assert "blocks_of_a_test" not in sys.modules


def test_names_inside_a_custom_block_are_known_once_it_is_measured(project: Path) -> None:
    block = '{8: "blocks_of_a_test:Attends", other: residual}'
    names = "encoder.blocks.r8_0.qkv, decoder.blocks.r8_0.resnet.qkv"
    program = loaded(block, **{"train.freeze": names})
    chosen = program.chosen_weights([name for name, _ in program.module().named_parameters()])
    assert chosen.frozen == {f"{name}.{array}" for name in names.split(", ") for array in ("weight", "bias")}
    hvaedsl.loads(SPEC, sets={"model.block": block, "train.freeze": names})  # unknown without leave, and no error
    with pytest.raises(hvaedsl.SpecError, match="c9"):
        loaded(block, **{"train.freeze": "encoder.blocks.r8_0.c9"})


def test_no_python_is_written_and_no_published_names_are_given() -> None:
    program = loaded(RESIDUAL)
    with pytest.raises(UsageError, match="without custom blocks, cells and likelihoods"):
        program.python_source()
    for block in (RESIDUAL, "attention"):
        with pytest.raises(ValueError, match="the residual block residual alone, and no names for"):
            loaded(block).module().vdvae_state_dict()

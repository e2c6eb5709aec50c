"""Compiled blocks: as many graphs as signatures at any depth, and the numbers of a model that computes as it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import hvaedsl
from hvaedsl.diagnostics.errors import NotCompiled
from hvaedsl.lowering.module import HierarchicalVAE
from hvaedsl_runtime.noise import StepNoise
from hvaedsl_runtime.train import step as training_step
from hvaedsl_runtime.train.compiling import compile_blocks, computed_as_is, not_compiled

DEEP = "encoder = 8x9, 8d2, 4x7, 4d4, 1x2  decoder = 1x2, 4m1, 4x6, 8m4, 8x12"
SHALLOW = "encoder = 8x2, 8d2, 4x1, 4d4, 1x1  decoder = 1x1, 4m1, 4x1, 8m4, 8x2"
SHARED = "encoder = 8r3, 8d2, 4r2, 4d4, 1x1  decoder = 1x1, 4m1, 4r4, 8m4, 8r2, 8r3"
Graphs = list[object]
# torch's compiler looks at the gradients of any tensor, and hides the warning in a way that errors do not know.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")


@pytest.fixture(autouse=True)
def nothing_compiled() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def made(blocks: str, model: str = "", train: str = "") -> HierarchicalVAE:
    """A model with weights away from their initialization, equal for equal parameters."""
    program = hvaedsl.loads(f"""hvae 1
data {{ dataset = npy  channels = 3  resolution = 8 }}
model {{ width = 8  latent = {8 if "euler" in model else 2}  likelihood = mixture_of_logistics(2)  {blocks}  {model} }}
train {{ {train} }}
""")
    torch.manual_seed(0)
    made = program.module().double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, dtype=torch.float64))
    return made


def gradients(model: HierarchicalVAE, count: int = 2) -> list[Tensor]:
    """The loss and the gradients of all parameters, of `count` images."""
    draw = torch.Generator().manual_seed(1)
    x = torch.randn((count, 8, 8, 3), generator=draw, dtype=torch.float64)
    noise = StepNoise(0, 0, range(count), torch.device("cpu"), torch.float64).normals(model.plan.latent_shapes)
    model.zero_grad()
    loss = model(x, x.tanh(), noise).loss_nats_per_dim
    loss.backward()
    return [loss.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


def counting(graphs: Graphs) -> Callable[[Any, Any], Any]:
    """A compiler that keeps what it is given, and computes it as it is."""

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    return backend


@pytest.mark.parametrize(
    ("model", "train"),
    [
        ("", ""),
        ("", "passes = none"),
        ("", "passes = hoist"),
        ("", "recompute_every = 2"),
        ("cell = non_residual", ""),
        ("cell = nvae", ""),
        ("cell = euler_maruyama", ""),
        ("normalize_state { norm = rms }", ""),
        ("skips = none", ""),
    ],
)
def test_compiled_blocks_give_the_same_numbers(model: str, train: str) -> None:
    plain, compiled = made(SHARED, model, train), made(SHARED, model, train)
    graphs: Graphs = []
    for each in (plain, compiled):
        each.recompute_every = 2 if "recompute" in train else None
    compile_blocks(compiled, counting(graphs))
    for one, other in zip(gradients(plain), gradients(compiled), strict=True):
        assert (one - other).norm() <= 1e-12 * one.norm()
    assert graphs


@pytest.mark.parametrize("blocks", [SHALLOW, DEEP, SHARED])
@pytest.mark.parametrize("passes", ["none", "one_gelu, hoist, join"])
def test_there_are_as_many_graphs_as_signatures_at_any_depth(blocks: str, passes: str) -> None:
    graphs: Graphs = []
    model = made(blocks, train=f"passes = {passes}")
    signatures = compile_blocks(model, counting(graphs))
    gradients(model)
    # Three resolutions, two passes; and blocks on the learned state, if there are several at that resolution.
    assert len(graphs) == signatures == (7 if blocks == DEEP else 6)
    gradients(model)
    assert len(graphs) == signatures


def test_a_forward_pass_of_another_size_has_graphs_of_its_own() -> None:
    graphs: Graphs = []
    model = made(SHALLOW)
    signatures = compile_blocks(model, counting(graphs))
    gradients(model)
    gradients(model, count=1)
    assert len(graphs) == 2 * signatures


def test_what_is_no_training_is_not_compiled() -> None:
    graphs: Graphs = []
    model = made(SHALLOW)
    compile_blocks(model, counting(graphs))
    with computed_as_is("blocks"):
        gradients(model)
    assert not graphs
    with computed_as_is("none"):
        gradients(model)
    assert graphs


def test_a_block_with_custom_parts_computes_as_it_is() -> None:
    class Custom(torch.nn.Linear):
        pass

    graphs: Graphs = []
    model = made(SHALLOW)
    model.encoder.blocks["r8_0"].own = Custom(1, 1)
    others = compile_blocks(model, counting(graphs))
    assert model.encoder.blocks["r8_0"]._compiled_call_impl is None
    gradients(model)
    assert len(graphs) == others


def test_an_error_of_the_compiler_is_a_diagnostic() -> None:
    def backend(*_: object) -> None:
        raise OSError("no compiler here")

    model = made(SHALLOW)
    compile_blocks(model, backend)
    with pytest.raises(RuntimeError) as caught:
        gradients(model)
    found = not_compiled(caught.value)
    assert isinstance(found, NotCompiled)
    assert "no compiler here" in str(found)
    assert "train.compile = none" in str(found.help)
    assert not_compiled(RuntimeError("another")) is None


RUN = """hvae 1
data { dataset = digits }
model {
  width = 8  latent = 2  likelihood = mixture_of_logistics(2)
  encoder = 8x1  decoder = 8x2
}
train { steps = 3  batch_size = 8  learning_rate = 1e-3  eval_every = 3  save_every = 3 }
"""


def test_a_run_whose_blocks_cannot_be_compiled_ends_with_a_way_out(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def backend(*_: object) -> None:
        raise OSError("no compiler here")

    monkeypatch.setattr(training_step, "compile_blocks", lambda model: compile_blocks(model, backend))
    spec = tmp_path / "a.hvae"
    spec.write_text(RUN)
    arguments = ["--set", "train.compile=blocks", "--out", tmp_path / "run", "--device", "cpu"]
    code, _, err = command("train", spec, *arguments)
    assert code == NotCompiled.exit_code
    assert "torch cannot compile a block" in err
    assert "set train.compile = none" in err
    assert "Traceback" not in err


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_run_has_the_results_of_one_that_is_not(
    tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    from hvaedsl_runtime.disk.metrics import read_metrics

    spec = tmp_path / "a.hvae"
    spec.write_text(RUN)
    losses = {}
    for compiled in ("none", "blocks"):
        out = tmp_path / compiled
        code, _, err = command("train", spec, "--set", f"train.compile={compiled}", "--out", out, "--device", "cpu")
        assert code == 0, err
        losses[compiled] = [
            line["loss_nats_per_dim"] for line in read_metrics(out / "metrics.jsonl") if "loss_nats_per_dim" in line
        ]
    assert len(losses["none"]) >= 5  # three steps, two kinds of weights
    assert losses["blocks"] == pytest.approx(losses["none"], rel=1e-5)

"""The module that runs its own written source: what is seen of it, and that it behaves as any module."""

from __future__ import annotations

import copy
import inspect
import linecache
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

import hvaedsl
from hvaedsl.lowering.module import HierarchicalVAE

Lowered = Callable[[str], HierarchicalVAE]
SETS: dict[str, object] = {"model.width": 8, "model.latent": 2}
CELL = """
from hvaedsl.nn.cells import VDVAECell
class Mine(VDVAECell):
    scale = {scale}
    def step(self, state, h, z):
        return super().step(state, h * self.scale, z)
"""


def lowered(name: str = "digits.hvae") -> HierarchicalVAE:
    torch.manual_seed(0)
    return hvaedsl.load(name, sets=SETS).module()


def images() -> Tensor:
    return torch.randn(2, 8, 8, 1, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["digits.hvae", "mnist_ws.hvae", "cifar_ws_25m.hvae", "ablations/synchronous.hvae"])
def test_the_written_steps_are_those_of_the_plan(name: str) -> None:
    model = lowered(name)
    assert model.encoder.steps == model.plan.encoder_steps
    assert model.decoder.steps == model.plan.decoder_steps
    assert model.decoder.initial_states == model.plan.states
    assert list(model.encoder.blocks) == [block.name for block in model.plan.encoder_blocks]
    assert list(model.decoder.blocks) == [block.name for block in model.plan.decoder_blocks]


def test_python_shows_the_source() -> None:
    model = lowered()
    assert type(model).__name__ == "Digits"
    assert "def __init__" in inspect.getsource(type(model))
    path = vars(inspect.getmodule(type(model)))["decoder_path"]
    assert 'yield TopDown("r1_0", resolution=1' in inspect.getsource(path)

    iterator = path()
    next(iterator)
    with pytest.raises(ZeroDivisionError) as caught:
        iterator.throw(ZeroDivisionError())
    (*_, line) = traceback.extract_tb(caught.value.__traceback__)
    assert line.line is not None
    assert line.line.startswith("yield TopDown(")


def test_models_of_one_text_have_one_class() -> None:
    assert type(lowered()) is type(lowered())
    assert type(lowered()) is not type(lowered("mnist.hvae"))
    assert isinstance(lowered(), HierarchicalVAE)


def test_a_copy_computes_the_same_and_has_weights_of_its_own() -> None:
    model = lowered()
    other = copy.deepcopy(model)
    x = images()
    torch.manual_seed(3)
    ours = model(x, x).loss_nats_per_dim
    torch.manual_seed(3)
    assert torch.equal(ours, other(x, x).loss_nats_per_dim)
    with torch.no_grad():
        next(other.parameters()).add_(1)
    assert not torch.equal(next(model.parameters()), next(other.parameters()))
    assert other.plan is not None


def test_another_class_of_a_custom_cell_makes_another_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = SETS | {"model.cell": '"handed_in_of_a_test:Mine"'}
    monkeypatch.syspath_prepend(str(tmp_path))
    scales, models = [], []
    for scale in (1, 2):
        (tmp_path / "handed_in_of_a_test.py").write_text(CELL.format(scale=scale))
        monkeypatch.delitem(sys.modules, "handed_in_of_a_test", raising=False)
        models.append(hvaedsl.load("digits.hvae", sets=sets).module())
        scales.append(vars(type(models[-1].decoder.blocks["r8_0"]))["scale"])
    assert scales == [1, 2]
    # Both modules stay known, and their source is shown after linecache has been cleared.
    assert all(vars(sys.modules[type(model).__module__])[type(model).__name__] is type(model) for model in models)
    linecache.clearcache()
    hvaedsl.load("digits.hvae", sets=sets).module()
    assert "class Digits" in inspect.getsource(type(models[1]))


def test_it_compiles_with_torch() -> None:
    """torch.compile traces the model in one graph, and the gradients are those of eager mode but for rounding."""
    model = lowered().double()
    x = images().double()

    def noise(layer: int, shape: tuple[int, ...]) -> Tensor:
        return torch.full(shape, 0.1 * (layer + 1), dtype=torch.float64)

    expected = torch.autograd.grad(model(x, x, noise).loss_nats_per_dim, list(model.parameters()), allow_unused=True)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    found = torch.autograd.grad(compiled(x, x, noise).loss_nats_per_dim, list(model.parameters()), allow_unused=True)
    for one, other in zip(expected, found, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            assert other is not None
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)

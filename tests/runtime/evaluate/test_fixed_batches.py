from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import hvaedsl
from hvaedsl import Program
from hvaedsl.passes.cost import inference_bytes
from hvaedsl_runtime.evaluate.fixed_batches import (
    MAXIMUM_IMAGES,
    PriorSampler,
    compute_by_image,
    fixed_batch_size,
    place_in_batches,
)

Compiled = Callable[..., Program]
NORMALIZED: dict[str, object] = {"model.normalize_state.over": "batch", "model.normalize_state.norm": "rms"}


def sampler(program: Program, seed: int = 3) -> PriorSampler:
    torch.manual_seed(0)
    model = program.module()
    with torch.no_grad():
        for parameter in model.parameters():  # so that every part of the model matters
            parameter.add_(0.1 * torch.randn_like(parameter))
    return PriorSampler(model, fixed_batch_size(program), seed, torch.device("cpu"), torch.float32)


@pytest.mark.parametrize("change", ["levels", "binary", "norm over the batch"])
def test_an_image_of_a_seed_does_not_depend_on_the_count_or_the_batch_size_of_the_spec(
    compiled: Compiled, binary: dict[str, object], change: str
) -> None:
    choices: dict[str, dict[str, object]] = {"levels": {}, "binary": binary, "norm over the batch": NORMALIZED}
    sets = choices[change]
    draw = sampler(compiled(sets))
    whole = draw(40, 0.7)
    assert whole.shape == (40, 8, 8, 1)
    for count in (1, 2, 15, 16, 17, 39):
        assert torch.equal(draw(count, 0.7), whole[:count])
    assert torch.equal(sampler(compiled({**sets, "train.batch_size": 3, "sample.count": 2}))(5, 0.7), whole[:5])


def test_another_seed_or_temperature_gives_other_images(compiled: Compiled) -> None:
    program = compiled()
    image = sampler(program)(1, 0.7)
    assert not torch.equal(image, sampler(program, seed=4)(1, 0.7))
    assert not torch.equal(image, sampler(program)(1, 1.5))
    several = sampler(program)(3, 0.7)
    assert not torch.equal(several[0], several[1])


@pytest.mark.parametrize(
    ("name", "expected"), [("digits", MAXIMUM_IMAGES), ("cifar", MAXIMUM_IMAGES), ("ffhq1024", None)]
)
def test_the_size_follows_from_the_activations_of_an_image(name: str, expected: int | None) -> None:
    program = hvaedsl.load(name)
    size = fixed_batch_size(program)
    assert expected in (None, size)
    assert 1 <= size <= MAXIMUM_IMAGES
    assert size == 1 or size * inference_bytes(program.bridge) < 2**30
    assert size == MAXIMUM_IMAGES or (size + 1) * inference_bytes(program.bridge) >= 2**30


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Counts the bytes of the tensors that operations make, as long as they are alive, and the most at a time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.sizes: dict[int, int] = {}
        self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, Tensor) and (place := tensor.untyped_storage().data_ptr()) not in self.sizes:
                self.sizes[place] = tensor.untyped_storage().nbytes()
                weakref.finalize(tensor.untyped_storage(), self.sizes.pop, place, 0)
        self.most = max(self.most, sum(self.sizes.values()))
        return result


@pytest.mark.parametrize("normalized", [False, True])
@torch.no_grad()
def test_an_image_needs_no_more_than_is_counted(compiled: Compiled, normalized: bool) -> None:
    program = compiled(NORMALIZED if normalized else {})
    model, x = program.module(), torch.zeros(1, 8, 8, 1)
    for compute in (
        lambda: model.sample(1),
        lambda: model.likelihood.mean(model.decode(model.latents(x))),
        lambda: model(x, x),
    ):
        with LiveTensors() as live:
            live.sizes = {tensor.untyped_storage().data_ptr(): 0 for tensor in model.state_dict().values()}
            compute()
        assert 0 < live.most <= inference_bytes(program.bridge)


@pytest.mark.parametrize("indices", [[0, 1, 2], list(range(50)), [0, 16, 32, 48], [5, 1000, 3, 777], [4]])
def test_an_index_has_the_same_row_in_every_request(indices: list[int]) -> None:
    places, batches = place_in_batches(indices, 16)
    assert all(len(batch) == 16 for batch in batches)
    assert [batches[place // 16][place % 16] for place in places] == indices
    for index, place in zip(indices, places, strict=True):
        (alone,), _ = place_in_batches([index], 16)
        assert alone == place % 16


def test_full_and_strided_requests_fill_their_batches() -> None:
    for indices in (range(64), range(0, 16 * 64, 16)):
        assert len(place_in_batches(list(indices), 16)[1]) == 4


def test_results_are_in_the_order_of_the_request() -> None:
    indices = [40, 3, 99, 3]
    done: list[int] = []
    (squares,) = compute_by_image(indices, 16, lambda batch: (torch.tensor(batch) ** 2,), done.append)
    assert squares.tolist() == [index**2 for index in indices]
    assert sum(done) == 4

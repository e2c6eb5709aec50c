"""Whole models of every cell: drawing, replaying, published names, one parameter count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import hvaedsl
from hvaedsl.ir.cells import CELL_NAMES, CELLS

SPEC = """hvae 1
data {{ dataset = npy  channels = 3  resolution = 8 }}
model {{
  cell = {cell}  width = 6  latent = 6  likelihood = mixture_of_logistics(2)
  encoder = 8x1, 8d2, 4x2  decoder = 4x1, 4r2, 8m4, 8x1
}}
"""
BATCH = 3


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=CELL_NAMES)
def cell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def program_of(cell: str) -> hvaedsl.Program:
    return hvaedsl.loads(SPEC.format(cell=cell))


def fixed_noise(layer: int, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(layer))


def test_every_latent_of_the_posterior_replays_the_state_of_the_loss(cell: str) -> None:
    model = program_of(cell).module().double()
    x = torch.randn(BATCH, 8, 8, 3, dtype=torch.float64)
    kept = model.encoder(x)
    state, latents, _ = model.decoder.infer(kept, fixed_noise)
    assert torch.equal(model.decode(latents), state)
    for ours, again in zip(model.latents(x, noise=fixed_noise), latents, strict=True):
        assert torch.equal(ours, again)


def test_the_temperature_moves_only_what_the_prior_draws(cell: str) -> None:
    model = program_of(cell).module().double()
    for name, parameter in model.named_parameters():
        if name.endswith("prior.c4.weight"):  # at its start the prior is the same whatever it reads
            torch.nn.init.normal_(parameter, std=0.1)
    latents = model.latents(torch.randn(BATCH, 8, 8, 3, dtype=torch.float64), noise=fixed_noise)
    assert torch.equal(model.decode(latents, temperature=0.1), model.decode(latents, temperature=2.0))
    for kept in (1, len(latents) - 1):
        cold, warm = (model.decode(latents[:kept], temperature=t, noise=fixed_noise) for t in (0.1, 2.0))
        assert not torch.equal(cold, warm)
    cold, warm = (model.decode_prior(BATCH, temperature=t, noise=fixed_noise) for t in ({4: 0.1}, 1.0))
    assert cold.shape == warm.shape == (BATCH, 6, 8, 8)
    assert not torch.equal(cold, warm)


def test_it_draws_images(cell: str) -> None:
    images = program_of(cell).module().sample(BATCH, temperature=0.7)
    assert images.shape == (BATCH, 8, 8, 3)
    assert images.dtype == torch.uint8


@pytest.mark.parametrize(
    ("count", "temperature", "kind", "reason"),
    [
        (2, {4: 0.5, 7: 0.5}, ValueError, "temperature has resolution 7; the decoder has [4, 8]"),
        (2, {"other": 0.5}, ValueError, "temperature has resolution 'other'; the decoder has [4, 8]"),
        (2.5, 1.0, TypeError, "'float' object cannot be interpreted as an integer"),
        ("2", 1.0, TypeError, "'str' object cannot be interpreted as an integer"),
        (0, 1.0, ValueError, "sample takes a count of at least 1, not 0"),
    ],
)
def test_a_wrong_count_or_temperature_is_refused(
    count: Any, temperature: Any, kind: type[Exception], reason: str
) -> None:
    with pytest.raises(kind, match=f"^{re.escape(reason)}$"):
        program_of(CELL_NAMES[0]).module().sample(count, temperature=temperature)


def test_published_names_exist_where_the_published_code_has_the_parameters(cell: str) -> None:
    model = program_of(cell).module()
    if not CELLS[cell].published:
        wanted = f"names for the cells vdvae and non_residual under its own likelihoods, not for {cell} under"
        with pytest.raises(ValueError, match=wanted):
            model.vdvae_state_dict()
        with pytest.raises(ValueError, match=wanted):
            model.load_vdvae_state_dict({})
        return
    other = program_of(cell).module()
    other.load_vdvae_state_dict(model.vdvae_state_dict())
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_the_non_residual_model_takes_over_the_weights_of_vdvae_and_computes_something_else() -> None:
    vdvae, non_residual = (program_of(cell).module().double() for cell in ("vdvae", "non_residual"))
    non_residual.load_vdvae_state_dict(vdvae.vdvae_state_dict())
    first, second = (model.decode_prior(BATCH, noise=fixed_noise) for model in (vdvae, non_residual))
    assert not torch.allclose(first, second)


def test_the_shipped_ablation_differs_from_its_base_in_the_cell_alone() -> None:
    plain = {"train.passes": "none"}  # one of them is for the cell of the base alone
    ablation, base = (hvaedsl.load(name, sets=plain) for name in ("ablations/non_residual.hvae", "cifar.hvae"))
    assert ablation.spec.model == base.spec.model.model_copy(update={"cell": "non_residual"})
    assert ablation.spec.train == base.spec.train
    assert ablation.cost == base.cost
    assert ablation.spec.paper.table == "Table G.12"

"""An emitted file beside the module that it stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import hvaedsl
from hvaedsl.ir.fourier import with_features
from hvaedsl.lowering.module import HierarchicalVAE, Noise
from hvaedsl.lowering.names import published_names


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def run_source(text: str) -> ModuleType:
    """The emitted file as a module; nothing of it is on the disk."""
    module = ModuleType("emitted")
    exec(compile(text, "emitted.py", "exec"), module.__dict__)
    return module


def model_class(module: ModuleType) -> type[nn.Module]:
    """The class of the model: the last one in the file."""
    *_, last = (item for item in vars(module).values() if isinstance(item, type) and issubclass(item, nn.Module))
    return last


class Pair:
    """The lowered module and the emitted one, with one set of random weights."""

    def __init__(self, program: hvaedsl.Program, dtype: torch.dtype = torch.float64) -> None:
        self.program, self.dtype = program, dtype
        self.text = program.python_source()
        torch.manual_seed(1)
        self.lowered: HierarchicalVAE = program.module()
        torch.manual_seed(1)
        self.emitted: Any = model_class(run_source(self.text))()

    def same_initialisation(self) -> None:
        ours, theirs = self.lowered.state_dict(), self.emitted.state_dict()
        assert list(ours) == list(theirs)
        for name, tensor in ours.items():
            assert torch.equal(tensor, theirs[name]), name

    def shuffle_weights(self) -> None:
        """New weights everywhere, so that no prior is N(0, 1) and no path is zero; loaded one way and the other."""
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter in self.lowered.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
        self.lowered.to(self.dtype)
        self.emitted.to(self.dtype)
        self.emitted.load_state_dict(self.lowered.state_dict(), strict=True)
        self.lowered.load_state_dict(self.emitted.state_dict(), strict=True)

    def noise(self, seed: int) -> Noise:
        def draw(layer: int, shape: tuple[int, ...]) -> Tensor:
            generator = torch.Generator().manual_seed(1000 * seed + layer)
            return torch.randn(shape, generator=generator, dtype=self.dtype)

        return draw

    def images(self, batch: int) -> tuple[Tensor, Tensor]:
        data, model = self.program.spec.data, self.program.spec.model
        shape = (batch, *data.shape)
        generator = torch.Generator().manual_seed(3)
        levels = 2 if model.likelihood.name == "bernoulli" else data.levels
        target = torch.randint(levels, shape, generator=generator).to(self.dtype)
        if model.likelihood.name != "bernoulli":
            target = 2 * target / (levels - 1) - 1
        read = (*shape[:3], with_features(data.channels, model.fourier.exponents_at("image")))
        return torch.randn(read, generator=generator, dtype=self.dtype), target

    def same_bound_and_gradients(self, batch: int = 2, recompute_every: int | None = None) -> None:
        x, target = self.images(batch)
        for model in (self.lowered, self.emitted):
            model.recompute_every = recompute_every
            model.zero_grad()
        outputs = [model(x, target, self.noise(4)) for model in (self.lowered, self.emitted)]
        assert outputs[0]._fields == outputs[1]._fields
        for name, ours, theirs in zip(outputs[0]._fields, *outputs, strict=True):
            assert torch.isfinite(ours).all(), name
            assert torch.equal(ours, theirs), name
        for output in outputs:
            output.loss_nats_per_dim.backward()
        for (name, ours), theirs in zip(self.lowered.named_parameters(), self.emitted.parameters(), strict=True):
            assert (ours.grad is None) == (theirs.grad is None), name
            if ours.grad is not None:
                assert torch.equal(ours.grad, theirs.grad), name

    @torch.no_grad()
    def same_face(self, batch: int = 2) -> None:
        """Everything else that the model offers."""
        x, _ = self.images(batch)
        encoded = [model.encode(x) for model in (self.lowered, self.emitted)]
        assert set(encoded[0]) == set(encoded[1])
        assert all(torch.equal(encoded[0][resolution], encoded[1][resolution]) for resolution in encoded[0])
        ours, theirs = (model.latents(x, noise=self.noise(5)) for model in (self.lowered, self.emitted))
        assert len(ours) == self.emitted.stochastic_depth == self.lowered.stochastic_depth
        assert all(map(torch.equal, ours, theirs))
        smallest = min(state.resolution for state in self.lowered.plan.states)
        temperatures: tuple[float | Mapping[int, float], ...] = (0.5, {smallest: 0.3})
        for temperature in temperatures:
            for given in (ours[:1], ours, *([[None, *ours[1:]], [ours[0], None]] if len(ours) > 1 else [])):
                states = [
                    model.decode(given, temperature=temperature, noise=self.noise(6))
                    for model in (self.lowered, self.emitted)
                ]
                assert torch.equal(*states)
            samples = [
                model.sample(
                    batch,
                    temperature=temperature,
                    noise=self.noise(7),
                    generator=torch.Generator().manual_seed(8),
                )
                for model in (self.lowered, self.emitted)
            ]
            assert torch.equal(*samples)
            assert samples[0].dtype == torch.uint8
        torch.manual_seed(9)
        drawn = self.lowered.decode_prior(batch)
        torch.manual_seed(9)
        assert torch.equal(drawn, self.emitted.decode_prior(batch))
        means = [model.likelihood.mean(drawn) for model in (self.lowered, self.emitted)]
        assert torch.equal(*means)

    def same_published_names(self) -> None:
        """The published names are the same, or refused with the same message; they load one way and the other."""
        refusals = []
        for model in (self.lowered, self.emitted):
            try:
                published = model.vdvae_state_dict()
            except ValueError as error:
                refusals.append(str(error))
            else:
                assert set(published) == {names[0] for names in published_names(self.program.bridge).values()}
                (self.emitted if model is self.lowered else self.lowered).load_vdvae_state_dict(published)
        assert len(refusals) in (0, 2)
        assert len(set(refusals)) < 2
        assert bool(refusals) == (not published_names(self.program.bridge))

    def same(self) -> None:
        self.same_initialisation()
        self.shuffle_weights()
        self.same_bound_and_gradients()
        self.same_bound_and_gradients(recompute_every=2)
        self.same_face()
        self.same_published_names()

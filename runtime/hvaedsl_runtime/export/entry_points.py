"""The computations that can be exported. Noise is an input, a tensor for each layer, so a graph has no random draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from hvaedsl.lowering.module import HierarchicalVAE, Noise, Temperature

EntryPoint = Literal["sample", "reconstruct", "loss"]
ENTRY_POINTS: tuple[EntryPoint, ...] = get_args(EntryPoint)


class Loss(nn.Module):
    """The upper bound on -log p of images."""

    def __init__(self, model: HierarchicalVAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, target: Tensor, noise: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the fields of `Output` for x and target [B, H, W, C] and each layer's noise [B, latent, R, R]."""
        return dict(self.model(x, target, noise_by_layer(noise))._asdict())


class Reconstruct(nn.Module):
    """The likelihood's mean and parameters, given latents from the posterior of images."""

    def __init__(self, model: HierarchicalVAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, noise: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return `mean` [B, H, W, C] and `outputs` [B, H, W, head].

        The inputs are x [B, H, W, C] and each layer's noise [B, latent, R, R].
        """
        return likelihood_outputs(self.model, self.model.decode(self.model.latents(x, noise_by_layer(noise))))


class Sample(nn.Module):
    """The likelihood's mean and parameters, given latents from the prior."""

    def __init__(self, model: HierarchicalVAE, temperature: Temperature) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature

    def forward(self, noise: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return `mean` [B, H, W, C] and `outputs` [B, H, W, head], given each layer's noise [B, latent, R, R]."""
        batch = noise[0].shape[0]
        state = self.model.decode_prior(batch, temperature=self.temperature, noise=noise_by_layer(noise))
        return likelihood_outputs(self.model, state)


def entry_point(model: HierarchicalVAE, what: EntryPoint, temperature: Temperature) -> nn.Module:
    """Make the module that computes an entry point."""
    match what:
        case "loss":
            return Loss(model)
        case "reconstruct":
            return Reconstruct(model)
        case "sample":
            return Sample(model, temperature)


def noise_by_layer(noise: Sequence[Tensor]) -> Noise:
    """Return the noise function of given tensors, indexed by layer."""
    return lambda layer, _: noise[layer]


def likelihood_outputs(model: HierarchicalVAE, state: Tensor) -> dict[str, Tensor]:
    """Return mean and parameters for the final state [B, width, H, W]; a custom likelihood may have no `outputs`."""
    found = {"mean": model.likelihood.mean(state)}
    if hasattr(model.likelihood, "outputs"):
        found["outputs"] = model.likelihood.outputs(state)
    return found

"""What an exported program computes. Noise comes in as tensors, one a layer, so that a graph draws nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from hvaedsl.lowering.module import HierarchicalVAE, Noise, Temperature

What = Literal["sample", "reconstruct", "loss"]
WHAT: tuple[What, ...] = get_args(What)


class Loss(nn.Module):
    """The bound of images."""

    def __init__(self, model: HierarchicalVAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, target: Tensor, noise: Sequence[Tensor]) -> dict[str, Tensor]:
        """X and target [B, H, W, C], noise [B, latent, R, R] a layer -> the fields of `Output`."""
        return dict(self.model(x, target, given(noise))._asdict())


class Reconstruct(nn.Module):
    """The likelihood's central image and its parameters, given the latents of images."""

    def __init__(self, model: HierarchicalVAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, noise: Sequence[Tensor]) -> dict[str, Tensor]:
        """X [B, H, W, C], noise [B, latent, R, R] a layer -> `mean` [B, H, W, C], `outputs` [B, H, W, head]."""
        return described(self.model, self.model.decode(self.model.latents(x, given(noise))))


class Sample(nn.Module):
    """The likelihood's central image and its parameters, given latents from the prior."""

    def __init__(self, model: HierarchicalVAE, temperature: Temperature) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature

    def forward(self, noise: Sequence[Tensor]) -> dict[str, Tensor]:
        """Noise [B, latent, R, R] a layer -> `mean` [B, H, W, C], `outputs` [B, H, W, head]."""
        batch = noise[0].shape[0]
        state = self.model.decode_prior(batch, temperature=self.temperature, noise=given(noise))
        return described(self.model, state)


def entry_point(model: HierarchicalVAE, what: What, temperature: Temperature) -> nn.Module:
    """The module that is exported under a name."""
    match what:
        case "loss":
            return Loss(model)
        case "reconstruct":
            return Reconstruct(model)
        case "sample":
            return Sample(model, temperature)


def given(noise: Sequence[Tensor]) -> Noise:
    """The noise of each layer by its place."""
    return lambda layer, _: noise[layer]


def described(model: HierarchicalVAE, state: Tensor) -> dict[str, Tensor]:
    """What the likelihood makes of the final state [B, width, H, W]; one's own may know no `outputs`."""
    found = {"mean": model.likelihood.mean(state)}
    if hasattr(model.likelihood, "outputs"):
        found["outputs"] = model.likelihood.outputs(state)
    return found

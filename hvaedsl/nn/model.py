"""The public methods of a model: its loss, latents, samples, and parameters under the published names.

Shape legend: B batch, H, W image height and width, C image channels, R a resolution of the hierarchy.
Images are [B, H, W, C] outside and [B, channels, R, R] inside; if H and W differ, [B, channels, R, R * W / H].
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self, cast

import torch
from torch import Tensor, nn

from hvaedsl.nn.fourier import Exponents, features_channels
from hvaedsl.nn.likelihoods.base import Likelihood
from hvaedsl.nn.passes import Decoder, Encoder, Noise, Temperature
from hvaedsl.nn.published import published_names, published_prefixes
from hvaedsl.nn.steps import Apply


class Output(NamedTuple):
    """What a forward pass gives; nats everywhere."""

    loss_nats_per_dim: Tensor  # scalar: the batch mean of distortion + rate, the negative ELBO per dimension
    distortion_nats_per_dim: Tensor  # [B]
    rate_nats_per_dim: Tensor  # [B]
    kl_nats: Tensor  # [depth, B]: KL(q || p) of each stochastic layer, summed over space and channels


class HierarchicalVAE(nn.Module):
    """A model. It preprocesses nothing: x is shifted and scaled, targets are in [-1, 1] or {0, 1} already.

    `noise(layer, shape)` gives the standard normals of a stochastic layer; torch's generator draws them if it is None.
    `temperature` multiplies the prior's standard deviations: a number, or one for some resolutions (others 1).
    `image_features` are the exponents of the Fourier features that x has after its channels. `image_width` is that of
    images that are not square. `unpublished` says why the parameters have no published names; it is None if they have.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Decoder,
        likelihood: nn.Module,
        *,
        image_channels: int,
        image_features: Exponents = (),
        image_width: int | None = None,
        unpublished: str | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        # A custom likelihood offers what the base class does, and need not be derived from it.
        self.likelihood = cast(Likelihood, likelihood)
        self.image_channels = image_channels
        self.image_features = image_features
        self.image_size = (decoder.resolution, image_width or decoder.resolution)
        # Activation checkpointing: keep the state every N blocks and recompute the rest in the backward pass.
        self.recompute_every: int | None = None
        self._unpublished = unpublished

    def store_in(self, memory_format: torch.memory_format) -> Self:
        """Store weights and states in a memory format of torch, in place; values agree up to rounding."""
        self.encoder.memory_format = self.decoder.memory_format = memory_format
        return self.to(memory_format=memory_format)

    @property
    def stochastic_depth(self) -> int:
        """How many latents are drawn one after another."""
        return len(self.decoder.steps)

    def forward(self, x: Tensor, target: Tensor, noise: Noise | None = None) -> Output:
        """The loss of images x [B, H, W, C] with targets [B, H, W, C]."""
        state, _, kls_nats = self.decoder.infer(self._kept(x), noise or self._noise, self.recompute_every)
        distortion = self.likelihood.nll_nats_per_dim(state, target)
        kl_nats = torch.stack(kls_nats)
        rate = kl_nats.sum(dim=0) / math.prod(target.shape[1:])
        return Output((distortion + rate).mean(), distortion, rate, kl_nats)

    def encode(self, x: Tensor) -> dict[int, Tensor]:
        """{R: the activation at R that the decoder reads, [B, channels, R, R]} of images x [B, H, W, C].

        Under synchronous processing every block reads one of its own; this is the one that is read last.
        """
        kept = self._kept(x)
        return {step.resolution: kept[step.slot] for step in self.decoder.steps if step.slot is not None}

    def latents(self, x: Tensor, noise: Noise | None = None) -> list[Tensor]:
        """Every z of images x [B, H, W, C] from the posterior; each [B, latent, R, R], in the decoder's order."""
        return self.decoder.infer(self._kept(x), noise or self._noise)[1]

    def decode(
        self, latents: Sequence[Tensor | None], *, temperature: Temperature = 1.0, noise: Noise | None = None
    ) -> Tensor:
        """The state that the likelihood reads, [B, width, H, W], of the first layers' z; the prior draws the rest.

        It also draws the z of layers given as None. Raises ValueError for no z at all (use `decode_prior`) or too many.
        """
        given = [z for z in latents if z is not None]
        if not given or len(latents) > self.stochastic_depth:
            raise ValueError(f"decode takes 1 to {self.stochastic_depth} latents, not {len(given)} in {len(latents)}")
        return self.decoder.generate(given[0].shape[0], latents, temperature, noise or self._noise)

    def decode_prior(self, count: int, *, temperature: Temperature = 1.0, noise: Noise | None = None) -> Tensor:
        """The state that the likelihood reads, [count, width, H, W], with every z from the prior."""
        return self.decoder.generate(count, (), temperature, noise or self._noise)

    @torch.no_grad()
    def sample(
        self,
        count: int,
        *,
        temperature: Temperature = 1.0,
        noise: Noise | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Images from the prior, [count, H, W, C]: levels from 0, or 0 and 255 for binary images.

        uint8, or int32 above 256 levels; real values are standardized, in float32 or wider. `generator` draws from the
        likelihood. Raises ValueError for a count below 1 and an unknown resolution, TypeError for another count.
        """
        if operator.index(count) < 1:
            raise ValueError(f"sample takes a count of at least 1, not {count}")
        return self.likelihood.sample(self.decode_prior(count, temperature=temperature, noise=noise), generator)

    def vdvae_state_dict(self) -> dict[str, Tensor]:
        """The parameters under the published code's names, a shared block's under those of its first application.

        Raises ValueError if the published code has no such cell or likelihood.
        """
        published = self._published()
        return {published[name][0]: tensor.detach() for name, tensor in self.named_parameters()}

    @torch.no_grad()
    def load_vdvae_state_dict(self, state_dict: Mapping[str, Tensor]) -> None:
        """Take over the parameters of the published code.

        For a shared block, the first application's weights are enough; those of the others must agree if they are
        given. Raises ValueError if a key is missing or unknown, a shape differs, applications of one block disagree, or
        the published code has no such cell or likelihood; the model is then unchanged.
        """
        published, rest = self._published(), dict(state_dict)
        values = {name: _take(rest, published[name], parameter) for name, parameter in self.named_parameters()}
        if rest:
            raise ValueError(f"not a parameter of this model: {', '.join(sorted(rest)[:5])} ({len(rest)} such keys)")
        for name, parameter in self.named_parameters():
            parameter.copy_(values[name])

    def _published(self) -> dict[str, tuple[str, ...]]:
        if self._unpublished is not None:
            raise ValueError(self._unpublished)
        prefixes = published_prefixes(
            [step.block for step in self.encoder.steps if isinstance(step, Apply)],
            [step.block for step in self.decoder.steps],
            [(state.resolution, state.name) for state in self.decoder.initial_states if state.name is not None],
        )
        return published_names((name for name, _ in self.named_parameters()), prefixes)

    def _kept(self, x: Tensor) -> dict[str, Tensor]:
        (height, width), features = self.image_size, self.image_features
        channels = features_channels(self.image_channels, features)
        if x.ndim != 4 or tuple(x.shape[1:]) != (height, width, channels):
            held = f" (the image and its Fourier features, n = {features})" if features else ""
            raise ValueError(f"images are [B, {height}, {width}, {channels}]{held}, not {list(x.shape)}")
        return cast(dict[str, Tensor], self.encoder(x, self.recompute_every))

    def _noise(self, _: int, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, dtype=self.decoder.gain.dtype, device=self.decoder.gain.device)


def _take(rest: dict[str, Tensor], names: tuple[str, ...], parameter: Tensor) -> Tensor:
    """The value of a parameter from the entries under its names, which are taken out of `rest`."""
    given = {name: rest.pop(name) for name in names if name in rest}
    if names[0] not in given:
        raise ValueError(f"missing key {names[0]}")
    value = given[names[0]]
    for name, other in given.items():
        if other.shape != parameter.shape:
            raise ValueError(f"{name} has shape {list(other.shape)}, the model has {list(parameter.shape)}")
        if other is not value and not torch.equal(other, value):
            raise ValueError(f"{name} and {names[0]} belong to one shared block and disagree")
    return value

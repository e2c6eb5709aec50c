"""The plan as a torch module that computes what the published code computes (openai/vdvae, vae.py).

Shape legend: B batch, H, W image height and width, C image channels, R a resolution of the hierarchy.
Images are [B, H, W, C] outside and [B, channels, R, R] inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, TypeVar, TypeVarTuple, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hvaedsl.ir.bridge import Normalization
from hvaedsl.ir.fourier import with_features
from hvaedsl.lowering.construction import (
    CustomClasses,
    embedding_module,
    likelihood_module,
    pool_module,
    residual_block,
    top_down_block,
)
from hvaedsl.lowering.plan import Apply, Downsample, Plan, TopDown
from hvaedsl.nn.blocks import conv
from hvaedsl.nn.cells import Cell
from hvaedsl.nn.likelihoods import Likelihood
from hvaedsl.nn.normalization import Norm, Over, normalize_state
from hvaedsl.nn.resolution import mix_in, pad_channels

A = TypeVarTuple("A")
S = TypeVar("S")
T = TypeVar("T")

Noise = Callable[[int, tuple[int, ...]], Tensor]
Temperature = float | Mapping[int, float]


class Output(NamedTuple):
    """What a forward pass gives; nats everywhere."""

    loss_nats_per_dim: Tensor  # scalar: the batch mean of distortion + rate, the negative ELBO per dimension
    distortion_nats_per_dim: Tensor  # [B]
    rate_nats_per_dim: Tensor  # [B]
    kl_nats: Tensor  # [depth, B]: KL(q || p) of each stochastic layer, summed over space and channels


class Encoder(nn.Module):
    """The bottom-up pass: the stem, then blocks and poolings down to the bottleneck."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.stem = conv(with_features(plan.image_channels, plan.image_features), plan.width, 3)
        self.pools = nn.ModuleDict({pool.name: pool_module(pool) for pool in plan.pools})
        self.blocks = nn.ModuleDict({block.name: residual_block(block, plan) for block in plan.encoder_blocks})

    def forward(self, x: Tensor, recompute_every: int | None = None) -> dict[int, Tensor]:
        """[B, H, W, C] -> the activations that the decoder reads, each [B, channels, R, R], by slot.

        C counts the Fourier features of the image, where the model reads some.
        """
        x = self.stem(x.permute(0, 3, 1, 2).contiguous())
        kept: dict[int, Tensor] = {}
        if self.plan.stem_slot is not None:
            kept[self.plan.stem_slot] = x
        for steps in segments(self.plan.encoder_steps, recompute_every):
            x, more = computed_again(recompute_every is not None, self.walk, x, steps)
            kept |= more
        return kept

    def walk(self, x: Tensor, steps: Sequence[Apply | Downsample]) -> tuple[Tensor, dict[int, Tensor]]:
        """Some steps from a state [B, channels, R, R]: the state behind them, and the activations to keep, by slot."""
        kept: dict[int, Tensor] = {}
        for step in steps:
            if isinstance(step, Apply):
                x = self.blocks[step.block](x)
            else:
                x = pad_channels(self.pools[step.pool](x), step.channels)
            x = normalized(x, step.normalize)
            if step.slot is not None:
                kept[step.slot] = x
        return x, kept


class Decoder(nn.Module):
    """The top-down pass: latents drawn one after another, from the bottleneck up to the image."""

    def __init__(self, plan: Plan, own: CustomClasses) -> None:
        super().__init__()
        self.plan = plan
        self.states = nn.ParameterDict(
            {
                state.name: nn.Parameter(torch.zeros(1, state.channels, state.resolution, state.resolution))
                for state in plan.states
                if state.name is not None
            }
        )
        self.embeddings = nn.ModuleDict({embedding.name: embedding_module(embedding) for embedding in plan.embeddings})
        self.blocks = nn.ModuleDict({block.name: top_down_block(block, plan, own) for block in plan.decoder_blocks})
        self.gain = nn.Parameter(torch.ones(1, plan.width, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, plan.width, 1, 1))

    def block(self, step: TopDown) -> Cell:
        """The block of a step."""
        return cast(Cell, self.blocks[step.block])

    def begin(self, batch: int) -> dict[int, Tensor]:
        """The state of every resolution before the first block, each [batch, channels, R, R]."""
        states: dict[int, Tensor] = {}
        for state in self.plan.states:
            shape = (batch, state.channels, state.resolution, state.resolution)
            if state.name is not None:
                states[state.resolution] = self.states[state.name].expand(shape)
            else:
                states[state.resolution] = self.gain.new_zeros(shape)
        return states

    def enter(self, step: TopDown, states: Mapping[int, Tensor]) -> Tensor:
        """The state that a block reads, [B, channels, R, R]: that of its resolution, plus a mix-in, normalised."""
        state = states[step.resolution]
        if step.source is not None and step.embedding is not None:
            state = mix_in(state, states[step.source], self.embeddings[step.embedding])
        return normalized(state, step.normalize)

    def infer(
        self, kept: Mapping[int, Tensor], noise: Noise, recompute_every: int | None = None
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """With z from the posterior: the final state [B, width, H, W], every z, and every KL in nats, [B]."""
        states = self.begin(next(iter(kept.values())).shape[0])
        zs: list[Tensor] = []
        kls_nats: list[Tensor] = []
        for steps in segments(self.plan.decoder_steps, recompute_every):
            states, more_zs, more_kls = computed_again(
                recompute_every is not None, self.descend, states, kept, noise, steps
            )
            zs += more_zs
            kls_nats += more_kls
        return self.finish(states), zs, kls_nats

    def descend(
        self, states: Mapping[int, Tensor], kept: Mapping[int, Tensor], noise: Noise, steps: Sequence[TopDown]
    ) -> tuple[dict[int, Tensor], list[Tensor], list[Tensor]]:
        """Some steps with z from the posterior: the states behind them, their z, and their KL in nats, [B]."""
        after, zs, kls_nats = dict(states), [], []
        for step in steps:
            state = self.enter(step, after)
            eps = noise(step.layer, (state.shape[0], step.latent, step.resolution, step.resolution))
            activation = torch.zeros_like(state) if step.slot is None else kept[step.slot]
            after[step.resolution], z, kl_nats = self.block(step)(state, activation, eps)
            zs.append(z)
            kls_nats.append(kl_nats)
        return after, zs, kls_nats

    def generate(self, batch: int, latents: Sequence[Tensor | None], temperature: Temperature, noise: Noise) -> Tensor:
        """With the given z, and the prior's where there is none: the final state [batch, width, H, W]."""
        states = self.begin(batch)
        for step in self.plan.decoder_steps:
            state, block = self.enter(step, states), self.block(step)
            z = latents[step.layer] if step.layer < len(latents) else None
            if z is not None:
                states[step.resolution] = block.generate_from(state, z)
            else:
                eps = noise(step.layer, (batch, step.latent, step.resolution, step.resolution))
                states[step.resolution], _ = block.generate(state, eps, _at(temperature, step.resolution))
        return self.finish(states)

    def finish(self, states: Mapping[int, Tensor]) -> Tensor:
        """The state that the likelihood reads, [B, width, H, W]."""
        return states[self.plan.image_resolution] * self.gain + self.bias


class HierarchicalVAE(nn.Module):
    """A compiled model. It preprocesses nothing: x is shifted and scaled, targets are in [-1, 1] or {0, 1} already."""

    def __init__(
        self, plan: Plan, published_names: Mapping[str, tuple[str, ...]], own: CustomClasses = MappingProxyType({})
    ) -> None:
        super().__init__()
        self.plan = plan
        self.encoder = Encoder(plan)
        self.decoder = Decoder(plan, own)
        # One's own offers what the base class does, and need not be one.
        self.likelihood = cast(Likelihood, likelihood_module(plan, own))
        # Activation checkpointing: keep the state every so many blocks, compute the rest again when it is needed.
        self.recompute_every: int | None = None
        self._published_names = published_names

    @property
    def stochastic_depth(self) -> int:
        """How many latents are drawn one after another."""
        return len(self.plan.decoder_steps)

    def forward(self, x: Tensor, target: Tensor, noise: Noise | None = None) -> Output:
        """The loss of images x [B, H, W, C] with targets [B, H, W, C].

        `noise(layer, shape)` gives the standard normals of a stochastic layer; torch's generator where it is None.
        """
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
        return {resolution: kept[slot] for slot, resolution in self.plan.slots.items()}

    def latents(self, x: Tensor, noise: Noise | None = None) -> list[Tensor]:
        """Every z of images x [B, H, W, C] from the posterior; each [B, latent, R, R], in the decoder's order."""
        return self.decoder.infer(self._kept(x), noise or self._noise)[1]

    def decode(
        self, latents: Sequence[Tensor | None], *, temperature: Temperature = 1.0, noise: Noise | None = None
    ) -> Tensor:
        """The state that the likelihood reads, [B, width, H, W], of the first layers' z; the prior draws the rest.

        It also draws the z of a layer that is given as None. Raises ValueError where there is no z at all (the batch
        is then unknown: use `decode_prior`), or too many.
        """
        given = [z for z in latents if z is not None]
        if not given or len(latents) > self.stochastic_depth:
            raise ValueError(f"decode takes 1 to {self.stochastic_depth} latents, not {len(given)} in {len(latents)}")
        return self.decoder.generate(given[0].shape[0], latents, temperature, noise or self._noise)

    def decode_prior(self, count: int, *, temperature: Temperature = 1.0, noise: Noise | None = None) -> Tensor:
        """The state that the likelihood reads, [count, width, H, W], with every z from the prior.

        `temperature` multiplies the prior's standard deviations: a number, or one for some resolutions (others 1).
        """
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
        """Images from the prior, uint8 [count, H, W, C]: levels from 0, or 0 and 255 for binary images.

        `generator` draws from the likelihood. Raises ValueError for a count below 1.
        """
        if count < 1:
            raise ValueError(f"sample takes a count of at least 1, not {count}")
        return self.likelihood.sample(self.decode_prior(count, temperature=temperature, noise=noise), generator)

    def vdvae_state_dict(self) -> dict[str, Tensor]:
        """The parameters under the published code's names, a shared block's under those of its first application.

        Raises ValueError where the published code has no such cell.
        """
        published = self._published()
        return {published[name][0]: tensor.detach() for name, tensor in self.named_parameters()}

    @torch.no_grad()
    def load_vdvae_state_dict(self, state_dict: Mapping[str, Tensor]) -> None:
        """Take over the parameters of the published code.

        Of a shared block the first application's suffice; those of the others must agree where they are given. Raises
        ValueError where a key is missing or unknown, a shape differs, applications of one block disagree, or the
        published code has no such cell; the model is then unchanged.
        """
        published, rest = self._published(), dict(state_dict)
        values = {name: _take(rest, published[name], parameter) for name, parameter in self.named_parameters()}
        if rest:
            raise ValueError(f"not a parameter of this model: {', '.join(sorted(rest)[:5])} ({len(rest)} such keys)")
        for name, parameter in self.named_parameters():
            parameter.copy_(values[name])

    def _published(self) -> Mapping[str, tuple[str, ...]]:
        if not self._published_names:
            cells = ", ".join(dict.fromkeys(str(block.cell) for block in self.plan.decoder_blocks))
            raise ValueError(
                "the published code has names for the cells vdvae and non_residual under its own likelihoods, not for "
                f"{cells} under {self.plan.likelihood}"
            )
        return self._published_names

    def _kept(self, x: Tensor) -> dict[int, Tensor]:
        size, features = self.plan.image_resolution, self.plan.image_features
        channels = with_features(self.plan.image_channels, features)
        if x.ndim != 4 or tuple(x.shape[1:]) != (size, size, channels):
            held = f" (the image and its Fourier features, n = {features})" if features else ""
            raise ValueError(f"images are [B, {size}, {size}, {channels}]{held}, not {list(x.shape)}")
        return cast(dict[int, Tensor], self.encoder(x, self.recompute_every))

    def _noise(self, _: int, shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, dtype=self.decoder.gain.dtype, device=self.decoder.gain.device)


def normalized(state: Tensor, normalization: Normalization | None) -> Tensor:
    """A state [B, C, H, W] divided by its norm, where the model does that."""
    if normalization is None:
        return state
    over, _, norm = normalization.partition("_")
    return normalize_state(state, cast(Over, over), cast(Norm, norm))


def segments(steps: Sequence[S], every: int | None) -> Iterator[Sequence[S]]:
    """The steps in runs of `every`; all in one where it is None."""
    length = every or max(1, len(steps))
    return (steps[start : start + length] for start in range(0, len(steps), length))


def computed_again(checkpointed: bool, function: Callable[[*A], T], *args: *A) -> T:
    """The function's value; where `checkpointed`, what it saves for the backward pass is computed again there."""
    if not checkpointed or not torch.is_grad_enabled():
        return function(*args)
    return checkpoint(function, *args, use_reentrant=False)


def _take(rest: dict[str, Tensor], names: tuple[str, ...], parameter: Tensor) -> Tensor:
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


def _at(temperature: Temperature, resolution: int) -> float:
    return temperature.get(resolution, 1.0) if isinstance(temperature, Mapping) else temperature

"""The two passes over the hierarchy, from the blocks and the steps of a model (openai/vdvae, vae.py).

Shape legend: B batch, H, W image height and width, C image channels, R a resolution of the hierarchy.
Images are [B, H, W, C] outside and [B, channels, R, R] inside; if H and W differ, [B, channels, R, R * W / H].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import cast

import torch
from torch import Tensor, nn

from hvaedsl.nn.cells.base import Cell
from hvaedsl.nn.normalization import Norm, Over, normalize_state
from hvaedsl.nn.recomputation import computed_again, segments
from hvaedsl.nn.resolution import mix_in, pad_channels
from hvaedsl.nn.steps import NO_LAYER, Apply, DeterministicStep, Downsample, InitialState, Normalization, TopDown

Noise = Callable[[int, tuple[int, ...]], Tensor]
Temperature = float | Mapping[int, float]
Drawn = tuple[Tensor, Tensor]  # z, and the KL of its layer in nats, [B]


class Encoder(nn.Module):
    """The bottom-up pass: the stem, then blocks and poolings down to the bottleneck.

    `steps` name entries of `blocks` and `pools`. The stem's output is kept in `stem_slot`, if there is one. States are
    stored in `memory_format`.
    """

    memory_format = torch.contiguous_format

    def __init__(self, stem: nn.Module, steps: Iterable[Apply | Downsample], *, stem_slot: str | None = None) -> None:
        super().__init__()
        self.steps = tuple(steps)
        self.stem_slot = stem_slot
        self.stem = stem
        self.pools = nn.ModuleDict()
        self.blocks = nn.ModuleDict()

    def forward(self, x: Tensor, recompute_every: int | None = None) -> dict[str, Tensor]:
        """[B, H, W, C] -> the activations that the decoder reads, each [B, channels, R, R], by slot.

        C counts the Fourier features of the image, if the model reads some.
        """
        x = self.stem(x.permute(0, 3, 1, 2).contiguous(memory_format=self.memory_format))
        kept = {} if self.stem_slot is None else {self.stem_slot: x}
        for steps in segments(self.steps, recompute_every):
            x, more = computed_again(recompute_every is not None, self.walk, x, steps)
            kept |= more
        return kept

    def walk(self, x: Tensor, steps: Sequence[Apply | Downsample]) -> tuple[Tensor, dict[str, Tensor]]:
        """Take some steps from a state [B, channels, R, R]: the state after them, and the activations to keep."""
        kept: dict[str, Tensor] = {}
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
    """The top-down pass: latents drawn one after another, from the bottleneck up to the image.

    `steps` name entries of `blocks` and `embeddings`; they are numbered in their order. The final state is that of the
    image's `resolution`, and has `width` channels. States are stored in `memory_format`.
    """

    memory_format = torch.contiguous_format

    def __init__(
        self, width: int, resolution: int, initial_states: Iterable[InitialState], steps: Iterable[TopDown]
    ) -> None:
        super().__init__()
        self.resolution = resolution
        self.initial_states = tuple(initial_states)
        self.steps = tuple(step._replace(layer=layer) for layer, step in enumerate(steps))
        learned = [state for state in self.initial_states if state.name is not None]
        self.states = nn.ParameterDict({state.name: nn.Parameter(torch.zeros(1, *state.shape)) for state in learned})
        self.embeddings = nn.ModuleDict()
        self.blocks = nn.ModuleDict()
        self.gain = nn.Parameter(torch.ones(1, width, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, width, 1, 1))

    def block(self, step: TopDown) -> Cell:
        """The block of a step."""
        return cast(Cell, self.blocks[step.block])

    def begin(self, batch: int) -> dict[int, Tensor]:
        """The state of every resolution before the first block, each [batch, channels, R, R]."""
        states: dict[int, Tensor] = {}
        for state in self.initial_states:
            if state.name is not None:
                states[state.resolution] = self.states[state.name].expand(batch, *state.shape)
            else:
                zeros = self.gain.new_zeros(batch, *state.shape)
                states[state.resolution] = zeros.contiguous(memory_format=self.memory_format)
        return states

    def enter(self, step: TopDown, states: Mapping[int, Tensor]) -> Tensor:
        """The state that a block reads, [B, channels, R, R]: that of its resolution, plus a mix-in, normalized."""
        state = states[step.resolution]
        if step.source is not None and step.embedding is not None:
            state = mix_in(state, states[step.source], self.embeddings[step.embedding])
        return normalized(state, step.normalize)

    def noise_of(self, step: TopDown, state: Tensor, noise: Noise) -> Tensor:
        """The noise of a step on a state, [B, latent, R, R]."""
        drawn = noise(step.layer, (state.shape[0], step.latent, *state.shape[2:]))
        return drawn.contiguous(memory_format=self.memory_format)

    def infer(
        self, kept: Mapping[str, Tensor], noise: Noise, recompute_every: int | None = None
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """With z from the posterior: the final state [B, width, H, W], every z, and every KL in nats, [B]."""
        states, again = self.begin(next(iter(kept.values())).shape[0]), recompute_every is not None
        drawn: list[Drawn] = []
        for steps in segments(self.steps, recompute_every):
            states, more = computed_again(again, self.descend, states, kept, noise, steps)
            drawn += more
        return self.finish(states), [z for z, _ in drawn], [kl_nats for _, kl_nats in drawn]

    def descend(
        self, states: Mapping[int, Tensor], kept: Mapping[str, Tensor], noise: Noise, steps: Sequence[TopDown]
    ) -> tuple[dict[int, Tensor], list[Drawn]]:
        """Take some steps with z from the posterior: the states after them, and what was drawn."""
        after = dict(states)
        drawn = [self.take(step, after, kept, noise) for step in steps]
        return after, [item for item in drawn if item is not None]

    def take(self, step: TopDown, states: dict[int, Tensor], kept: Mapping[str, Tensor], noise: Noise) -> Drawn | None:
        """Take a step with z from the posterior."""
        state, block = self.enter(step, states), self.block(step)
        activation = torch.zeros_like(state) if step.slot is None else kept[step.slot]
        states[step.resolution], z, kl_nats = block(state, activation, self.noise_of(step, state, noise))
        return z, kl_nats

    def generate(self, batch: int, latents: Sequence[Tensor | None], temperature: Temperature, noise: Noise) -> Tensor:
        """With the given z, and the prior's where there is none: the final state [batch, width, H, W].

        Raises ValueError for the temperature of a resolution that the decoder does not have.
        """
        known = {step.resolution for step in self.steps}
        if isinstance(temperature, Mapping) and (unknown := [at for at in temperature if at not in known]):
            raise ValueError(f"temperature has resolution {unknown[0]!r}; the decoder has {sorted(known)}")
        states = self.begin(batch)
        for step in self.steps:
            z = latents[step.layer] if 0 <= step.layer < len(latents) else None
            self.draw(step, states, z, temperature_at(temperature, step.resolution), noise)
        return self.finish(states)

    def draw(self, step: TopDown, states: dict[int, Tensor], z: Tensor | None, t: float, noise: Noise) -> None:
        """Take a step with a given z, or with the prior's at temperature t."""
        state, block = self.enter(step, states), self.block(step)
        if z is not None:
            states[step.resolution] = block.generate_from(state, z)
        else:
            states[step.resolution], _ = block.generate(state, self.noise_of(step, state, noise), t)

    def finish(self, states: Mapping[int, Tensor]) -> Tensor:
        """The state that the likelihood reads, [B, width, H, W]."""
        return states[self.resolution] * self.gain + self.bias


class MixedDecoder(Decoder):
    """A decoder with blocks that draw no latent beside those that draw one: its steps are of both kinds.

    Only steps that draw are numbered; the noise, the latents and the KL are theirs alone.
    """

    def __init__(
        self, width: int, resolution: int, initial_states: Iterable[InitialState], steps: Iterable[TopDown]
    ) -> None:
        super().__init__(width, resolution, initial_states, steps)
        layers = count()
        self.steps = tuple(
            step._replace(layer=NO_LAYER if isinstance(step, DeterministicStep) else next(layers))
            for step in self.steps
        )

    def take(self, step: TopDown, states: dict[int, Tensor], kept: Mapping[str, Tensor], noise: Noise) -> Drawn | None:
        """Take a step; None of one that draws nothing."""
        if not isinstance(step, DeterministicStep):
            return super().take(step, states, kept, noise)
        states[step.resolution] = self.blocks[step.block](self.enter(step, states))
        return None

    def draw(self, step: TopDown, states: dict[int, Tensor], z: Tensor | None, t: float, noise: Noise) -> None:
        """Take a step; one that draws has a given z, or the prior's at temperature t."""
        if isinstance(step, DeterministicStep):
            states[step.resolution] = self.blocks[step.block](self.enter(step, states))
        else:
            super().draw(step, states, z, t, noise)


def normalized(state: Tensor, normalization: Normalization | None) -> Tensor:
    """A state [B, C, H, W] divided by its norm, if the model does that."""
    if normalization is None:
        return state
    over, _, norm = normalization.partition("_")
    return normalize_state(state, cast(Over, over), cast(Norm, norm))


def temperature_at(temperature: Temperature, resolution: int) -> float:
    """The temperature of a resolution; 1 if the mapping has none for it."""
    return temperature.get(resolution, 1.0) if isinstance(temperature, Mapping) else temperature

"""The forms in which cells compute after the optimizing passes: the same numbers to rounding, in less time and memory.

Shape legend: x the state and a the encoder activation, [B, channels, R, R]; z the latent, [B, latent, R, R].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hvaedsl.nn.blocks import Bottleneck
from hvaedsl.nn.cells.base import Cell
from hvaedsl.nn.fourier import fourier_features
from hvaedsl.nn.gaussian import Gaussian, kl_divergence_nats, split_gaussian
from hvaedsl.nn.passes import Decoder, Drawn, MixedDecoder, Noise
from hvaedsl.nn.precision import for_convolutions
from hvaedsl.nn.steps import InitialState, TopDown


class Form(NamedTuple):
    """How a cell computes; its parameters are the same in every form."""

    one_gelu: bool = False  # posterior and prior read one GELU of x
    hoisted: bool = False  # what the posterior's first convolution makes of a is computed before the applications
    joined: bool = False  # h and the projection of z are one convolution


class FormedDecoder(Decoder):
    """A decoder whose cells have forms, `forms` by the names of the blocks; a block without one computes as it is.

    Forward hooks on the cells and their parts are called only for blocks without a form. `compiled` has functions that
    replace `FormedCell.infer`, by the names of the blocks.
    """

    def __init__(
        self, width: int, resolution: int, initial_states: Iterable[InitialState], steps: Iterable[TopDown]
    ) -> None:
        super().__init__(width, resolution, initial_states, steps)
        self.forms: dict[str, Form] = {}
        self.compiled: dict[str, Infer] = {}

    def descend(
        self, states: Mapping[int, Tensor], kept: Mapping[str, Tensor], noise: Noise, steps: Sequence[TopDown]
    ) -> tuple[dict[int, Tensor], list[Drawn]]:
        """Take some steps with z from the posterior: the states after them, and what was drawn."""
        return super().descend(states, Readings(kept), noise, steps)

    def take(self, step: TopDown, states: dict[int, Tensor], kept: Mapping[str, Tensor], noise: Noise) -> Drawn | None:
        """Take a step; None of one that draws nothing."""
        if step.block not in self.forms:
            return super().take(step, states, kept, noise)
        state, cell = self.enter(step, states), FormedCell(self.block(step), self.forms[step.block])
        readings = cast(Readings, kept)
        eps = self.noise_of(step, state, noise)
        if cell.form.hoisted:
            assert step.slot is not None, "what a hoisted block reads is an activation"
            reading = readings.hoisted(step.block, cell, step.slot)
        else:
            activation = torch.zeros_like(state) if step.slot is None else kept[step.slot]
            reading = F.gelu(activation) if cell.form.one_gelu else activation
        joint = readings.joint(step.block, cell) if cell.form.joined else None
        infer = self.compiled.get(step.block, FormedCell.infer)
        states[step.resolution], z, kl_nats = infer(cell, state, reading, eps, joint)
        return z, kl_nats

    def draw(self, step: TopDown, states: dict[int, Tensor], z: Tensor | None, t: float, noise: Noise) -> None:
        """Take a step; one that draws has a given z, or the prior's at temperature t."""
        if step.block not in self.forms:
            super().draw(step, states, z, t, noise)
            return
        state, cell = self.enter(step, states), FormedCell(self.block(step), self.forms[step.block])
        eps = self.noise_of(step, state, noise) if z is None else None
        states[step.resolution] = cell.generate(state, z, eps, t)


class FormedMixedDecoder(FormedDecoder, MixedDecoder):
    """The same with blocks that draw no latent beside those that draw one."""


class Joint(NamedTuple):
    """The convolution that is that of the prior to h and that of z: [channels, mid + latent, 1, 1] and [channels]."""

    weight: Tensor
    bias: Tensor


class FormedCell(NamedTuple):
    """A cell in a form."""

    cell: Cell
    form: Form

    def hoisted(self, activated: Tensor) -> Tensor:
        """What the posterior's first convolution makes of the GELU of a, with its bias, [B, mid, R, R]."""
        first = self.cell.posterior.c1
        return F.conv2d(activated, first.weight[:, self.cell.channels :], first.bias)

    def joint(self) -> Joint:
        """The rows of the prior's last convolution that give h, beside the projection of z."""
        last, projection, rows = self.cell.prior.c4, cast(nn.Conv2d, self.cell.z_proj), 2 * self.cell.latent
        assert last.bias is not None
        assert projection.bias is not None
        return Joint(torch.cat((last.weight[rows:], projection.weight), dim=1), last.bias[rows:] + projection.bias)

    def infer(
        self, state: Tensor, reading: Tensor, noise: Tensor, joint: Joint | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """With z from the posterior: the next state, z, and KL(q || p) in nats per image, [B].

        `reading` is what `hoisted` has made of a; if the cell is not hoisted, the GELU of a or, without one GELU, a.
        """
        cell, form = self
        activated = for_convolutions(F.gelu(state)) if form.one_gelu or form.hoisted else None
        if activated is None:
            q = cell.posterior_parameters(state, reading)
        else:
            first = cell.posterior.c1
            if form.hoisted:
                read = F.conv2d(activated, first.weight[:, : cell.channels]) + reading
            else:
                read = first(torch.cat((activated, reading), dim=1))
            q = split_gaussian(cell.posterior.c4(inner(cell.posterior, read)))
        hidden = self._prior_hidden(state, activated if form.one_gelu else None)
        p, h = self._prior_outputs(hidden, joint)
        z = cell.draw(state, q, noise)
        kl_nats = kl_divergence_nats(*q, *p).sum(dim=(1, 2, 3))
        return self._following(state, hidden, h, z, joint), z, kl_nats

    def generate(self, state: Tensor, z: Tensor | None, noise: Tensor | None, temperature: float) -> Tensor:
        """The next state with a given z or, without one, with that of the prior, its sigma times `temperature`."""
        joint, hidden = self.joint() if self.form.joined else None, self._prior_hidden(state)
        if z is not None and joint is not None:
            return self._following(state, hidden, None, z, joint)
        p, h = self._prior_outputs(hidden, joint)
        if z is None:
            assert noise is not None, "a z of the prior is drawn"
            if not temperature > 0:
                raise ValueError(f"temperature must be above 0, not {temperature}")
            z = self.cell.draw(state, Gaussian(p.mean, p.log_sigma + math.log(temperature)), noise)
        return self._following(state, hidden, h, z, joint)

    def _prior_hidden(self, state: Tensor, activated: Tensor | None = None) -> Tensor:
        """What the prior's last convolution reads, [B, mid, R, R]; `activated` is the GELU of x, if it is known."""
        if activated is None:
            activated = F.gelu(fourier_features(state, self.cell.features.branches))
        return inner(self.cell.prior, self.cell.prior.c1(activated))

    def _prior_outputs(self, hidden: Tensor, joint: Joint | None) -> tuple[Gaussian, Tensor | None]:
        """p(z | x) and h, from what the prior's last convolution reads; a joint convolution makes no h of its own."""
        last, of_gaussian = self.cell.prior.c4, 2 * self.cell.latent
        if joint is not None:
            assert last.bias is not None
            return split_gaussian(F.conv2d(hidden, last.weight[:of_gaussian], last.bias[:of_gaussian])), None
        gaussian, h = last(hidden).split((of_gaussian, self.cell.h_channels), dim=1)
        return split_gaussian(gaussian), h

    def _following(self, state: Tensor, hidden: Tensor, h: Tensor | None, z: Tensor, joint: Joint | None) -> Tensor:
        """The next state; with a joint convolution, resnet(x + (h + W z)) with the bracket as one."""
        if joint is None:
            assert h is not None
            return self.cell.step(state, h, z)
        read = torch.cat((hidden, fourier_features(z, self.cell.features.sample).to(hidden.dtype)), dim=1)
        resnet = cast(nn.Module, self.cell.resnet)
        return cast(Tensor, resnet(state + F.conv2d(read, *joint)))


# The next state, z and the KL of a cell, from the state, the reading, noise and, in this form, the joint convolution.
Infer = Callable[[FormedCell, Tensor, Tensor, Tensor, Joint | None], tuple[Tensor, Tensor, Tensor]]


class Readings(dict[str, Tensor]):
    """The activations of the encoder by slot, and what blocks make of them and of their weights alone, once each."""

    def __init__(self, kept: Mapping[str, Tensor]) -> None:
        super().__init__(kept)
        self._activated: dict[str, Tensor] = {}
        self._hoisted: dict[tuple[str, str], Tensor] = {}
        self._joints: dict[str, Joint] = {}

    def hoisted(self, block: str, cell: FormedCell, slot: str) -> Tensor:
        """What the posterior of a block makes of the activation in a slot, [B, mid, R, R]."""
        if (block, slot) not in self._hoisted:
            if slot not in self._activated:
                self._activated[slot] = F.gelu(self[slot])
            self._hoisted[block, slot] = cell.hoisted(self._activated[slot])
        return self._hoisted[block, slot]

    def joint(self, block: str, cell: FormedCell) -> Joint:
        """The joint convolution of a block."""
        if block not in self._joints:
            self._joints[block] = cell.joint()
        return self._joints[block]


def inner(block: Bottleneck, hidden: Tensor) -> Tensor:
    """From the output of a block's first convolution to the input of its last one, both [B, mid, R, R]."""
    return F.gelu(block.c3(F.gelu(block.c2(F.gelu(hidden)))))

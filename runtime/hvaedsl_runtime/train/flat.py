"""The parameters of a model as views of one buffer: clip, update and average are then a few kernels for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

# Bytes at which each parameter starts: the kernels of a GPU read 16 at a time, those of a CPU up to 64.
ALIGNMENT = 64
# Numbers whose squares are summed at a time. One sum over 39 million float32 is wrong by 3e-3 on a CPU; sums of rows
# are by 3e-8.
ROW = 4096


@dataclass(frozen=True)
class Place:
    """A parameter: its name, its shape, the factor on its rate, and where it starts in the buffer, in numbers.

    A weight of a convolution, [out, in, height, width], is stored in the order of `channels_last` if it was so.
    """

    name: str
    shape: torch.Size
    factor: float
    start: int
    channels_last: bool = False

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + self.shape.numel()

    def view(self, buffer: Tensor) -> Tensor:
        """Its part of a buffer, in its shape."""
        part = buffer[self.start : self.end]
        if not self.channels_last:
            return part.view(self.shape)
        outputs, inputs, height, width = self.shape
        return part.view(outputs, height, width, inputs).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class FlatLayout:
    """Where the parameters of a model are in a buffer of `size` numbers.

    The trained ones come first: they are the first `trained_size` numbers. The others are fixed, and are only averaged.
    What lies between two parameters is zero and stays zero.
    """

    trained: tuple[Place, ...]
    fixed: tuple[Place, ...]
    trained_size: int
    size: int

    @classmethod
    def of(cls, model: nn.Module, factors: Mapping[str, float]) -> FlatLayout:
        """The layout of a model, whose trained parameters require a gradient and are sorted by their factors.

        `factors` are those on the rate, by name; a parameter without one has 1.

        A parameter of another type than the first trained one, such as one of integers, is in no buffer.
        """
        named = dict(model.named_parameters())
        found = [
            Place(name, parameter.shape, factors.get(name, 1.0), 0, not parameter.is_contiguous())
            for name, parameter in named.items()
        ]
        trained = [place for place in found if named[place.name].requires_grad]
        dtype = named[trained[0].name].dtype
        others = [place for place in found if not named[place.name].requires_grad and named[place.name].dtype == dtype]

        step = ALIGNMENT // dtype.itemsize
        first, trained_size = _placed(sorted(trained, key=lambda place: place.factor), 0, step)
        fixed, size = _placed(others, trained_size, step)
        return cls(first, fixed, trained_size, size)

    def views(self, buffer: Tensor) -> dict[str, Tensor]:
        """The parts of a buffer by the name of the parameter. One of `trained_size` numbers has the trained ones."""
        places = self.trained if len(buffer) < self.size else (*self.trained, *self.fixed)
        return {place.name: place.view(buffer) for place in places}


def _placed(places: Sequence[Place], start: int, step: int) -> tuple[tuple[Place, ...], int]:
    """The places one after the other from `start` on, each at a multiple of `step`, and the multiple where they end."""
    moved: list[Place] = []
    for place in places:
        moved.append(replace(place, start=start))
        start += -(-place.shape.numel() // step) * step
    return tuple(moved), start


@torch.no_grad()
def flatten(model: nn.Module, layout: FlatLayout) -> Tensor:
    """Move the parameters of a model into a new buffer, [size], and return it.

    They stay the same objects with the same values. The model must not be moved to another device or type afterwards:
    `check_flat` notices that.
    """
    first = model.get_parameter(layout.trained[0].name)
    buffer = torch.zeros(layout.size, dtype=first.dtype, device=first.device)
    for name, view in layout.views(buffer).items():
        parameter = model.get_parameter(name)
        view.copy_(parameter)
        parameter.data = view
    return buffer


def check_flat(model: nn.Module, layout: FlatLayout, buffer: Tensor) -> None:
    """Raise RuntimeError if the parameters of a model are not in its buffer any more: updates would be lost."""
    for place in (layout.trained[0], layout.trained[-1]):  # whoever moves a model moves all of them
        if model.get_parameter(place.name).data_ptr() != buffer[place.start :].data_ptr():
            raise RuntimeError(f"parameter {place.name} was moved out of the buffer of the optimizer (by `to`?)")


def norm_of(values: Tensor) -> Tensor:
    """The l2 norm of a buffer [N], a scalar, with a relative error of a few roundings at any N.

    A square that is not finite makes it infinite or NaN.
    """
    whole = len(values) // ROW * ROW
    rows, rest = values[:whole].view(-1, ROW), values[whole:]
    norm: Tensor = vector_norm(torch.cat((vector_norm(rows, dim=1), vector_norm(rest).reshape(1))))
    return norm


def clip_to_norm_(values: Tensor, norm: Tensor, most: float) -> None:
    """Scale a buffer of this norm, in place, so that its norm is at most `most` (torch's clip_grad_norm_)."""
    values.mul_((most / (norm + 1e-6)).clamp(max=1.0))


def is_applied(gradient_norm: Tensor, skip_above: float | None) -> Tensor:
    """Whether an update with this gradient norm is applied, a scalar: it is finite and strictly below the threshold.

    It is decided where the norm is, without waiting for it. The norm is a float64, so that the threshold is exact.
    """
    finite = gradient_norm.isfinite()
    return finite if skip_above is None else finite & (gradient_norm < skip_above)

"""Small models with every switch that affects what autograd keeps, and a measurement of what it keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from unittest import mock

import torch
from hypothesis import strategies as st
from torch import Tensor

import hvaedsl
from hvaedsl.ir.memory import Precision
from hvaedsl.ir.pass_names import PASSES
from hvaedsl.nn import recomputation

Storages = dict[int, Tensor]  # a tensor of each storage, by its address; it keeps the address from being used again
LIKELIHOODS = {
    1: ("bernoulli", "mixture_of_logistics(1)", "mixture_of_logistics(7)", "gaussian"),
    2: ("mixture_of_logistics(4)", "gaussian"),
    3: (
        "mixture_of_logistics(1)",
        "mixture_of_logistics(5)",
        "mixture_of_logistics(10, bits = 5)",
        "mixture_of_logistics(5, channels = independent)",
        "gaussian",
        "gaussian(channels = independent)",
    ),
    7: ("mixture_of_logistics(3)", "gaussian"),
}


@st.composite
def models(draw: st.DrawFn) -> hvaedsl.Program:
    """A program that runs in milliseconds; its widths are large beside what is counted once for each image."""
    pooling = draw(st.sampled_from(("average", "strided", "wavelet(haar)", "wavelet(db2)")))
    image = draw(st.sampled_from((4, 8, 12, 16)))
    levels = [image]
    while levels[-1] > 1 and draw(st.integers(0, 3)):
        factors = [2, 4] if "wavelet" in pooling else [2, 3, 4, 6, 8]
        factors = [factor for factor in factors if levels[-1] % factor == 0]
        if not factors:
            break
        levels.append(levels[-1] // draw(st.sampled_from(factors)))

    # Widths do not fall on the way down, so that states can be padded and cut.
    cell = draw(st.sampled_from(("vdvae", "non_residual", "nvae", "euler_maruyama")))
    blocks = {level: draw(st.sampled_from(("residual", "attention", "attention(heads = 4)"))) for level in levels}
    width = draw(st.sampled_from((20, 32, 48)))
    grows = cell != "euler_maruyama" and draw(st.booleans())
    widths = {level: width + 12 * depth * grows for depth, level in enumerate(levels)}
    latent = width if cell == "euler_maruyama" else draw(st.integers(2, 12))
    skips = draw(st.sampled_from(("all", "none")))
    encoder, counts = _encoder(draw, levels)
    latents, cells = _by_resolution(draw, levels, cell, latent, skips)
    synchronous = draw(st.booleans()) and all(counts.values())
    decoder = _synchronous(draw, levels, counts) if synchronous else _free(draw, levels, image, skips)

    sides = str(image)
    if draw(st.booleans()):
        sides = f"({image}, {image // math.gcd(*levels) * draw(st.integers(1, 5))})"
    channels = draw(st.sampled_from(sorted(LIKELIHOODS)))
    likelihood = draw(st.sampled_from(LIKELIHOODS[channels]))
    places = ["block", "branches", "image", *([] if cell == "euler_maruyama" else ["sample"])]
    at = draw(st.lists(st.sampled_from(places), unique=True)) if draw(st.booleans()) else []
    exponents = draw(st.sampled_from(("1", "-1, 2", "3, 5, 7")))
    norm, over = draw(st.sampled_from(("none", "none", "l2", "rms"))), draw(st.sampled_from(("sample", "batch")))
    level_count = draw(st.sampled_from((256, 256, 2, 4096))) if "bits" not in likelihood else 256
    passes = draw(st.lists(st.sampled_from(PASSES), unique=True))
    values = f"levels = {level_count}  binarize = {'threshold' if likelihood == 'bernoulli' else 'none'}"
    if likelihood.startswith("gaussian"):
        values = "values = real"
    return hvaedsl.loads(f"""hvae 1
data {{ dataset = npy  channels = {channels}  resolution = {sides}  {values} }}
model {{
  width = {width}  latent = {latents}  likelihood = {likelihood}  cell = {cells}  pooling = {pooling}  skips = {skips}
  widths = {{{", ".join(f"{level}: {found}" for level, found in widths.items())}}}
  bottleneck = {draw(st.sampled_from(("0.25", "0.5", "1")))}
  block = {_map(blocks)}
  bias_up_to = {draw(st.sampled_from((0, 2, 4, 64)))}
  processing = {"synchronous" if synchronous else "asynchronous"}
  encoder = {encoder}
  decoder = {decoder}
  fourier {{ at = {", ".join(at) or "none"}  exponents = {exponents} }}
  normalize_state {{ over = {over}  norm = {norm} }}
}}
train {{ passes = {", ".join(passes) or "none"} }}
""")


def _by_resolution(draw: st.DrawFn, levels: list[int], cell: str, latent: int, skips: str) -> tuple[str, str]:
    """The latents and the cells: one of each, or maps in which some blocks draw nothing."""
    if cell == "euler_maruyama" or draw(st.booleans()):
        return str(latent), cell
    needed = levels[0] if skips == "all" else levels[-1]
    silent = {level for level in levels if level != needed and draw(st.booleans())}
    latents = {level: 0 if level in silent else latent + at for at, level in enumerate(levels)}
    drawing = ("vdvae", "nvae", "non_residual")
    cells = {level: draw(st.sampled_from(drawing[:2] if level in silent else drawing)) for level in levels}
    return _map(latents), _map(cells)


def _map(values: Mapping[int, object]) -> str:
    return f"{{{', '.join(f'{at}: {value}' for at, value in values.items())}}}"


def _encoder(draw: st.DrawFn, levels: list[int]) -> tuple[str, dict[int, int]]:
    items: list[str] = []
    counts: dict[int, int] = {}
    for level, below in zip(levels, [*levels[1:], None], strict=True):
        count = draw(st.integers(1 if len(levels) == 1 else 0, 2))
        if count:
            items.append(f"{level}{draw(st.sampled_from('xr'))}{count}")
        if below is not None:
            items.append(f"{level}d{level // below}")
            count += 1
        counts[level] = count
    return ", ".join(items), counts


def _synchronous(draw: st.DrawFn, levels: list[int], counts: dict[int, int]) -> str:
    """As many blocks at each resolution as the encoder has."""
    items: list[str] = []
    for below, level in zip([None, *reversed(levels[1:])], reversed(levels), strict=True):
        left = counts[level]
        if below is not None and draw(st.booleans()):
            items.append(f"{level}m{below}")
            left -= 1
        if left:
            items.append(f"{level}{draw(st.sampled_from('xr'))}{left}")
    return ", ".join(items)


def _free(draw: st.DrawFn, levels: list[int], image: int, skips: str) -> str:
    """Resolutions in any order, some of them twice, up to the image's."""
    visits = draw(st.lists(st.sampled_from(levels), max_size=3))
    applied: list[int] = []
    items: list[str] = []
    for level in [*([levels[-1]] if skips == "none" or draw(st.booleans()) else []), *visits, image]:
        sources = [source for source in applied if source < level]
        mixed = bool(sources) and draw(st.booleans())
        if mixed:
            items.append(f"{level}m{draw(st.sampled_from(sources))}")
        if not mixed or draw(st.booleans()):
            items.append(f"{level}{draw(st.sampled_from('xr'))}{draw(st.integers(1, 2))}")
        applied.append(level)
    return ", ".join(items)


class Measurement:
    """The storages that autograd keeps of one training step, without parameters, buffers and images.

    With `every`, those that each segment keeps while it is recomputed are apart from those kept all along.
    """

    def __init__(self, program: hvaedsl.Program, batch: int, precision: Precision, every: int | None) -> None:
        data, model = program.spec.data, program.module().float()
        model.recompute_every = every
        x = torch.randn(batch, *data.shape[:2], program.bridge.stem.in_channels)
        target = torch.zeros(batch, *data.shape)
        self._given = {_address(tensor) for tensor in (*model.parameters(), *model.buffers(), x, target)}
        self.kept: Storages = {}
        self.segments: list[Storages] = []

        with (
            self._saved_into(self.kept),
            torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"),
            mock.patch.object(recomputation, "checkpoint", self._segment),
        ):
            model(x, target)

        self.kept_bytes = _bytes(self.kept)
        self.bytes_of_segments = [_bytes(self.kept | segment) for segment in self.segments]  # with all that is kept

    def _segment(self, function: Callable[..., object], *args: Any, **_: Any) -> object:
        """In the place of torch's `checkpoint`: what it keeps, the arguments, and what it keeps when it recomputes."""
        for tensor in _tensors_in(args):
            self._add(self.kept, tensor)
        self.segments.append({})
        with self._saved_into(self.segments[-1]):
            return function(*args)

    def _saved_into(self, storages: Storages) -> torch.autograd.graph.saved_tensors_hooks:
        return torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: self._add(storages, tensor), lambda tensor: tensor
        )

    def _add(self, storages: Storages, tensor: Tensor) -> Tensor:
        if tensor.numel() and _address(tensor) not in self._given:
            storages[_address(tensor)] = tensor
        return tensor


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _bytes(storages: Storages) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in storages.values())


def _tensors_in(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors_in(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from _tensors_in(item)

"""Measuring custom cells and likelihoods by their shapes: torch's meta device computes no numbers.

The measurements become part of the cost. Mistakes are reported before a model is built.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hvaedsl.custom.importing import CustomPartError, error_summary, import_custom
from hvaedsl.ir.bridge import Bridge, Head, TopDownBlock
from hvaedsl.ir.custom import Measured
from hvaedsl.lowering.python.model_text import DETERMINISTIC
from hvaedsl.nn.fourier import CellFeatures
from hvaedsl.nn.passes import decoder_block
from hvaedsl.nn.protocols import PixelLikelihood, TopDownCell
from hvaedsl.passes.measuring import Attach, CellShape, cell_shape

_META = torch.device("meta")


def custom_class(reference: str, folders: Sequence[Path] = ()) -> type[nn.Module]:
    """The class of a custom cell or likelihood. Raises `CustomPartError` if there is none."""
    part = import_custom(reference, folders)
    if not (inspect.isclass(part) and issubclass(part, nn.Module)):
        raise CustomPartError(
            "it is not a torch module class", f"a {type(part).__name__}", "derive it from torch.nn.Module"
        )
    return part


def measure(
    bridge: Bridge, levels: int, *, cells: Mapping[str, type[nn.Module]], likelihood: type[nn.Module] | None = None
) -> Attach:
    """Measure custom cells, by their references, and a custom likelihood. Raises `CustomPartError` for an unusable one.

    Cells of the bridge that are not among them are left out.
    """
    measured: dict[CellShape, Measured] = {}
    for op in bridge.operations:
        if isinstance(op, TopDownBlock) and op.cell in cells and cell_shape(op) not in measured:
            measured[cell_shape(op)] = _measure_cell(cells[op.cell], op)
    of_likelihood = _measure_likelihood(likelihood, bridge.head, levels) if likelihood is not None else None
    return Attach(measured, of_likelihood)


def _measure_cell(kind: type[nn.Module], op: TopDownBlock) -> Measured:
    features = CellFeatures(op.branch_features, op.z_features, op.resnet_features)
    given = [features] if any(features) else []
    if not op.draws:
        return _measure_deterministic(kind, op, given)

    shape = (op.channels, op.mid, op.latent, op.kernel)
    arguments = "be built with (channels, mid_channels, latent, kernel)"
    made = _built(lambda: decoder_block(kind(*shape, *given), applications=1), arguments)
    cell = cast(TopDownCell, made)

    # Two images: a size that the batch alone has is then told from a size of 1.
    state = torch.empty((2, op.channels, *op.size), device=_META, requires_grad=True)
    noise = torch.empty((2, op.latent, *op.size), device=_META)
    activation = torch.empty_like(state, requires_grad=True)

    # From the posterior, as in training: this is what costs are counted for.
    with FlopCounterMode(display=False) as counter, _Saved(made) as saved:
        found = _tried(lambda: cell(state, activation, noise), "forward(state, activation, noise)")
    following, z, kl_nats = _three(found)
    _check_shape(following, state.shape, "the next state that forward gives")
    _check_shape(z, noise.shape, "the z that forward gives")
    _check_shape(kl_nats, torch.Size((2,)), "the KL that forward gives, in nats per image,")

    outgoing = _without_gradient(made, cast(Tensor, kl_nats))

    # From the prior, and with a given z, as in sampling.
    with torch.no_grad():
        drawn = _tried(lambda: cell.generate(state, noise, 0.7), "generate(state, noise, temperature)")
        if not isinstance(drawn, tuple) or len(drawn) != 2:
            raise CustomPartError("generate gives the next state and z, a pair", "another result", "return (state, z)")
        _check_shape(drawn[0], state.shape, "the next state that generate gives")
        _check_shape(drawn[1], noise.shape, "the z that generate gives")
        again = _tried(lambda: cell.generate_from(state, noise), "generate_from(state, z)")
        _check_shape(again, state.shape, "the next state that generate_from gives")
    return _measured(made, counter, saved, outgoing)


def _measure_deterministic(kind: type[nn.Module], op: TopDownBlock, given: Sequence[CellFeatures]) -> Measured:
    """Measure what a cell is without a latent. Raises `CustomPartError` if it needs one."""
    without_latent = deterministic_class(kind, op.resolution)
    arguments = f"be built without a latent, as {DETERMINISTIC}(channels, mid_channels, kernel)"
    made = _built(
        lambda: decoder_block(without_latent(op.channels, op.mid, op.kernel, *given), applications=1), arguments
    )
    state = torch.empty((2, op.channels, *op.size), device=_META, requires_grad=True)
    with FlopCounterMode(display=False) as counter, _Saved(made) as saved:
        following = _tried(lambda: made(state), f"forward(state) of its {DETERMINISTIC}")
    _check_shape(following, state.shape, "the next state that it gives without a latent")
    return _measured(made, counter, saved, tuple(name for name, _ in made.named_parameters()))


def deterministic_class(kind: type[nn.Module], resolution: int) -> type[nn.Module]:
    """The class that takes the place of a custom cell where `latent` is 0. Raises `CustomPartError` if it has none."""
    found = getattr(kind, DETERMINISTIC, None)
    if not (inspect.isclass(found) and issubclass(found, nn.Module)):
        raise CustomPartError(
            f"`latent` is 0 at {resolution}, and it has no class `{DETERMINISTIC}`",
            "needs a latent",
            f"give {resolution} a latent or another cell; docs/custom.md says what `{DETERMINISTIC}` is",
        )
    return found


def needing_a_latent(
    bridge: Bridge, custom: Mapping[str, type[nn.Module]]
) -> Iterator[tuple[int, str, CustomPartError]]:
    """The custom cells, by reference, that have latent 0 at a resolution and do not take it."""
    blocks = (op for op in bridge.operations if isinstance(op, TopDownBlock) and not op.draws and op.cell in custom)
    for resolution, cell in dict.fromkeys((op.resolution, op.cell) for op in blocks):
        try:
            deterministic_class(custom[cell], resolution)
        except CustomPartError as error:
            yield resolution, cell, error


def _measure_likelihood(kind: type[nn.Module], op: Head, levels: int) -> Measured:
    if (gives := getattr(kind, "gives", None)) not in (None, "mass", "density"):
        raise CustomPartError(f"its `gives` is {gives!r}", "gives another word", 'set `gives` to "mass" or "density"')
    check_density(kind, levels)
    made = _built(lambda: kind(op.channels, op.image_channels, levels), "be built with (width, channels, levels)")
    likelihood = cast(PixelLikelihood, made)
    state = torch.empty((2, op.channels, *op.size), device=_META, requires_grad=True)
    target = torch.empty((2, *op.size, op.image_channels), device=_META)
    with FlopCounterMode(display=False) as counter, _Saved(made) as saved:
        nll = _tried(lambda: likelihood.nll_nats_per_dim(state, target), "nll_nats_per_dim(state, target)")
    _check_shape(nll, torch.Size((2,)), "the distortion, in nats per dimension of each image,")
    with torch.no_grad():
        _check_shape(_tried(lambda: likelihood.mean(state), "mean(state)"), target.shape, "the mean")
    return _measured(made, counter, saved, ())


def check_density(kind: type[nn.Module], levels: int) -> None:
    """Raise `CustomPartError` if a likelihood of real values, which have 0 levels, is not stated to be a density."""
    gives = getattr(kind, "gives", None)
    if not levels and gives != "density":
        stated = "it does not say what it gives" if gives is None else f"it gives a {gives}"
        raise CustomPartError(
            f"`data.values` is `real`, and {stated}", "no density", 'a density says `gives = "density"` in its class'
        )


def _measured(part: nn.Module, counter: FlopCounterMode, saved: _Saved, outgoing: tuple[str, ...]) -> Measured:
    named = dict(part.named_parameters())
    return Measured(
        tuple((name, tuple(value.shape)) for name, value in named.items()),
        flops=counter.get_total_flops() // 2,
        saved_bytes=saved.bytes // 2,
        outgoing=outgoing,
        frozen=tuple(name for name, value in named.items() if not value.requires_grad),
    )


def _without_gradient(cell: nn.Module, kl_nats: Tensor) -> tuple[str, ...]:
    """The parameters that the rate does not train."""
    named = {name: value for name, value in cell.named_parameters() if value.requires_grad}
    if not named or not kl_nats.requires_grad:
        return tuple(named)
    gradients = torch.autograd.grad(kl_nats.sum(), list(named.values()), allow_unused=True)
    return tuple(name for name, gradient in zip(named, gradients, strict=True) if gradient is None)


def _built(build: Callable[[], nn.Module], what: str) -> nn.Module:
    try:
        with _META:
            return build()
    except Exception as error:
        raise CustomPartError(
            f"it cannot {what}: {error_summary(error)}", "not built", "docs/custom.md has an example"
        ) from error


def _tried(call: Callable[[], object], what: str) -> object:
    try:
        return call()
    except Exception as error:
        raise CustomPartError(
            f"{what} fails: {error_summary(error)}", "fails", "docs/custom.md has an example"
        ) from error


def _three(given: object) -> tuple[object, object, object]:
    if not isinstance(given, tuple) or len(given) != 3:
        raise CustomPartError(
            "forward gives the next state, z and the KL", "another result", "return (state, z, kl_nats)"
        )
    return cast(tuple[object, object, object], given)


def _check_shape(given: object, wanted: torch.Size, what: str) -> None:
    found = list(given.shape) if isinstance(given, Tensor) else type(given).__name__
    if found != list(wanted):
        batch = ["B", *wanted[1:]]
        shown = ["B", *found[1:]] if isinstance(found, list) and found[:1] == [2] else found
        raise CustomPartError(
            f"{what} is {_shape(shown)}, but must be {_shape(batch)}", "another shape", "fix the custom part"
        )


def _shape(sizes: object) -> str:
    return f"[{', '.join(map(str, sizes))}]" if isinstance(sizes, list) else f"a {sizes}"


class _Saved:
    """Count the bytes that autograd keeps, without parameters; meta tensors have sizes and no content."""

    def __init__(self, part: nn.Module) -> None:
        self.bytes = 0
        # Storages by their identity; they are held, so that none is used again.
        self._held = {tensor.untyped_storage()._cdata: tensor for tensor in (*part.parameters(), *part.buffers())}
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda tensor: tensor)

    def _pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._held:
            self._held[storage._cdata] = tensor
            self.bytes += storage.nbytes()
        return tensor

    def __enter__(self) -> _Saved:
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.__exit__(*error)

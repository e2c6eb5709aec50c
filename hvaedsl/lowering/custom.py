"""Measuring custom blocks, cells and likelihoods by their shapes: torch's meta device computes no numbers.

The measurements become part of the cost. Mistakes are reported before a model is built.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from hvaedsl.custom.importing import CustomPartError, error_summary, import_custom
from hvaedsl.ir.bridge import Block, Bridge, EncoderBlock, Head, TopDownBlock
from hvaedsl.ir.custom import Measured
from hvaedsl.lowering.python.model_text import DETERMINISTIC
from hvaedsl.nn.blocks import residual_block, scaled_for_depth
from hvaedsl.nn.fourier import CellFeatures
from hvaedsl.nn.protocols import PixelLikelihood, TopDownCell
from hvaedsl.passes.measuring import Attach, BlockShape, CellShape, block_shape, cell_shape

_META = torch.device("meta")
_NONE: Mapping[str, type[nn.Module]] = MappingProxyType({})


def custom_class(reference: str, folders: Sequence[Path] = ()) -> type[nn.Module]:
    """The class of a custom block, cell or likelihood. Raises `CustomPartError` if there is none."""
    part = import_custom(reference, folders)
    if not (inspect.isclass(part) and issubclass(part, nn.Module)):
        raise CustomPartError(
            "it is not a torch module class", f"a {type(part).__name__}", "derive it from torch.nn.Module"
        )
    return part


def measure(
    bridge: Bridge,
    levels: int,
    *,
    blocks: Mapping[str, type[nn.Module]] = _NONE,
    cells: Mapping[str, type[nn.Module]] = _NONE,
    likelihood: type[nn.Module] | None = None,
) -> Attach:
    """Measure custom blocks and cells, by their references, and a likelihood. Raises `CustomPartError` for a bad one.

    Blocks and cells of the bridge that are not among them are left out.
    """
    of_blocks: dict[BlockShape, Measured] = {}
    measured: dict[CellShape, Measured] = {}
    for op in bridge.operations:
        if isinstance(op, EncoderBlock | TopDownBlock) and op.block in blocks and block_shape(op) not in of_blocks:
            of_blocks[block_shape(op)] = _measure_block(blocks[op.block], op)
        if isinstance(op, TopDownBlock) and op.cell in cells and cell_shape(op) not in measured:
            measured[cell_shape(op)] = _measure_cell(cells[op.cell], op)
    of_likelihood = _measure_likelihood(likelihood, bridge.head, levels) if likelihood is not None else None
    return Attach(measured, of_likelihood, of_blocks)


def _measure_block(kind: type[nn.Module], op: Block) -> Measured:
    features = op.features if isinstance(op, EncoderBlock) else op.resnet_features
    arguments = f"be built with (channels, mid_channels, kernel{', features' if features else ''})"
    shape = (op.channels, op.mid, op.kernel)
    made = _built(lambda: scaled_for_depth(residual_block(kind, *shape, features), applications=1), arguments)
    state = torch.empty((2, op.channels, *op.size), device=_META, requires_grad=True)
    before = {name: buffer._version for name, buffer in made.named_buffers()}
    with FlopCounterMode(display=False) as counter, _Saved(made, state) as saved:
        following = _tried(lambda: made(state), "forward(state)")
    _check_shape(following, state.shape, "the state that it gives")

    # The state would depend on the images that were computed before, and on how a batch is split. On shapes alone,
    # running statistics are not written.
    modules = made.named_modules()
    changed = [f"{name}.running_mean" for name, module in modules if getattr(module, "track_running_stats", False)]
    changed += [name for name, buffer in made.named_buffers() if buffer._version != before.get(name)]
    if changed:
        raise CustomPartError(
            f"it keeps state: forward changes its buffer {changed[0]}",
            "keeps state",
            "use a layer without running statistics, such as GroupNorm for BatchNorm",
        )
    return _measured(made, counter, saved, ())


def _measure_cell(kind: type[nn.Module], op: TopDownBlock) -> Measured:
    features = CellFeatures(op.branch_features, op.z_features, op.resnet_features)
    given = [features] if any(features) else []
    if not op.draws:
        return _measure_deterministic(kind, op, given)

    shape = (op.channels, op.mid, op.latent, op.kernel)
    arguments = "be built with (channels, mid_channels, latent, kernel)"
    made = _built(lambda: scaled_for_depth(kind(*shape, *given), applications=1), arguments)
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
        lambda: scaled_for_depth(without_latent(op.channels, op.mid, op.kernel, *given), applications=1), arguments
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
        keeps_input=saved.keeps_input,
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
    """Count the bytes that autograd keeps, without parameters; meta tensors have sizes and no content.

    Nor is `given`, the input of a block, which other operations may keep too; `keeps_input` says whether it is kept.
    """

    def __init__(self, part: nn.Module, given: Tensor | None = None) -> None:
        self.bytes = 0
        self.keeps_input = False
        self._given = None if given is None else given.untyped_storage()._cdata
        self._fused = _FusedAttention()
        # Storages by their identity; they are held, so that none is used again.
        self._held = {tensor.untyped_storage()._cdata: tensor for tensor in (*part.parameters(), *part.buffers())}
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda tensor: tensor)

    def _pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata == self._given:
            self.keeps_input = True
        elif storage._cdata not in self._held:
            self._held[storage._cdata] = tensor
            self.bytes += storage.nbytes()
        return tensor

    def __enter__(self) -> _Saved:
        self._fused.__enter__()  # type: ignore[no-untyped-call]  # torch's
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._hooks.__exit__(*error)
        self._fused.__exit__(*error)  # type: ignore[no-untyped-call]  # torch's


class _FusedAttention(TorchFunctionMode):
    """Compute `scaled_dot_product_attention` by a fused kernel where a CPU or GPU has one for its arguments.

    Torch's meta device has none: it would keep the weights of all pairs of positions, which no device does. The fused
    kernel of CPUs has a form on shapes alone; it keeps what those of GPUs keep, to a few numbers for each position.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The result of a call of torch."""
        called = _attention if function is F.scaled_dot_product_attention else function
        return called(*args, **(kwargs or {}))


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """With the arguments of `scaled_dot_product_attention`: as it, by the fused kernel if that takes them."""
    tensors = (query, key, value)
    is_fused = (
        query.is_meta
        and all(tensor.ndim == 4 and tensor.stride(-1) == 1 and tensor.numel() for tensor in tensors)
        and query.shape[1] == key.shape[1] == value.shape[1]
        and query.shape[-1] == key.shape[-1] == value.shape[-1]
        and (attn_mask is None or (attn_mask.is_floating_point() and not attn_mask.requires_grad))
        and dropout_p == 0
    )
    if not is_fused:
        return F.scaled_dot_product_attention(
            *tensors, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
    result: Tensor
    result, _ = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale
    )
    return result

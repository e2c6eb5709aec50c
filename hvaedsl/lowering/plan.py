"""The plan of a module graph: which modules there are, and in which order they read and write what. Torch-free.

The steps are those that the model itself takes (`hvaedsl.nn.steps`). Activations of the encoder are kept in slots; only
those that some block reads are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hvaedsl.ir.bridge import FORM, Bridge, EncoderBlock, MixIn, Operation, Pool, State, TopDownBlock, stack_of
from hvaedsl.ir.fourier import Exponents
from hvaedsl.ir.image_size import columns_at
from hvaedsl.ir.likelihood import Likelihood
from hvaedsl.ir.parameter_names import Group, block_attributes, resampling_attribute, state_attribute
from hvaedsl.ir.pooling import Embedding, Pooling
from hvaedsl.ir.residual_blocks import DEFAULT_BLOCK
from hvaedsl.nn.steps import NO_LAYER, Apply, DeterministicStep, Downsample, InitialState, TopDown


@dataclass(frozen=True, slots=True)
class BlockModule:
    """One set of weights: a residual block of the encoder, or (with `latent` and `cell`) a top-down block.

    The exponents are those of Fourier features: of a residual block's input, and inside a top-down block.
    """

    name: str
    channels: int
    mid: int
    kernel: int
    block_features: Exponents = ()
    latent: int | None = None
    cell: str | None = None
    branch_features: Exponents = ()
    z_features: Exponents = ()
    draws: bool = True
    block: str = DEFAULT_BLOCK  # of the encoder, or of the residual step of a top-down block
    form: tuple[str, ...] = ()  # how a top-down block computes: fields of `hvaedsl.nn.forms.Form`


@dataclass(frozen=True, slots=True)
class Resampling:
    """A pooling, or the embedding of a coarser state: a module without parameters."""

    name: str
    method: Pooling | Embedding
    fine: int
    coarse: int
    fine_columns: int | None = None  # of a state that is not square

    @property
    def factor(self) -> int:
        """How many times the resolution falls or rises."""
        return self.fine // self.coarse


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that lowering to torch needs."""

    image_resolution: int
    image_columns: int | None  # of images that are not square
    image_channels: int
    levels: int
    image_features: Exponents  # of what the stem reads
    width: int
    likelihood: Likelihood
    stem_slot: str | None
    pools: tuple[Resampling, ...]
    embeddings: tuple[Resampling, ...]
    encoder_blocks: tuple[BlockModule, ...]
    encoder_steps: tuple[Apply | Downsample, ...]
    encoder_applications: int
    states: tuple[InitialState, ...]
    decoder_blocks: tuple[BlockModule, ...]
    decoder_steps: tuple[TopDown, ...]

    def size_at(self, resolution: int) -> tuple[int, int]:
        """Height and width of the states at a resolution."""
        if self.image_columns is None:
            return resolution, resolution
        return resolution, columns_at(resolution, self.image_resolution, self.image_columns)

    @property
    def layers(self) -> tuple[TopDown, ...]:
        """The steps that draw a latent, in the order of their numbers."""
        return tuple(step for step in self.decoder_steps if not isinstance(step, DeterministicStep))

    @property
    def latent_shapes(self) -> tuple[tuple[int, int, int], ...]:
        """The shape of each layer's latent, (latent, height, width)."""
        return tuple((step.latent, *self.size_at(step.resolution)) for step in self.layers)


def make_plan(bridge: Bridge, likelihood: Likelihood, levels: int) -> Plan:
    """The plan of a verified and connected bridge."""
    ops = bridge.operations
    slots, names = _slots(ops), block_attributes(bridge)

    # A pooling follows the block of its entry.
    encoder_steps: list[Apply | Downsample] = []
    for index, op in bridge.encoder:
        if isinstance(op, EncoderBlock):
            encoder_steps.append(Apply(names["encoder", op.group], op.normalize, slots.get(index)))
        elif isinstance(op, Pool):
            name = resampling_attribute(op.resolution, op.to)
            encoder_steps.append(Downsample(name, op.channels, op.normalize, slots.get(index)))

    return Plan(
        image_resolution=bridge.image_resolution,
        image_columns=bridge.image_columns,
        image_channels=bridge.image_channels,
        levels=levels,
        image_features=bridge.stem.features,
        width=bridge.head.channels,
        likelihood=likelihood,
        stem_slot=slots.get(0),
        pools=_resamplings(ops, Pool),
        embeddings=_resamplings(ops, MixIn),
        encoder_blocks=_modules(ops, EncoderBlock, names),
        encoder_steps=tuple(encoder_steps),
        encoder_applications=sum(isinstance(op, EncoderBlock) for op in ops),
        states=tuple(
            InitialState(op.resolution, op.channels, state_attribute(op.resolution) if op.learned else None, op.columns)
            for op in ops
            if isinstance(op, State)
        ),
        decoder_blocks=_modules(ops, TopDownBlock, names),
        decoder_steps=tuple(_decoder_steps(bridge, slots, names)),
    )


def _modules(
    ops: tuple[Operation, ...], kind: type[EncoderBlock | TopDownBlock], names: Mapping[Group, str]
) -> tuple[BlockModule, ...]:
    found: dict[str, BlockModule] = {}
    for op in ops:
        if isinstance(op, kind) and op.application == 0:
            shape = (names[stack_of(op), op.group], op.channels, op.mid, op.kernel)
            if isinstance(op, TopDownBlock):
                inside = (op.branch_features, op.z_features, op.draws)
                form = tuple(name for name in FORM if getattr(op, name))
                made = BlockModule(*shape, op.resnet_features, op.latent, op.cell, *inside, block=op.block, form=form)
            else:
                made = BlockModule(*shape, op.features, block=op.block)
            found[op.group] = made
    return tuple(found.values())


def _resamplings(ops: tuple[Operation, ...], kind: type[Pool | MixIn]) -> tuple[Resampling, ...]:
    found: dict[str, Resampling] = {}
    for op in ops:
        if not isinstance(op, kind):
            continue
        method: Pooling | Embedding
        if isinstance(op, Pool):
            start, end, method = op.resolution, op.to, op.method
        else:
            start, end, method = op.source, op.resolution, op.embedding
        name = resampling_attribute(start, end)
        # Both are at the higher of the two resolutions.
        found[name] = Resampling(name, method, max(start, end), min(start, end), op.columns)
    return tuple(found.values())


def _slots(ops: tuple[Operation, ...]) -> dict[int, str]:
    """The slot of each operation whose activation is read: `r16`, or `r16_0`, `r16_1`, ... if several at 16 are."""
    read = {op.reads: op.resolution for op in ops if isinstance(op, TopDownBlock) and op.reads is not None}
    by_resolution: dict[int, list[int]] = {}
    for index, resolution in sorted(read.items()):
        by_resolution.setdefault(resolution, []).append(index)
    return {
        index: f"r{resolution}" if len(indices) == 1 else f"r{resolution}_{number}"
        for resolution, indices in by_resolution.items()
        for number, index in enumerate(indices)
    }


def _decoder_steps(bridge: Bridge, slots: Mapping[int, str], names: Mapping[Group, str]) -> list[TopDown]:
    steps: list[TopDown] = []
    source: int | None = None
    for _, op in bridge.decoder:
        if isinstance(op, MixIn):
            source = op.source
        elif isinstance(op, TopDownBlock):
            kind = TopDown if op.draws else DeterministicStep
            steps.append(
                kind(
                    block=names["decoder", op.group],
                    resolution=op.resolution,
                    source=source,
                    embedding=None if source is None else resampling_attribute(source, op.resolution),
                    normalize=op.normalize,
                    slot=None if op.reads is None else slots[op.reads],
                    layer=NO_LAYER if op.layer is None else op.layer,
                    latent=op.latent,
                )
            )
            source = None
    return steps

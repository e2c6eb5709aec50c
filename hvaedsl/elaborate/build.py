"""From the resolved spec to the bridge: blocks expanded in order, weight groups named, latents numbered.

The builder checks nothing: wrong resolutions go into the bridge as they are, so that the rules see the whole walk and
report each mistake once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hvaedsl.ir.blocks import Entry
from hvaedsl.ir.bridge import Bridge, EncoderBlock, Head, MixIn, Operation, Pool, State, Stem, TopDownBlock
from hvaedsl.ir.cells import cell_kind
from hvaedsl.ir.fourier import FourierPlace, with_features
from hvaedsl.ir.likelihood import PUBLISHED_LEVELS
from hvaedsl.ir.pooling import embedding_of
from hvaedsl.ir.residual_blocks import DEFAULT_BLOCK, in_bridge
from hvaedsl.ir.spec import Spec


def build_bridge(spec: Spec) -> Bridge:
    """The bridge of a spec. The pass `Connect` adds which activation each top-down block reads."""
    return Bridge(
        image_resolution=spec.data.height,
        image_channels=spec.data.channels,
        image_columns=spec.data.columns_at(spec.data.height),
        operations=(*_encoder(spec), *_decoder(spec)),
    )


def kernel_at(resolution: int) -> int:
    """The kernel size of a block: 3x3 above resolution 2, 1x1 below (openai/vdvae, vae.py: use_3x3 = res > 2)."""
    return 3 if resolution > 2 else 1


class _Groups:
    """Names of the weight groups of one stack, and how often each has been applied.

    The groups of a resolution are numbered in the order of their first application: `r16_0`, `r16_1`, ... A labeled
    group is `@name`; it counts where it is first applied, so that the number of a group never depends on labels.
    """

    def __init__(self) -> None:
        self.applied: Counter[str] = Counter()
        self.begun: Counter[int] = Counter()  # groups by the resolution of their first application

    def applications(self, entry: Entry) -> Iterator[tuple[str, int]]:
        """The group and the application index of each block of an entry."""
        blocks = entry.argument if entry.operator == "x" else 1
        times = entry.argument if entry.operator == "r" else 1
        for _ in range(blocks):
            group = self._name(entry)
            for _ in range(times):
                yield group, self.applied[group]
                self.applied[group] += 1

    def _name(self, entry: Entry) -> str:
        label = None if entry.label is None else f"@{entry.label}"
        if label is not None and label in self.applied:
            return label
        number = self.begun[entry.resolution]
        self.begun[entry.resolution] += 1
        return label or f"r{entry.resolution}_{number}"


def _encoder(spec: Spec) -> Iterator[Operation]:
    model, image, columns_at = spec.model, spec.data.height, spec.data.columns_at
    fourier, normalization = model.fourier, model.normalize_state.normalization
    features = fourier.exponents_at("image")
    yield Stem(
        resolution=image,
        in_channels=with_features(spec.data.channels, features),
        channels=model.width_at(image),
        features=features,
        columns=columns_at(image),
    )

    groups, of_block = _Groups(), fourier.exponents_at("block")
    for entry in model.encoder.expanded():
        resolution = entry.resolution
        channels, mid, kernel = model.width_at(resolution), model.mid_at(resolution), kernel_at(resolution)
        columns = columns_at(resolution)
        for group, application in groups.applications(entry):
            yield EncoderBlock(
                resolution=resolution,
                channels=channels,
                mid=mid,
                kernel=kernel,
                group=group,
                application=application,
                block=in_bridge(model.block_at(resolution)),
                features=of_block,
                # The output of a `d` entry is normalized after its pooling. Synchronous processing also reads the
                # activation before the pooling, so both are normalized.
                normalize=normalization if entry.operator != "d" or model.processing == "synchronous" else None,
                columns=columns,
                span=entry.span,
            )

        if entry.operator == "d":
            to = max(1, resolution // max(1, entry.argument))
            yield Pool(
                resolution=resolution,
                factor=entry.argument,
                to=to,
                in_channels=channels,
                channels=model.width_at(to),
                method=model.pooling,
                normalize=normalization,
                columns=columns,
                span=entry.argument_span,
            )


def _decoder(spec: Spec) -> Iterator[Operation]:
    model, image, columns_at = spec.model, spec.data.height, spec.data.columns_at
    resolutions = sorted({entry.resolution for entry in model.decoder.expanded()})
    for resolution in resolutions:
        learned = resolution <= model.bias_up_to
        yield State(
            resolution=resolution,
            channels=model.width_at(resolution),
            learned=learned,
            columns=columns_at(resolution),
        )

    # One stochastic layer per application that draws, numbered in the order of sampling.
    groups, layer = _Groups(), 0
    places: tuple[FourierPlace, ...] = ("branches", "sample", "block")
    branch_features, z_features, resnet_features = (model.fourier.exponents_at(place) for place in places)
    normalize = model.normalize_state.normalization
    for entry in model.decoder.expanded():
        resolution = entry.resolution
        channels, mid, kernel = model.width_at(resolution), model.mid_at(resolution), kernel_at(resolution)
        columns = columns_at(resolution)
        latent, cell = model.latent_at(resolution), model.cell_at(resolution)
        kind = cell_kind(cell)
        block = in_bridge(model.block_at(resolution)) if kind is not None and kind.has_block else DEFAULT_BLOCK
        if entry.operator == "m":
            yield MixIn(
                resolution=resolution,
                source=entry.argument,
                channels=channels,
                source_channels=model.width_at(entry.argument),
                embedding=embedding_of(model.pooling),
                columns=columns,
                span=entry.argument_span,
            )

        for group, application in groups.applications(entry):
            yield TopDownBlock(
                resolution=resolution,
                channels=channels,
                mid=mid,
                kernel=kernel,
                latent=latent,
                group=group,
                application=application,
                layer=layer if latent else None,
                cell=cell,
                block=block,
                draws=bool(latent),
                normalize=normalize,
                branch_features=branch_features,
                z_features=z_features,
                resnet_features=resnet_features,
                columns=columns,
                span=entry.span,
            )
            layer += bool(latent)

    outputs = model.likelihood.outputs(spec.data.channels)
    yield Head(
        resolution=image,
        channels=model.width_at(image),
        outputs=outputs,
        image_channels=spec.data.channels,
        likelihood=str(model.likelihood).replace(" ", ""),
        levels=max(PUBLISHED_LEVELS, spec.data.levels),
        columns=columns_at(image),
    )

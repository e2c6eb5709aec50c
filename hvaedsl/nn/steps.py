"""The steps of both passes, in the order of computation. Imports no torch: the code generator reads them.

Blocks, poolings and embeddings are called by their names in the model. A slot holds an activation of the encoder until
the decoder has read it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Normalization = Literal["sample_l2", "sample_rms", "batch_l2", "batch_rms"]


class Apply(NamedTuple):
    """Encoder: apply a block, normalize its output, and keep it in `slot` if the decoder reads it."""

    block: str
    normalize: Normalization | None = None
    slot: str | None = None


class Downsample(NamedTuple):
    """Encoder: pool, pad with zeros to `channels`, normalize, and keep the result in `slot` if the decoder reads it."""

    pool: str
    channels: int
    normalize: Normalization | None = None
    slot: str | None = None


class InitialState(NamedTuple):
    """Decoder: the state of a resolution before its first block, learned as the parameter `name`, or zeros."""

    resolution: int
    channels: int
    name: str | None = None
    columns: int | None = None  # as many as rows if None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns."""
        return self.channels, self.resolution, self.columns or self.resolution


class TopDown(NamedTuple):
    """Decoder: add the state of `source`, embedded, then normalize and apply a block that draws `latent` channels of z.

    Without a source nothing is added. Without a slot the posterior reads zeros in place of an activation: so it is
    above the bottleneck of a model without skip connections. `layer` counts the steps of a decoder from 0.
    """

    block: str
    resolution: int
    latent: int
    source: int | None = None
    embedding: str | None = None
    normalize: Normalization | None = None
    slot: str | None = None
    layer: int = 0


# The layer of a step that draws no latent.
NO_LAYER = -1


class DeterministicStep(TopDown):
    """Decoder: as `TopDown`, with a block that draws no latent: it has no layer, no slot, and no channels of z."""

    __slots__ = ()

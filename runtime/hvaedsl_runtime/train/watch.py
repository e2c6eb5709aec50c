"""Watches the latents of a model in training: layers that lose their information (posterior collapse)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hvaedsl.ir.image_size import size_text
from hvaedsl_runtime.disk.metrics import LATENTS
from hvaedsl_runtime.evaluate.latent_use import LayerUse

# Images of an evaluation on which the latents are measured.
WATCHED_IMAGES = 256
# Layers that a warning names.
NAMED = 8


@dataclass
class CollapseWatch:
    """Compares the layers of an evaluation with those of the evaluations before.

    A layer that is collapsed from the start has never carried information: it is reported once, at the end. One that
    has carried some, and does no more, is reported at once.
    """

    used: set[int] = field(default_factory=set)  # layers that were not collapsed in an evaluation
    lost: set[int] = field(default_factory=set)  # of these, those that were reported as collapsed

    @classmethod
    def after(cls, events: Iterable[Mapping[str, Any]]) -> CollapseWatch:
        """The watch of a run that is resumed, from the events of its log."""
        watch = cls()
        for event in events:
            if event.get("event") == LATENTS:
                collapsed = {int(layer) for layer in event["collapsed"]}
                watch.used |= set(range(len(event["kl_nats"]))) - collapsed
                watch.lost = collapsed & watch.used
        return watch

    def __call__(self, step: int, layers: Sequence[LayerUse]) -> str | None:
        """Count an evaluation, and return a warning that names the layers that have collapsed since the last one."""
        collapsed = {layer.step.layer for layer in layers if layer.is_collapsed}
        newly = (collapsed & self.used) - self.lost
        self.used |= {layer.step.layer for layer in layers} - collapsed
        self.lost = (self.lost | newly) & collapsed
        if not newly:
            return None
        names = [named(layer) for layer in layers if layer.step.layer in newly]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        have = "have" if len(names) > 1 else "has"
        return (
            f"step {step}: warning: {len(names)} of {len(layers)} layers {have} collapsed, with no information left "
            f"about the image: {', '.join(names[:NAMED])}{more}; see docs/stability.md"
        )


def event_of(layers: Sequence[LayerUse]) -> dict[str, Sequence[float]]:
    """The latents for the log: KL in nats and active units by layer (none for custom cells), and collapsed layers."""
    known = [layer.active_units for layer in layers if layer.active_units is not None]
    return {
        "kl_nats": [layer.mean_kl_nats for layer in layers],
        "active_units": known,
        "collapsed": [layer.step.layer for layer in layers if layer.is_collapsed],
    }


def named(layer: LayerUse) -> str:
    """A layer with its place: `12 (r8_0 at 8x8, KL 0.0012, 0 of 1,024 units active)`."""
    size = size_text(*layer.latent_shape[1:])
    units = "" if layer.active_units is None else f", {layer.active_units:,} of {layer.units:,} units active"
    return f"{layer.step.layer} ({layer.step.block} at {size}, KL {layer.mean_kl_nats:.2g}{units})"

"""The convolutions inside a block have a few channels at least (HV511)."""

from __future__ import annotations

from collections.abc import Iterator

from hvaedsl.catalog.advice.narrow_bottleneck import NarrowBottleneck
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock
from hvaedsl.passes.base import Rule, Unit

# Those of the narrowest published block.
LEAST = 4
KEY = "model.bottleneck"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """One finding for all the resolutions, at the key that is to blame."""
    blocks = [op for op in unit.bridge.operations if isinstance(op, EncoderBlock | TopDownBlock)]
    narrow = {op.resolution: op.mid for op in blocks if op.mid < LEAST}
    if narrow:
        model, at = unit.spec.model, min(narrow, key=unit.spec.model.width_at)
        width_key = f"model.widths.{at}" if at in model.widths else "model.width"
        changed = model.bottleneck != type(model).model_fields["bottleneck"].default
        yield NarrowBottleneck(
            span=unit.origin(KEY if changed else width_key),
            narrow=tuple(narrow.items()),
            bottleneck=model.bottleneck,
            least=LEAST,
            width=model.width_at(at),
        )


ADVICE = (
    Rule(
        check, (KEY, "data.dataset", "data.resolution", "model.width", "model.widths", "model.encoder", "model.decoder")
    ),
)

"""Which encoder activation each top-down block reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hvaedsl.ir.bridge import Bridge, Pool, TopDownBlock, output_resolution


@dataclass(frozen=True, slots=True)
class Connect:
    """Asynchronous processing: every block at R reads the encoder's last activation at R.

    The block of a `d` entry and its pooling are one step of the published code, whose output belongs to the lower
    resolution: at R the decoder reads what entered it (openai/vdvae, Encoder.forward; called asynchronous in Falck,
    Williams et al. 2022, G.4.5). A block at a resolution without activation stays unconnected.
    """

    def run(self, bridge: Bridge) -> Bridge:
        """The bridge with `reads` filled in."""
        pooled = {index - 1 for index, op in bridge.encoder if isinstance(op, Pool)}
        last = {output_resolution(op): index for index, op in bridge.encoder if index not in pooled}
        return replace(
            bridge,
            operations=tuple(
                replace(op, reads=last.get(op.resolution)) if isinstance(op, TopDownBlock) else op
                for op in bridge.operations
            ),
        )

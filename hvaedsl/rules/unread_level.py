"""Every resolution of the encoder is read by a decoder block (HV506)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hvaedsl.diagnostics.additions import before_item
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Label, Severity
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.diagnostics.span import Span
from hvaedsl.ir.bridge import EncoderBlock, MixIn, TopDownBlock
from hvaedsl.passes.base import Rule, Unit


class UnreadLevel(Diagnostic):
    """HV506."""

    code = "HV506"
    severity = Severity.ADVICE
    title = "no decoder block reads the encoder at {resolution}"
    label = "the decoder {lacking} at {resolution}"
    help = "{hint}"
    why = (
        "A decoder block reads the encoder's activation at its own resolution. A resolution that the decoder leaves "
        "out, or where its blocks draw no latent, has no skip connection; only its pooled activations are read, at "
        "lower resolutions. If these are not read either, HV501 reports it instead."
    )
    rests_on = (
        "Falck, Williams et al. 2022, section 3: both passes use the same hierarchy of resolutions. All published "
        "models of the paper and of openai/vdvae (hps.py) read every resolution."
    )
    bad = spec(encoder="8x2, 8d2, 4x1, 4d2, 2x1", decoder="2x1, 8m2, 8x2")
    good = spec(encoder="8x2, 8d2, 4x1, 4d2, 2x1", decoder="2x1, 4m2, 8m4, 8x2")

    resolution: int
    lacking: str = "has no block"
    skipping: str = ""  # the entry that mixes a lower state into a higher one, if one passes over this resolution

    @property
    def hint(self) -> str:
        """The missing decoder entry, or the latent that the blocks there lack."""
        if self.lacking != "has no block":
            return f"{self.proposal or f'give {self.resolution} a latent'}: only blocks that draw one read the encoder"
        if self.skipping:
            return f"{self.proposal} instead of `{self.skipping}`"
        return self.proposal.replace("insert", "add a decoder block there, such as", 1) or "add a decoder block there"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report each unread resolution above the decoder's lowest one; those below it are left to HV501.

    Without skip connections only the bottleneck is read, as intended.
    """
    if unit.spec.model.skips == "none":
        return

    blocks = {op.resolution: op for _, op in unit.bridge.decoder if isinstance(op, TopDownBlock)}
    read = {resolution for resolution, op in blocks.items() if op.draws}
    reported: set[int] = set()
    for _, op in unit.bridge.encoder:
        if isinstance(op, EncoderBlock) and op.resolution not in read | reported and op.resolution > min(read):
            reported.add(op.resolution)
            assert op.span is not None
            if op.resolution in blocks:
                latent = str(next(other.latent for other in blocks.values() if other.draws))
                drawing = None
                if unit.spec.model.processing == "asynchronous":  # otherwise the counts may differ
                    drawing = unit.drawing_at(op.resolution, latent)
                yield UnreadLevel(
                    span=op.span,
                    resolution=op.resolution,
                    lacking="draws no latent",
                    suggestions=(drawing,) if drawing is not None else (),
                )
            else:
                finding = _finding(unit, op.span, op.resolution, {*blocks})
                yield finding if unit.new_block_draws() else replace(finding, suggestions=(), secondary=(), skipping="")


def _finding(unit: Unit, span: Span, resolution: int, read: set[int]) -> UnreadLevel:
    """The finding with the entry that reads a level: within a mix-in that passes over it, or before the next level."""
    below, above = max(r for r in read if r < resolution), min(r for r in read if r > resolution)
    entry, applied, mix_in = f"{resolution}m{below}", set[int](), None
    fits = resolution % below == 0

    for _, op in unit.bridge.decoder:
        if isinstance(op, MixIn):
            mix_in = op
        elif isinstance(op, TopDownBlock):
            if fits and mix_in is not None and (mix_in.source, mix_in.resolution) == (below, above):
                assert op.span is not None
                entries = f"{entry}, {above}m{resolution}"
                edit = Edit(op.span, f"({entries})" if op.span.before == "*" else entries)
                way = Fix(f"write `{entries}`", (edit,))
                return UnreadLevel(
                    span=span,
                    resolution=resolution,
                    skipping=f"{above}m{below}",
                    secondary=(Label(op.span, f"passes over {resolution}"),),
                    suggestions=(way,),
                )
            mix_in = None

    for _, op in unit.bridge.decoder:
        if isinstance(op, TopDownBlock):
            if op.resolution == above:
                assert op.span is not None
                block = entry if fits and below in applied else f"{resolution}x1"
                way = Fix(f"insert `{block}`", (before_item(op.span, block),))
                return UnreadLevel(span=span, resolution=resolution, suggestions=(way,))
            applied.add(op.resolution)
    raise AssertionError("the decoder has a block at a level that it reads")


ADVICE = (
    Rule(
        check,
        ("data.dataset", "data.resolution", "model.skips", "model.latent", "model.encoder", "model.decoder"),
    ),
)

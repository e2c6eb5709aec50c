"""A label is written at one place only, so nothing shares its weights (HV513)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, Severity, nearest, writing
from hvaedsl.diagnostics.snippet import spec
from hvaedsl.ir.blocks import BlockList, Entry
from hvaedsl.ir.bridge import EncoderBlock, TopDownBlock, weight_shape
from hvaedsl.passes.base import Rule, Unit


class LoneLabel(Diagnostic):
    """HV513."""

    code = "HV513"
    severity = Severity.ADVICE
    title = "no other block of the {stack} has the label `@{name}`"
    label = "shares its weights with nothing"
    help = "{way_out}"
    why = (
        "`A@g` applies the block that all entries of the stack with the label `g` share. With one entry the label has "
        "no effect, and if it is a misspelled label, a block with separate weights takes the place of a shared one. "
        "The encoder and the decoder never share weights, so each stack is checked alone."
    )
    rests_on = "Computed here: without the label, the model and the names of its parameters are the same."
    bad = spec(decoder="4x1@deep, 4x1@depe, 4x1@deep, 8m4, 8x2")
    good = spec(decoder="4x1@deep, 4x1@deep, 4x1@deep, 8m4, 8x2")

    stack: str
    name: str
    near: str | None

    @property
    def way_out(self) -> str:
        """The label that was perhaps meant, or its removal."""
        return f"did you mean `@{self.near}`?" if self.near is not None else "remove the label"


def check(unit: Unit) -> Iterator[Diagnostic]:
    """Report labels that one entry has; an entry in a repetition counts once for each copy."""
    for stack, blocks in (("encoder", unit.spec.model.encoder), ("decoder", unit.spec.model.decoder)):
        counts = Counter(entry.label for entry in blocks.expanded() if entry.label is not None)
        if not counts:
            continue
        others = [name for name, count in counts.items() if count > 1]
        shapes = _shapes(unit, stack)
        for entry in _labeled(blocks):
            if entry.label is not None and counts[entry.label] == 1:
                assert entry.span is not None
                near = nearest(entry.label, [name for name in others if shapes[name] == shapes[entry.label]])
                yield LoneLabel(
                    span=entry.label_span or entry.span, stack=stack, name=entry.label, near=near, fix=_fix(entry, near)
                )


def _shapes(unit: Unit, stack: str) -> dict[str, dict[str, int | str]]:
    """The shapes of the first block of each label; blocks of other shapes cannot share its weights."""
    shapes: dict[str, dict[str, int | str]] = {}
    for _, op in unit.bridge.encoder if stack == "encoder" else unit.bridge.decoder:
        if isinstance(op, (EncoderBlock, TopDownBlock)):
            shapes.setdefault(op.group.removeprefix("@"), weight_shape(op))
    return shapes


def _labeled(blocks: BlockList) -> Iterator[Entry]:
    return (entry for entry in blocks.written_entries() if entry.label is not None)


def _fix(entry: Entry, near: str | None) -> Fix:
    """Rename the label, or remove it. Unsafe, since only the author knows which blocks are to share weights."""
    assert entry.span is not None
    assert entry.label_span is not None
    if near is not None:
        return writing(entry.label_span, near, shown=f"@{near}")
    return Fix(
        "remove the label", (Edit(entry.span.source.span(entry.span.end, entry.label_span.end), ""),), safe=False
    )


ADVICE = (Rule(check, ("model.encoder", "model.decoder")),)

"""Completion inside block lists: the entries that fit the resolution reached, and the labels that may be shared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lsprotocol.types import CompletionItemKind

from hvaedsl.diagnostics.diagnostic import listing
from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.block_reader import BlockReader
from hvaedsl.elaborate.build import kernel_at
from hvaedsl.ir.blocks import BlockList, Entry
from hvaedsl.ir.kinds import BlockStack
from hvaedsl.ir.pooling import wavelet_of
from hvaedsl.ir.spec import Spec
from hvaedsl.lsp.analysed import Analysed
from hvaedsl.lsp.offer import Offer
from hvaedsl.lsp.words import Cursor, Word
from hvaedsl.syntax.parser import parse_value

_ENTRY = CompletionItemKind.Value
_MAX_RESOLUTION = 1 << 14  # beyond it no factors are tried


@dataclass(frozen=True)
class Walk:
    """Where the entries before the cursor lead."""

    resolution: int | None  # of the last block, or behind the last pooling; None where there is no entry yet
    applied: tuple[int, ...]  # the resolutions of the blocks, in the order of their first
    depth: int


def block_entries(analysed: Analysed, cursor: Cursor) -> Iterator[Offer]:
    """The entries that may stand at the cursor."""
    spec = _spec(analysed)
    walk = _walk_before(analysed, cursor)
    if spec is None or walk is None:
        return
    if cursor.key == "model.encoder":
        yield from _encoder(spec, walk, is_repeated=_is_repeated(analysed, cursor))
    else:
        yield from _decoder(spec, walk, _activations(spec, _encoder_list(analysed, spec)))
    for name, (_, value) in analysed.lets().items():
        yield Offer(f"${name}*", f"{value} copies of what follows", CompletionItemKind.Constant, snippet=f"\\${name}*")


def labels(analysed: Analysed, cursor: Cursor) -> Iterator[Offer]:
    """The labels of this stack whose blocks have the shape of the entry before the `@`."""
    spec = _spec(analysed)
    here = _resolution_before(cursor.before)
    shapes: dict[str, list[int]] = {}
    for before, at, word in zip(analysed.words, analysed.words[1:], analysed.words[2:], strict=False):
        if word.role == "label" and word.dotted == cursor.key and at.text == "@" and word.start != cursor.start:
            shapes.setdefault(word.text, []).append(_leading(before.text) or 0)
    for name, resolutions in shapes.items():
        if here is None or spec is None or all(_same_shape(spec, here, other) for other in resolutions if other):
            places = listing([str(item) for item in dict.fromkeys(resolutions) if item], "and")
            yield Offer(name, f"shared with the block at {places}", CompletionItemKind.Reference)


def _same_shape(spec: Spec, one: int, other: int) -> bool:
    return kernel_at(one) == kernel_at(other) and spec.model.width_at(one) == spec.model.width_at(other)


def _resolution_before(before: Sequence[Word]) -> int | None:
    entry = [word for word in before if word.role in ("block", "number")]
    return _leading(entry[-1].text) if entry else None


def _leading(text: str) -> int | None:
    digits = ""
    for letter in text:
        if not letter.isascii() or not letter.isdigit():
            break
        digits += letter
    return int(digits) if digits and len(digits) < 16 else None


def _spec(analysed: Analysed) -> Spec | None:
    """A spec whose image and model are known; the block lists of it may be placeholders.

    What may still be written behind a section that is not closed has its default.
    """
    values = analysed.values
    if values is not None and analysed.knows("data.dataset", "data.resolution"):
        unreadable = values.poisoned.intersection(values.origins)
        if unreadable.isdisjoint(("model.pooling", "model.skips")):
            return values.spec
    return analysed.last_good.spec if analysed.last_good is not None else None


def _walk_before(analysed: Analysed, cursor: Cursor) -> Walk | None:
    """Where the entries between `=` and the cursor lead; None where they leave it in doubt."""
    complete, brackets = _complete(cursor)
    if not complete:
        return Walk(None, (), 0)
    text = analysed.text[complete[0].start : complete[-1].end] + "".join(reversed(brackets))
    read = _read(analysed, cursor.key, text)
    return None if read is None else _walk(read)


def _complete(cursor: Cursor) -> tuple[Sequence[Word], Sequence[str]]:
    """The words before the cursor that are entries, and the brackets to close behind them.

    The comma behind the last one is left out, and so are repetitions that hold nothing yet, which lead nowhere.
    """
    words, brackets = cursor.before, cursor.brackets
    while words and words[-1].text in (",", "*", "("):
        if words[-1].text == "(":
            brackets = brackets[:-1]
        words = words[:-2] if words[-1].text == "*" else words[:-1]
    return words, brackets


def _read(analysed: Analysed, key: str, text: str) -> BlockList | None:
    """A block list alone, with the constants of the chain; None where its resolutions are in doubt."""
    value, wrong = parse_value(Source("<block list>", text))
    if value is None or wrong:
        return None
    values = {name: number for name, (_, number) in analysed.lets().items() if number is not None}
    reader = BlockReader(key, BlockStack("encoder" if key == "model.encoder" else "decoder"), values)
    read = reader.read(value)
    return read if reader.walk_known else None


def _encoder_list(analysed: Analysed, spec: Spec) -> BlockList:
    """The encoder as far as it is written; a comma too many at its end does not hide it."""
    if analysed.knows("model.encoder", "model.encoder.walk"):
        return spec.model.encoder
    words = [word for word in analysed.words if word.dotted == "model.encoder" and word.key]
    if words:
        text = analysed.text[words[0].start : words[-1].end].removeprefix("=").rstrip().removesuffix(",")
        read = _read(analysed, "model.encoder", text)
        if read is not None:
            return read
    return analysed.last_good.spec.model.encoder if analysed.last_good is not None else spec.model.encoder


def _walk(read: BlockList) -> Walk:
    applied: dict[int, None] = {}
    last: Entry | None = None
    depth = 0
    for entry in read.expanded():
        applied[entry.resolution] = None
        depth += entry.applications
        last = entry
    reached = last.resolution if last is not None else None
    if last is not None and last.operator == "d" and last.argument > 1:
        reached = last.resolution // last.argument if last.resolution % last.argument == 0 else None
    return Walk(reached, tuple(applied), depth)


def _is_repeated(analysed: Analysed, cursor: Cursor) -> bool:
    """Whether several copies are made of what stands at the cursor."""
    groups: list[bool] = []
    before: Word | None = None  # of the word behind it, its count where that is `*`
    several = False
    for word in cursor.before:
        if word.text == "(":
            groups.append(several)
        elif word.text == ")" and groups:
            groups.pop()
        several = word.text == "*" and before is not None and _count(analysed, before) != 1
        before = word
    return several or any(groups)


def _count(analysed: Analysed, word: Word) -> int | None:
    """The number that a word stands for, a constant's too."""
    if word.role == "reference":
        return analysed.lets().get(word.text.removeprefix("$"), (None, None))[1]
    return _leading(word.text)


def _encoder(spec: Spec, walk: Walk, *, is_repeated: bool) -> Iterator[Offer]:
    """At the resolution reached: blocks, shared blocks, and every pooling that divides it.

    A copy of a pooling would begin where the one before it has left.
    """
    here = walk.resolution or spec.data.resolution
    yield from _blocks(here)
    if is_repeated:
        return
    for factor in _factors(here, spec):
        to = here // factor
        yield Offer(f"{here}d{factor}", f"a block, then pooling to {to}x{to}", _ENTRY)


def _decoder(spec: Spec, walk: Walk, known: Sequence[int]) -> Iterator[Offer]:
    """At every resolution that has an encoder activation: blocks where the decoder is, mix-ins where it may go."""
    here = walk.resolution
    if here is None:
        for resolution in known if spec.model.skips == "all" else known[:1]:
            yield from _blocks(resolution)
        return
    yield from _blocks(here)
    sources = sorted(walk.applied, key=lambda item: (item != here, -item))
    for resolution in [item for item in known if item >= here]:
        for source in sources:
            if source < resolution and resolution % source == 0 and _fits_wavelet(resolution // source, spec):
                yield Offer(f"{resolution}m{source}", f"a block that mixes {source}x{source} in", _ENTRY)


def _blocks(resolution: int) -> Iterator[Offer]:
    yield Offer(f"{resolution}x", "blocks with weights of their own", _ENTRY)
    yield Offer(f"{resolution}r", "one block, applied several times", _ENTRY)
    yield Offer(str(resolution), "one block", _ENTRY)


def _factors(resolution: int, spec: Spec) -> Iterator[int]:
    if resolution <= _MAX_RESOLUTION:
        candidates = (factor for factor in range(2, resolution + 1) if resolution % factor == 0)
        yield from (factor for factor in candidates if _fits_wavelet(factor, spec))


def _fits_wavelet(factor: int, spec: Spec) -> bool:
    return wavelet_of(spec.model.pooling) is None or factor & (factor - 1) == 0


def _activations(spec: Spec, encoder: BlockList) -> tuple[int, ...]:
    """The resolutions of the encoder's activations, lowest first; the image's where the encoder is not known."""
    found = {spec.data.resolution}
    for entry in encoder.expanded():
        found.add(entry.resolution)
        if entry.operator == "d" and entry.argument > 1 and entry.resolution % entry.argument == 0:
            found.add(entry.resolution // entry.argument)
    return tuple(sorted(found))

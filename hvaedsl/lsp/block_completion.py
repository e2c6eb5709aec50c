"""Completion in block lists: entries for the current resolution, and labels of blocks with the same shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lsprotocol.types import CompletionItemKind

from hvaedsl.diagnostics.diagnostic import listing
from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.block_reader import MAX_APPLICATIONS, BlockReader
from hvaedsl.elaborate.build import kernel_at
from hvaedsl.elaborate.resolve import Resolved
from hvaedsl.ir.blocks import BlockList, Entry
from hvaedsl.ir.kinds import BlockStack
from hvaedsl.ir.pooling import wavelet_of
from hvaedsl.ir.spec import Spec
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.constant_completion import in_argument, names
from hvaedsl.lsp.constant_text import base_list
from hvaedsl.lsp.family import lists_with_labels_of
from hvaedsl.lsp.placed_tokens import Cursor, PlacedToken
from hvaedsl.lsp.suggestion import Suggestion
from hvaedsl.syntax.parser import parse_value

_ENTRY = CompletionItemKind.Value
_MAX_RESOLUTION = 1 << 14  # above it no factors are suggested


Fingerprint = tuple[tuple[str, str], ...]
_REMEMBERED = 8


@dataclass(frozen=True)
class Walk:
    """The state of a block list after the entries before the cursor."""

    resolution: int | None  # after the last block or pooling; None before the first entry
    applied: tuple[int, ...]  # resolutions of the blocks, in order of first use
    depth: int


# Results of earlier texts, the newest first; replaced as a whole, so that threads need no lock.
_recent_walks: tuple[tuple[tuple[str, Fingerprint], str, Walk], ...] = ()
_recent_encoders: tuple[tuple[tuple[str, int, Fingerprint], tuple[int, ...]], ...] = ()


def block_entries(analyzed: AnalyzedText, cursor: Cursor) -> Iterator[Suggestion]:
    """Suggest entries for the cursor."""
    if in_argument(cursor.before):
        yield from names(analyzed, cursor, cursor.start)
        return
    spec = _spec(analyzed, _values(analyzed))
    walk = _walk_before(analyzed, cursor)
    if spec is None or walk is None:
        return
    if cursor.key == "model.encoder":
        yield from _encoder(spec, walk, is_repeated=_is_repeated(analyzed, cursor))
    else:
        yield from _decoder(spec, walk, _known_activations(analyzed, spec))
    for suggestion in names(analyzed, cursor, cursor.start):
        value = analyzed.constants.values.get(suggestion.label.removeprefix("$"))
        yield _copies(suggestion.label, value) if value is not None else suggestion


def _copies(name: str, value: int) -> Suggestion:
    return Suggestion(f"{name}*", f"{value} copies of what follows", CompletionItemKind.Constant, snippet=f"\\{name}*")


def list_entries(analyzed: AnalyzedText, cursor: Cursor) -> Iterator[Suggestion]:
    """Suggest entries for the definition of a list, once its first entry says at which resolution it is."""
    spec = _spec(analyzed, _values(analyzed))
    walk = _walk_before(analyzed, cursor)
    is_list = any(token.role == "block" for token in cursor.before) and not in_argument(cursor.before)
    if spec is not None and is_list and walk is not None and walk.resolution is not None:
        yield from _blocks(walk.resolution)
        if not _is_repeated(analyzed, cursor):
            yield from _poolings(spec, walk.resolution)


def labels(analyzed: AnalyzedText, cursor: Cursor) -> Iterator[Suggestion]:
    """Suggest labels of this stack, also of the lists in it, whose blocks have the shape of the entry before `@`."""
    spec = _spec(analyzed, _values(analyzed))
    here = _resolution_before(cursor.before)
    lists = lists_with_labels_of(analyzed, cursor.key)
    shapes: dict[str, list[int]] = {}
    for before, at, token in zip(analyzed.tokens, analyzed.tokens[1:], analyzed.tokens[2:], strict=False):
        if token.role == "label" and token.dotted in lists and at.text == "@" and token.start != cursor.start:
            shapes.setdefault(token.text, []).append(_leading(before.text) or 0)
    for name, resolutions in shapes.items():
        if here is None or spec is None or all(_same_shape(spec, here, other) for other in resolutions if other):
            places = listing([str(item) for item in dict.fromkeys(resolutions) if item], "and")
            yield Suggestion(name, f"shared with the block at {places}", CompletionItemKind.Reference)


def _same_shape(spec: Spec, one: int, other: int) -> bool:
    return kernel_at(one) == kernel_at(other) and spec.model.width_at(one) == spec.model.width_at(other)


def _resolution_before(before: Sequence[PlacedToken]) -> int | None:
    entry = [token for token in before if token.role in ("block", "number")]
    return _leading(entry[-1].text) if entry else None


def _leading(text: str) -> int | None:
    digits = ""
    for letter in text:
        if not letter.isascii() or not letter.isdigit():
            break
        digits += letter
    return int(digits) if digits and len(digits) < 16 else None


def _values(analyzed: AnalyzedText) -> Resolved | None:
    """The values that the completion of every block list needs."""
    return analyzed.values_without(("model.encoder", "model.decoder"))


def _spec(analyzed: AnalyzedText, values: Resolved | None) -> Spec | None:
    """The spec if its image and model are known; its block lists may be placeholders.

    A key that may still be written in an unclosed section has its default.
    """
    if values is not None and values.poisoned.isdisjoint(("data.dataset", "data.resolution")):
        unreadable = values.poisoned.intersection(values.origins)
        if unreadable.isdisjoint(("model.pooling", "model.skips")):
            return values.spec
    return analyzed.last_good.spec if analyzed.last_good is not None else None


def _walk_before(analyzed: AnalyzedText, cursor: Cursor) -> Walk | None:
    """The state after the entries between `=` and the cursor; None if it is uncertain."""
    complete, brackets = _complete(cursor)
    if not complete:
        return Walk(None, (), 0)
    text = analyzed.text[complete[0].start : complete[-1].end]
    if brackets:
        read = _read(analyzed, cursor.key, text + "".join(reversed(brackets)))
        return None if read is None else _walk(read)
    return _walk_of(analyzed, cursor.key, text)


def _walk_of(analyzed: AnalyzedText, key: str, text: str) -> Walk | None:
    """The state after some entries. Those that were read before are not read again."""
    global _recent_walks
    about = key, _fingerprint(analyzed, key)
    known = [(before, walk) for where, before, walk in _recent_walks if where == about and text.startswith(before)]
    before, start = max(known, key=lambda item: len(item[0])) if known else ("", None)
    rest = text[len(before) :].lstrip()
    if start is not None and not rest:
        return start

    walk = None
    if start is not None and rest.startswith(","):
        read = _read(analyzed, key, rest[1:])
        more = None if read is None else _walk(read)
        if more is not None and start.depth + more.depth <= MAX_APPLICATIONS:
            applied = tuple(dict.fromkeys((*start.applied, *more.applied)))
            walk = Walk(more.resolution, applied, start.depth + more.depth)
    if walk is None:
        read = _read(analyzed, key, text)
        walk = None if read is None else _walk(read)
    if walk is not None:
        _recent_walks = ((about, text, walk), *_recent_walks[: _REMEMBERED - 1])
    return walk


def _fingerprint(analyzed: AnalyzedText, key: str) -> Fingerprint:
    """All that the reading of a block list depends on, beside its own text."""
    lets = ((name, found[-1].value.span.text) for name, found in analyzed.collected.lets.items())
    unreadable = (("", name) for name in sorted(analyzed.constants.unreadable))
    return (*lets, *unreadable, *((key, value.span.text) for value in analyzed.values_below(key)))


def _complete(cursor: Cursor) -> tuple[Sequence[PlacedToken], Sequence[str]]:
    """The complete entries before the cursor, as tokens, and the brackets that close them.

    The comma after the last entry and repetitions that are still empty are left out.
    """
    tokens, brackets = cursor.before, cursor.brackets
    while tokens and tokens[-1].text in (",", "*", "("):
        if tokens[-1].text == "(":
            brackets = brackets[:-1]
        tokens = tokens[:-2] if tokens[-1].text == "*" else tokens[:-1]
    return tokens, brackets


def _read(analyzed: AnalyzedText, key: str, text: str) -> BlockList | None:
    """Read a block list alone, with the constants of the chain; None if its resolutions are uncertain."""
    value, wrong = parse_value(Source("<block list>", text))
    if value is None or wrong:
        return None
    stacks = {"model.encoder": BlockStack("encoder"), "model.decoder": BlockStack("decoder")}
    reader = BlockReader(key, stacks.get(key), analyzed.constants, lambda _: base_list(analyzed, key))
    read = reader.read(value)
    return read if reader.walk_known else None


def _encoder_list(analyzed: AnalyzedText, spec: Spec, values: Resolved | None) -> BlockList:
    """The encoder as far as it is written, also with a comma too many at its end."""
    if analyzed.last_good is None or spec is not analyzed.last_good.spec:
        spec = values.spec if values is not None else spec  # that of the completion has no encoder
    if values is not None and values.poisoned.isdisjoint(("model.encoder", "model.encoder.walk")):
        return spec.model.encoder
    tokens = [token for token in analyzed.tokens if token.dotted == "model.encoder" and token.key]
    if tokens:
        text = analyzed.text[tokens[0].start : tokens[-1].end].removeprefix("=").rstrip().removesuffix(",")
        read = _read(analyzed, "model.encoder", text)
        if read is not None:
            return read
    return analyzed.last_good.spec.model.encoder if analyzed.last_good is not None else spec.model.encoder


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


def _is_repeated(analyzed: AnalyzedText, cursor: Cursor) -> bool:
    """Whether the entry at the cursor is inside a repetition."""
    groups: list[bool] = []
    before: PlacedToken | None = None  # the previous token: the count if this one is `*`
    several = False
    for token in cursor.before:
        if token.text == "(":
            groups.append(several)
        elif token.text == ")" and groups:
            groups.pop()
        several = token.text == "*" and before is not None and _count(analyzed, before) != 1
        before = token
    return several or any(groups)


def _count(analyzed: AnalyzedText, token: PlacedToken) -> int | None:
    """The value of a number or a constant."""
    if token.role == "reference":
        return analyzed.constants.values.get(token.text.removeprefix("$"))
    return _leading(token.text)


def _encoder(spec: Spec, walk: Walk, *, is_repeated: bool) -> Iterator[Suggestion]:
    """Suggest blocks, shared blocks and, outside repetitions, every pooling that divides the current resolution.

    A repeated pooling would start at the resolution that the copy before it has left.
    """
    here = walk.resolution or spec.data.height
    yield from _blocks(here)
    if is_repeated:
        return
    yield from _poolings(spec, here)


def _poolings(spec: Spec, here: int) -> Iterator[Suggestion]:
    for factor in _factors(here, spec):
        to = here // factor
        yield Suggestion(f"{here}d{factor}", f"a block, then pooling to {to}x{to}", _ENTRY)


def _decoder(spec: Spec, walk: Walk, known: Sequence[int]) -> Iterator[Suggestion]:
    """Suggest blocks at the current resolution, and mix-ins to each resolution that has an encoder activation."""
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
                yield Suggestion(f"{resolution}m{source}", f"a block that mixes in {source}x{source}", _ENTRY)


def _blocks(resolution: int) -> Iterator[Suggestion]:
    yield Suggestion(f"{resolution}x", "blocks, each with its own weights", _ENTRY)
    yield Suggestion(f"{resolution}r", "one block, applied several times", _ENTRY)
    yield Suggestion(str(resolution), "one block", _ENTRY)


def _factors(resolution: int, spec: Spec) -> Iterator[int]:
    if resolution <= _MAX_RESOLUTION:
        candidates = (factor for factor in range(2, resolution + 1) if resolution % factor == 0)
        yield from (factor for factor in candidates if _fits_wavelet(factor, spec))


def _fits_wavelet(factor: int, spec: Spec) -> bool:
    return wavelet_of(spec.model.pooling) is None or factor & (factor - 1) == 0


def _known_activations(analyzed: AnalyzedText, spec: Spec) -> tuple[int, ...]:
    """The resolutions of the encoder's activations; an encoder that has not changed is not read again."""
    global _recent_encoders
    key = "model.encoder"
    value = analyzed.collected.values.get(key) if analyzed.compilation is None and analyzed.documents else None
    is_older = analyzed.last_good is not None and spec is analyzed.last_good.spec
    if value is None or is_older or not analyzed.collected.broken.isdisjoint(("", key, "model.*")):
        return _activations(spec, _encoder_list(analyzed, spec, analyzed.values_without(("model.decoder",))))

    about = value.span.text, spec.data.height, _fingerprint(analyzed, key)
    known = next((found for where, found in _recent_encoders if where == about), None)
    if known is None:
        values = analyzed.values_without(("model.decoder",))
        known = _activations(spec, _encoder_list(analyzed, spec, values))
        if values is not None and values.poisoned.isdisjoint((key, f"{key}.walk")):  # else an earlier text may count
            _recent_encoders = ((about, known), *_recent_encoders[: _REMEMBERED - 1])
    return known


def _activations(spec: Spec, encoder: BlockList) -> tuple[int, ...]:
    """Resolutions of the encoder's activations, lowest first; only that of the image if the encoder is unknown."""
    found = {spec.data.height}
    for entry in encoder.expanded():
        found.add(entry.resolution)
        if entry.operator == "d" and entry.argument > 1 and entry.resolution % entry.argument == 0:
            found.add(entry.resolution // entry.argument)
    return tuple(sorted(found))

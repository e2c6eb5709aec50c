"""Completion of values: the words, calls and map keys that a kind of the schema takes."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import CompletionItemKind

from hvaedsl.ir.cells import CELLS
from hvaedsl.ir.kinds import (
    ByResolution,
    Choice,
    ChoiceOrCustom,
    Either,
    Kind,
    LikelihoodCall,
    Optional,
    PoolingCall,
    Several,
    Whole,
)
from hvaedsl.ir.pooling import POOLINGS
from hvaedsl.ir.spec_text import default_text
from hvaedsl.lsp.analysed import Analysed
from hvaedsl.lsp.entries import STACKS
from hvaedsl.lsp.key_text import dataset_text, images_text, schema_key
from hvaedsl.lsp.offer import Offer
from hvaedsl.lsp.words import Cursor

_WORD = CompletionItemKind.EnumMember
_LIKELIHOODS = {
    "bernoulli": "binary images of one channel",
    "mixture_of_logistics(10)": "a discretised mixture of 10 logistics",
    "mixture_of_logistics(10, bits = 5)": "the same on 5 bits",
}
_OWN_IMAGES = {"npy": "your own images, in .npy files", "folder": "your own images, in a folder"}


def values(analysed: Analysed, cursor: Cursor, kind: Kind) -> Iterator[Offer]:
    """What may stand at a place where a value of this kind is awaited."""
    if cursor.brackets and cursor.brackets[-1] == "}":
        yield from _map_keys(analysed, cursor)
        return
    if cursor.brackets:
        return  # the arguments of a call are numbers
    if cursor.before and not isinstance(_inner(kind), Several):
        return  # a second value would be one too many
    yield from _of(analysed, cursor, kind)


def _inner(kind: Kind) -> Kind:
    return kind.of if isinstance(kind, Optional) else kind


def _of(analysed: Analysed, cursor: Cursor, kind: Kind) -> Iterator[Offer]:
    match kind:
        case Choice() | ChoiceOrCustom():
            for symbol in kind.symbols:
                yield Offer(symbol, _detail(cursor.key, symbol), _WORD, _about(cursor.key, symbol))
        case Several(of=Choice() as choice):
            written = {word.text for word in cursor.before}
            yield from (Offer(symbol, "", _WORD) for symbol in choice.symbols if symbol not in written)
        case Optional():
            yield from _of(analysed, cursor, kind.of)
            if not cursor.before:
                yield Offer("none", "", _WORD)
        case LikelihoodCall():
            yield from (Offer(call, about, CompletionItemKind.Function) for call, about in _LIKELIHOODS.items())
        case PoolingCall():
            yield from (Offer(pooling, "", CompletionItemKind.Function) for pooling in POOLINGS)
        case Whole():
            for name, (_, value) in analysed.lets().items():
                yield Offer(f"${name}", str(value or "?"), CompletionItemKind.Constant, snippet=f"\\${name}")
            yield from _default(cursor.key)
        case ByResolution() | Either():
            yield from _default(cursor.key)
            yield Offer("{}", "a map from resolutions", CompletionItemKind.Struct, snippet="{$0}")
        case _:
            yield from _default(cursor.key)


def _default(dotted: str) -> Iterator[Offer]:
    default = default_text(dotted)
    if default and default not in ("none", "{}"):
        yield Offer(default, "the default", CompletionItemKind.Value)


def _detail(dotted: str, symbol: str) -> str:
    """What is known of a symbol of this key, short enough for a row of the list."""
    if dotted == "data.dataset":
        return _OWN_IMAGES.get(symbol) or images_text(symbol)
    return "the default" if symbol == default_text(dotted) else ""


def _about(dotted: str, symbol: str) -> str:
    """The same at length."""
    if dotted == "data.dataset":
        own = _OWN_IMAGES.get(symbol)
        return f"{own}; write channels and resolution too" if own else dataset_text(symbol).partition(": ")[2]
    if dotted == "model.cell" and symbol in CELLS:
        return CELLS[symbol].title
    return ""


def _map_keys(analysed: Analysed, cursor: Cursor) -> Iterator[Offer]:
    """The resolutions of the model that the map does not have yet."""
    if cursor.before and cursor.before[-1].text not in ("{", ","):
        return
    if schema_key(cursor.key) is None:
        return
    written = {word.text for word in cursor.before if word.role == "number"}
    for resolution in _resolutions(analysed):
        if str(resolution) not in written:
            yield Offer(str(resolution), "a resolution of the model", CompletionItemKind.Value, plain=f"{resolution}: ")


def _resolutions(analysed: Analysed) -> list[int]:
    """Those of the block lists, a base's too; where they cannot be read, of the last ones that compiled."""
    spec = analysed.last_good.spec if analysed.last_good is not None else None
    if analysed.values is not None and analysed.knows(*STACKS):
        spec = analysed.values.spec
    lists = (spec.model.encoder, spec.model.decoder) if spec is not None else ()
    return sorted({entry.resolution for each in lists for entry in each.written_entries()}, reverse=True)

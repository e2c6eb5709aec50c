"""Completion of values: the symbols, calls and map keys that a kind of the schema accepts."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import CompletionItemKind

from hvaedsl.ir.cells import CELLS
from hvaedsl.ir.kinds import (
    FLAGS,
    OTHER,
    BlockCall,
    ByResolution,
    ByWeightName,
    Choice,
    ChoiceOrCustom,
    DatasetName,
    Either,
    Flag,
    Kind,
    LikelihoodCall,
    Optional,
    OrCall,
    PoolingCall,
    Several,
    WeightName,
)
from hvaedsl.ir.pooling import POOLINGS
from hvaedsl.ir.residual_blocks import ATTENTION, BLOCKS, with_heads
from hvaedsl.ir.spec_text import default_text
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.constant_completion import continues_number, names
from hvaedsl.lsp.entries import STACKS
from hvaedsl.lsp.key_text import dataset_text, images_text, schema_key
from hvaedsl.lsp.placed_tokens import Cursor
from hvaedsl.lsp.suggestion import Suggestion
from hvaedsl.lsp.weight_completion import weight_entries, weight_names

_WORD = CompletionItemKind.EnumMember
_LIKELIHOODS = {
    "bernoulli": "binary images of one channel",
    "mixture_of_logistics(10)": "a discretized mixture of 10 logistics",
    "mixture_of_logistics(10, bits = 5)": "the same with 5 bits",
    "mixture_of_logistics(10, channels = independent)": "the same, with colors that do not depend on each other",
    "gaussian": "a normal density, for real values",
    "gaussian(channels = independent)": "the same, with colors that do not depend on each other",
}
_HUB = Suggestion(
    '"hf:OWNER/NAME"',
    "a dataset of the Hugging Face Hub",
    CompletionItemKind.Value,
    "a dataset of the Hugging Face Hub, or its parquet files; write channels and resolution too",
    snippet='"hf:${1:OWNER}/${2:NAME}"',
)
_ATTENTION = Suggestion(
    with_heads(4),
    "with a number of heads",
    CompletionItemKind.Function,
    f"{ATTENTION.title}; the heads must divide the channels",
    snippet="attention(heads = ${1:4})",
)
_CUSTOM_IMAGES = {"npy": "your own images, in .npy files", "folder": "your own images, in a folder"}


def values(analyzed: AnalyzedText, cursor: Cursor, kind: Kind) -> Iterator[Suggestion]:
    """Suggest values of a kind for the cursor."""
    if cursor.brackets and cursor.brackets[-1] == "}":
        in_map = kind.by_resolution if isinstance(kind, Either) else kind
        if isinstance(kind, ByWeightName):
            yield from weight_entries(analyzed, cursor)
        elif cursor.before[-1].text == ":" and isinstance(in_map, ByResolution):
            yield from _of(analyzed, cursor, in_map.of)
        else:
            yield from _map_keys(analyzed, cursor)
        yield from names(analyzed, cursor, cursor.start)
        return
    if cursor.brackets or continues_number(cursor.before):
        yield from names(analyzed, cursor, cursor.start)  # the arguments of a call are numbers
        return
    if cursor.before and not isinstance(_inner(kind), Several):
        return  # there is a value already
    yield from _of(analyzed, cursor, kind)
    yield from names(analyzed, cursor, cursor.start)


def _inner(kind: Kind) -> Kind:
    return kind.of if isinstance(kind, Optional) else kind


def _of(analyzed: AnalyzedText, cursor: Cursor, kind: Kind) -> Iterator[Suggestion]:
    match kind:
        case Choice() | ChoiceOrCustom():
            for symbol in kind.symbols:
                yield Suggestion(symbol, _detail(cursor.key, symbol), _WORD, _about(cursor.key, symbol))
            if isinstance(kind, DatasetName):
                yield _HUB
            if isinstance(kind, BlockCall):
                yield _ATTENTION
        case Several(of=WeightName()):
            yield from weight_names(analyzed, cursor)
        case Flag():
            for word in FLAGS:
                yield Suggestion(word, _detail(cursor.key, word), _WORD)
        case Several(of=Choice() as choice):
            written = {token.text for token in cursor.before}
            yield from (Suggestion(symbol, "", _WORD) for symbol in choice.symbols if symbol not in written)
        case Optional():
            yield from _of(analyzed, cursor, kind.of)
            if not cursor.before:
                yield Suggestion("none", "", _WORD)
        case LikelihoodCall():
            yield from (Suggestion(call, about, CompletionItemKind.Function) for call, about in _LIKELIHOODS.items())
        case PoolingCall():
            yield from (Suggestion(pooling, "", CompletionItemKind.Function) for pooling in POOLINGS)
        case OrCall():
            yield from _of(analyzed, cursor, kind.plain)
            yield Suggestion(kind.call.example, "", CompletionItemKind.Function)
        case Either():
            yield from _of(analyzed, cursor, kind.plain)
            yield Suggestion("{}", "a map by resolution", CompletionItemKind.Struct, snippet="{$0}")
        case ByWeightName():
            yield Suggestion("{}", "a map by the names of weights", CompletionItemKind.Struct, snippet="{$0}")
        case ByResolution():
            yield from _default(cursor.key)
            yield Suggestion("{}", "a map by resolution", CompletionItemKind.Struct, snippet="{$0}")
        case _:
            yield from _default(cursor.key)


def _default(dotted: str) -> Iterator[Suggestion]:
    default = default_text(dotted)
    if default and default not in ("none", "{}"):
        yield Suggestion(default, "the default", CompletionItemKind.Value)


def _detail(dotted: str, symbol: str) -> str:
    """A short description of a symbol, for its row in the list."""
    if dotted == "data.dataset":
        return _CUSTOM_IMAGES.get(symbol) or images_text(symbol)
    return "the default" if symbol == default_text(dotted) else ""


def _about(dotted: str, symbol: str) -> str:
    """A longer description of a symbol."""
    if dotted == "data.dataset":
        own = _CUSTOM_IMAGES.get(symbol)
        return f"{own}; write channels and resolution too" if own else dataset_text(symbol).partition(": ")[2]
    if dotted == "model.cell" and symbol in CELLS:
        return CELLS[symbol].title
    if dotted == "model.block" and symbol in BLOCKS:
        return BLOCKS[symbol].title
    return ""


def _map_keys(analyzed: AnalyzedText, cursor: Cursor) -> Iterator[Suggestion]:
    """Suggest the resolutions of the model that the map lacks."""
    if cursor.before and cursor.before[-1].text not in ("{", ","):
        return
    if schema_key(cursor.key) is None:
        return
    written = {token.text for token in cursor.before if token.role in ("number", "symbol")}
    for resolution in _resolutions(analyzed):
        if str(resolution) not in written:
            yield Suggestion(
                str(resolution), "a resolution of the model", CompletionItemKind.Value, plain=f"{resolution}: "
            )
    if OTHER not in written:
        about = "the value of the resolutions that the map does not name"
        yield Suggestion(OTHER, about, CompletionItemKind.Keyword, plain=f"{OTHER}: ")


def _resolutions(analyzed: AnalyzedText) -> list[int]:
    """Resolutions of the block lists, or of the last ones that compiled if they cannot be read, highest first."""
    spec = analyzed.last_good.spec if analyzed.last_good is not None else None
    if analyzed.values is not None and analyzed.knows(*STACKS):
        spec = analyzed.values.spec
    lists = (spec.model.encoder, spec.model.decoder) if spec is not None else ()
    return sorted({entry.resolution for each in lists for entry in each.written_entries()}, reverse=True)

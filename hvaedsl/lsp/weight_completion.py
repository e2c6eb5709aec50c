"""Completion of the names of weights, in `train.freeze` and in the map `train.rates`."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import CompletionItemKind

from hvaedsl.ir.kinds import ByWeightName, Optional, Several, WeightName
from hvaedsl.ir.named_weights import NamedWeights, named_weights
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.key_text import schema_key
from hvaedsl.lsp.placed_tokens import Cursor
from hvaedsl.lsp.suggestion import Suggestion


def takes_weight_names(dotted: str) -> bool:
    """Whether the value of a key has names of weights in it."""
    key = schema_key(dotted)
    if key is None:
        return False
    kind = key.kind.of if isinstance(key.kind, Optional) else key.kind
    return isinstance(kind, ByWeightName) or (isinstance(kind, Several) and isinstance(kind.of, WeightName))


def weight_names(analyzed: AnalyzedText, cursor: Cursor) -> Iterator[Suggestion]:
    """Suggest the names that continue the written one by a segment, except those that the value has already."""
    last = cursor.before[-1].text if cursor.before else ","
    if last not in (",", "["):
        return
    yield from (_suggestion(weights, name) for weights, name in _names(analyzed, cursor))


def weight_entries(analyzed: AnalyzedText, cursor: Cursor) -> Iterator[Suggestion]:
    """Suggest the names of entries of a map; their values are numbers."""
    if cursor.before[-1].text not in ("{", ","):
        return
    for weights, name in _names(analyzed, cursor):
        yield _suggestion(weights, name, plain=f"{name}: ")


def _names(analyzed: AnalyzedText, cursor: Cursor) -> Iterator[tuple[NamedWeights, str]]:
    program = analyzed.last_good
    if program is None:
        return
    weights, written = named_weights(program.bridge), {token.text for token in cursor.before}
    known = cursor.written.rpartition(".")[0] if "." in cursor.written else ""
    for name in weights.children(known):
        if name not in written:
            yield weights, name


def _suggestion(weights: NamedWeights, name: str, plain: str = "") -> Suggestion:
    count = len(weights.matching(name))
    about = f"{count:,} tensor{'s' * (count > 1)}"
    return Suggestion(name, about, CompletionItemKind.EnumMember, plain=plain)

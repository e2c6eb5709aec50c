"""Completion of `$name`: numbers where a number belongs, lists where an entry belongs, and `$base` if there is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lsprotocol.types import CompletionItemKind

from hvaedsl.elaborate.block_shapes import is_list
from hvaedsl.elaborate.constants import BASE
from hvaedsl.ir.kinds import (
    ByResolution,
    ByWeightName,
    Choice,
    ChoiceOrCustom,
    Either,
    FilePath,
    Flag,
    FunctionName,
    Kind,
    Optional,
    PoolingCall,
    Several,
    Text,
    WeightName,
)
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.constant_text import (
    all_constants,
    base_list,
    cut,
    may_be_list,
    short_text,
    shortened,
    takes_base,
    without_comments,
)
from hvaedsl.lsp.key_text import schema_key
from hvaedsl.lsp.paths import children
from hvaedsl.lsp.placed_tokens import LET, OPERATORS, Cursor, PlacedToken
from hvaedsl.lsp.suggestion import Suggestion
from hvaedsl.syntax import ast
from hvaedsl.syntax.assignments import assignments
from hvaedsl.syntax.references import references

_ARITHMETIC = OPERATORS - {"STAR"}  # operators that are in no block list
_WITHOUT_NUMBERS = (Choice, ChoiceOrCustom, Flag, FunctionName, Text, FilePath, PoolingCall, WeightName)
_LONGEST = 40


@dataclass(frozen=True)
class Wanted:
    """Which names may be at a cursor."""

    numbers: bool = False
    lists: bool = False
    base: bool = False


def wanted_at(cursor: Cursor, start: int) -> Wanted:
    """Determine which names may be at a cursor; `start` is where the name starts."""
    before = cursor.before
    if _is_map_key(cursor):
        return Wanted()
    if start > cursor.start or _is_glued(before, start) or in_argument(before) or _is_operand(before):
        return Wanted(numbers=cursor.key.startswith(LET) or _takes_numbers(cursor.key))

    if cursor.key.startswith(LET):
        return Wanted(numbers=True, lists=not any(token.kind in _ARITHMETIC for token in before))
    inside = bool(cursor.brackets) and not may_be_list(cursor.key)
    return Wanted(
        numbers=_takes_numbers(cursor.key),
        lists=may_be_list(cursor.key),
        base=takes_base(cursor.key) and not inside,
    )


def names(analyzed: AnalyzedText, cursor: Cursor, start: int) -> Iterator[Suggestion]:
    """Suggest the names that may be at a cursor: the base's list first, then lists, then numbers."""
    wanted = wanted_at(cursor, start)
    if wanted.base:
        yield from base(analyzed, cursor.key)
    own = cursor.key.removeprefix(LET) if cursor.key.startswith(LET) else ""
    if own and wanted.lists and _is_number(analyzed, own):
        wanted = Wanted(numbers=True)
    hidden = _users(analyzed, own) if own else set()
    known = [found for found in all_constants(analyzed) if found.name not in hidden]
    for found in sorted(known, key=lambda found: not found.is_list):
        if found.is_list is None or (wanted.lists if found.is_list else wanted.numbers):
            if not (wanted.numbers or wanted.lists):
                continue
            detail = short_text(analyzed, found)
            about = f"a {found.kind}: {found.expression}" if found.expression else ""
            yield Suggestion(f"${found.name}", detail, CompletionItemKind.Constant, about, snippet=f"\\${found.name}")


def _is_number(analyzed: AnalyzedText, name: str) -> bool:
    """Whether a constant that is being written is a number: a base defines it as one, or it is used as one."""
    found = analyzed.collected.lets.get(name)
    if found and found[0].span.source is not analyzed.source:
        value = found[0].value
        return not is_list(value) and all(item.name not in analyzed.constants.lists for item in references(value))
    for document in analyzed.documents:
        values = [(not may_be_list(key), item.value) for key, item in assignments(document.statements)]
        values += [(False, item.value) for item in document.statements if isinstance(item, ast.Let)]
        if any(_uses_number(value, name, numeric) for numeric, value in values):
            return True
    return False


def _uses_number(node: ast.Node, name: str, numeric: bool) -> bool:
    """Whether a value has a name where only a number may be."""
    match node:
        case ast.Reference():
            return numeric and node.name == name
        case ast.Repeated():
            return _uses_number(node.count, name, True) or _uses_number(node.body, name, numeric)
        case ast.Block() | ast.BlockOf() | ast.Negative():
            numeric = True
        case ast.Arithmetic() if node.operator != "*":
            numeric = True
    return any(_uses_number(inner, name, numeric) for inner in children(node))


def _users(analyzed: AnalyzedText, name: str) -> set[str]:
    """A constant and those that use it, which its own definition cannot use."""
    uses = {
        other: {item.name for item in references(found[-1].value)} for other, found in analyzed.collected.lets.items()
    }
    found, waiting = {name}, [name]
    while waiting:
        used = waiting.pop()
        new = [other for other, names in uses.items() if used in names and other not in found]
        found.update(new)
        waiting += new
    return found


def base(analyzed: AnalyzedText, dotted: str) -> Iterator[Suggestion]:
    """Suggest `$base` if a base has a value of this key, with the start of that value."""
    below = analyzed.values_below(dotted)
    if not below or BASE in analyzed.collected.lets:
        return
    entries = base_list(analyzed, dotted)
    value = shortened(entries) if entries is not None else cut(without_comments(below[0].span.text), _LONGEST)
    detail = f"{value}, from {below[0].span.source.name}"
    yield Suggestion(
        f"${BASE}", detail, CompletionItemKind.Constant, f"the value of {dotted} in the base", snippet="\\$base"
    )


def in_argument(before: Sequence[PlacedToken]) -> bool:
    """Whether the parenthesis of `32r(` is open behind these tokens."""
    open_brackets: list[bool] = []
    for at, token in enumerate(before):
        if token.text in ("(", "[", "{"):
            open_brackets.append(at > 0 and before[at - 1].kind == "OPERATOR")
        elif token.text in (")", "]", "}") and open_brackets:
            open_brackets.pop()
    return any(open_brackets)


def continues_number(before: Sequence[PlacedToken]) -> bool:
    """Whether an operand of an expression is missing behind these tokens."""
    return bool(before) and (before[-1].kind in OPERATORS or before[-1].text == "(")


def _is_map_key(cursor: Cursor) -> bool:
    """Whether a key of a map belongs at the cursor; keys are literals."""
    in_map = bool(cursor.brackets) and cursor.brackets[-1] == "}"
    return in_map and (not cursor.before or cursor.before[-1].text in ("{", ","))


def _is_glued(before: Sequence[PlacedToken], start: int) -> bool:
    """Whether the name is directly behind the operator of a block, as in `32r$n`."""
    return bool(before) and before[-1].role == "block" and before[-1].end == start


def _is_operand(before: Sequence[PlacedToken]) -> bool:
    return bool(before) and before[-1].kind in _ARITHMETIC


def _takes_numbers(dotted: str) -> bool:
    """Whether a number or an expression may be in the value of a key."""
    if dotted.startswith(LET):
        return True
    key = schema_key(dotted)
    return key is not None and not isinstance(_of(key.kind), _WITHOUT_NUMBERS)


def _of(kind: Kind) -> Kind:
    """The kind of the values of a key, without `none`, and of the items of a list or a map."""
    while isinstance(kind, Optional | Several | ByResolution | ByWeightName | Either):
        kind = kind.plain if isinstance(kind, Either) else kind.of
    return kind

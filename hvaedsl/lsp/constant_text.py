"""What a `$name` stands for, in words: its kind, its value, its expression and where it is defined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from hvaedsl.diagnostics.span import Span
from hvaedsl.elaborate.block_shapes import is_list
from hvaedsl.elaborate.constants import BASE
from hvaedsl.elaborate.read_lists import Copies, Item, ReadList, Use
from hvaedsl.elaborate.readers import Reader
from hvaedsl.ir.blocks import Entry
from hvaedsl.ir.kinds import BlockStack, Kind, Optional, Several
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.key_text import schema_key
from hvaedsl.lsp.placed_tokens import LET
from hvaedsl.syntax import ast
from hvaedsl.syntax.references import references

MORE = "…"
_COMMENT = re.compile(r"#[^\r\n]*")
_MOST_ENTRIES = 400  # of a list that are put in place to show it
_LINE = 80  # code points of a line of entries
_MOST_LINES = 10
_LONGEST = 40  # of a list in a list of completions


@dataclass(frozen=True)
class Constant:
    """A constant of the chain, or one whose definition is half written."""

    name: str
    span: Span | None  # of the name in its definition; None if that cannot be read
    expression: str = ""
    number: int | None = None
    entries: ReadList | None = None
    is_list: bool | None = None  # None if its kind is unknown

    @property
    def kind(self) -> str:
        """The kind in words."""
        return "constant" if self.is_list is None else "list" if self.is_list else "number"


def constant(analyzed: AnalyzedText, name: str) -> Constant | None:
    """The constant with a name; None if the text has no definition of it, also no half-written one."""
    definition, constants = analyzed.definition(name), analyzed.constants
    if definition is None or name == BASE:
        is_half_written = name != BASE and any((item.role, item.text) == ("let", name) for item in analyzed.tokens)
        return Constant(name, None) if is_half_written else None
    expression = without_comments(definition.value.span.text)
    if name in constants.lists and name not in constants.unreadable:
        is_known = not _uses_unknown(analyzed, [definition.value])
        entries = constants.lists[name] if is_known else None
        return Constant(name, definition.span, expression, entries=entries, is_list=True)
    if name not in constants.unreadable:
        return Constant(name, definition.span, expression, number=constants.values.get(name), is_list=False)
    names = (item.name for item in references(definition.value))
    kind = True if is_list(definition.value) or any(item in constants.lists for item in names) else None
    return Constant(name, definition.span, expression, is_list=kind)


def _uses_unknown(analyzed: AnalyzedText, values: Iterable[ast.Value]) -> bool:
    """Whether values have a constant without a value, directly or in a list, so that their counts are placeholders."""
    constants = analyzed.constants
    waiting, seen = [item.name for value in values for item in references(value)], {BASE}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in constants.unreadable or (name not in constants.values and name not in constants.lists):
            return True
        definition = analyzed.definition(name) if name in constants.lists else None
        waiting += [item.name for item in references(definition.value)] if definition is not None else ()
    return False


def all_constants(analyzed: AnalyzedText) -> Iterator[Constant]:
    """The constants of the chain, those of the root base first, then those whose definition is half written."""
    half_written = (item.text for item in analyzed.tokens if item.role == "let")
    for name in dict.fromkeys((*analyzed.collected.lets, *half_written)):
        found = constant(analyzed, name)
        if found is not None:
            yield found


def short_text(analyzed: AnalyzedText, found: Constant) -> str:
    """The value, with the base that defines it, in one short line."""
    where = f", from {found.span.source.name}" if found.span is not None and _is_in_base(analyzed, found.span) else ""
    if found.number is not None:
        computed = f" = {found.expression}" if _is_computed(found) and len(found.expression) <= _LONGEST else ""
        return f"{found.number}{computed}{where}"
    if found.entries is None:
        value = cut(found.expression, _LONGEST)
        return f"{value or '?'}{where}" if found.is_list else f"? = {value}{where}" if value else f"?{where}"
    return f"{shortened(found.entries)}{where}"


def shortened(entries: ReadList) -> str:
    """The start of a list in one short line."""
    return cut(", ".join(_pieces(entries.items, _LONGEST)) or "no block", _LONGEST)


def cut(text: str, longest: int) -> str:
    """A text, shortened if it is longer than a number of code points."""
    return text if len(text) <= longest else f"{text[: longest - 1]}{MORE}"


def constant_text(analyzed: AnalyzedText, name: str) -> str:
    """Return the hover text of a constant as Markdown; empty if there is none."""
    found = constant(analyzed, name)
    if found is None or found.span is None:
        return ""
    where = place_text(analyzed, found.span)
    if found.entries is not None:
        written = cut(found.expression, 2 * _LINE)
        return f"`${name}` = `{written}`, a list defined in {where}\n\n{expansion(found.entries)}"
    if found.is_list:
        return f"`${name}` = `{cut(found.expression, 2 * _LINE)}`, a list defined in {where}"
    value = "?" if found.number is None else str(found.number)
    computed = f"`{cut(found.expression, 2 * _LINE)}` = " if _is_computed(found) else ""
    kind = "" if found.is_list is None else f"a {found.kind} "
    return f"`${name}` = {computed}{value}, {kind}defined in {where}"


def base_text(analyzed: AnalyzedText, dotted: str) -> str:
    """Return the hover text of `$base` in the value of a key as Markdown; empty if no base has a value."""
    below = analyzed.values_below(dotted)
    if not below:
        return ""
    head = f"`$base`: the value of `{dotted}` in {place_text(analyzed, below[0].span)}"
    entries = base_list(analyzed, dotted)
    if entries is not None:
        return f"{head}\n\n{expansion(entries)}"
    return f"{head}\n\n```hvae\n{cut(without_comments(below[0].span.text), 2 * _LINE)}\n```"


def base_list(analyzed: AnalyzedText, dotted: str) -> ReadList | None:
    """The block list that `$base` stands for in the value of a key; None if there is none or it cannot be read."""
    key, below = schema_key(dotted), analyzed.values_below(dotted)
    if key is None or not isinstance(key.kind, BlockStack) or not below or _uses_unknown(analyzed, below):
        return None
    reader = Reader(dotted, analyzed.constants, [], {}, set(), below, base_lost=True)
    return reader.base_reader(key.kind)(ast.Reference(BASE, below[0].span))


def takes_base(dotted: str) -> bool:
    """Whether `$base` may be in the value of a key."""
    key = schema_key(dotted)
    return key is not None and isinstance(_inner(key.kind), BlockStack | Several)


def _inner(kind: Kind) -> Kind:
    return kind.of if isinstance(kind, Optional) else kind


def may_be_list(dotted: str) -> bool:
    """Whether named lists may be in the value of a key or of a `let`."""
    key = schema_key(dotted)
    return dotted.startswith(LET) or (key is not None and isinstance(key.kind, BlockStack))


def place_text(analyzed: AnalyzedText, span: Span) -> str:
    """A place in words: its line, with its file if that is another one."""
    return f"{span.source.name}, line {span.line}" if _is_in_base(analyzed, span) else f"line {span.line}"


def without_comments(text: str) -> str:
    """The text of a value in one line, without comments; block lists and numbers contain no strings."""
    return " ".join(_COMMENT.sub("", text).split()) if '"' not in text else " ".join(text.split())


def expansion(entries: ReadList) -> str:
    """Return the entries of a list, with those of other lists in the place of their names, as a Markdown block."""
    lines: list[str] = []
    for piece in _pieces(entries.items, _MOST_ENTRIES):
        if lines and len(lines[-1]) + len(piece) + 2 <= _LINE:
            lines[-1] += f" {piece},"
        else:
            lines.append(f"{piece},")
    if not lines:
        return "no block"
    lines[-1] = lines[-1].removesuffix(",")
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES - 1 :] = [MORE]
    return "\n".join(("```hvae", *lines, "```"))


def _pieces(items: Sequence[Item], most: int) -> list[str]:
    """At most `most` entries of a list as text: forty lists of two uses each would have 2^40."""
    left = [most]

    def walk(items: Sequence[Item]) -> Iterator[str]:
        for item in items:
            if left[0] <= 0:
                yield MORE
                return
            match item:
                case Use():
                    yield from walk(item.content.items)
                case Entry():
                    left[0] -= 1
                    yield str(item)
                case Copies():
                    body = [piece for piece, _ in groupby(walk(item.body))]
                    yield f"{item.count}*({', '.join(body)})" if body else MORE
                case _:
                    left[0] -= 1 + len(item.body)
                    yield str(item)

    found = list(walk(items))
    return found[: found.index(MORE) + 1] if MORE in found else found


def _is_in_base(analyzed: AnalyzedText, span: Span) -> bool:
    return span.source is not analyzed.source


def _is_computed(found: Constant) -> bool:
    """Whether the expression of a constant says more than its value, or there is no value."""
    return bool(found.expression) and found.expression != str(found.number)

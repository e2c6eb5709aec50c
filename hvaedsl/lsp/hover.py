"""Hover: the meaning of the text at the cursor."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lsprotocol.types import Hover, MarkupContent, MarkupKind

from hvaedsl.diagnostics.numbers import counted
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.elaborate.constants import BASE
from hvaedsl.ir.cells import CELLS
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.kinds import OTHER, ChoiceOrCustom
from hvaedsl.ir.named_weights import named_weights
from hvaedsl.ir.residual_blocks import BLOCKS
from hvaedsl.ir.spec import LENGTH_KEYS, SECTIONS, known_steps
from hvaedsl.lsp.analyzed import AnalyzedText, within
from hvaedsl.lsp.arithmetic_text import arithmetic_text, value_text
from hvaedsl.lsp.constant_text import base_text, constant, constant_text
from hvaedsl.lsp.entries import STACKS, Written, block_lists, compiled, entries, named_lists
from hvaedsl.lsp.entry_text import applied_text, entry_text, list_text
from hvaedsl.lsp.key_text import dataset_text, hub_text, key_text, schema_key
from hvaedsl.lsp.markup import in_kind
from hvaedsl.lsp.navigation import base_document
from hvaedsl.lsp.occurrences import occurrences
from hvaedsl.lsp.placed_tokens import LET, PlacedToken, comment_at
from hvaedsl.lsp.weight_completion import takes_weight_names
from hvaedsl.report.explain import template_title
from hvaedsl.rules import KINDS
from hvaedsl.syntax import ast
from hvaedsl.syntax.references import references

_LISTED = 8  # tensors whose names are shown
_CODE = re.compile(r"HV\d{3}")


def hover(analyzed: AnalyzedText, offset: int, kind: MarkupKind = MarkupKind.Markdown) -> Hover | None:
    """Return what the text at an offset means; None if there is nothing to show."""
    found = _text_and_range(analyzed, offset)
    if found is None:
        return None
    text, start, end = found
    return Hover(MarkupContent(kind, in_kind(text, kind)), analyzed.lines.range(start, end))


def _text_and_range(analyzed: AnalyzedText, offset: int) -> tuple[str, int, int] | None:
    """The text of the hover, with the start and end of the part that it describes."""
    if comment_at(analyzed.text, offset) is not None:
        return _code(analyzed, offset)
    token = analyzed.token_at(offset)
    if token is None:
        return None
    return arithmetic_text(analyzed, token) or _entry(analyzed, offset) or _token(analyzed, token)


def _code(analyzed: AnalyzedText, offset: int) -> tuple[str, int, int] | None:
    """The rule of a code in an ignore comment."""
    begin, end = analyzed.lines.line_start(offset), analyzed.lines.line_end(offset)
    for found in _CODE.finditer(analyzed.text, begin, end):
        if found.start() <= offset <= found.end() and found[0] in KINDS:
            kind = KINDS[found[0]]
            return f"**{kind.code}**: {template_title(kind)}\n\n{kind.why}", *found.span()
    return None


def _entry(analyzed: AnalyzedText, offset: int) -> tuple[str, int, int] | None:
    """The operations of an entry in the list of a key or in the definition of a list, and their cost."""
    lists = {**block_lists(analyzed), **{f"{LET}{name}": value for name, value in named_lists(analyzed).items()}}
    for key, value in lists.items():
        if not within(value.span, offset):
            continue
        for entry, label in entries(value):
            span = entry.span if label is None else entry.span.to(label.span)
            if within(span, offset):
                parts = _of_key(analyzed, key, entry, span) if key in STACKS else _of_list(analyzed, entry, span)
                text = "\n\n".join(part for part in parts if part)
                return (text, span.start, span.end) if text else None
    return None


def _of_key(analyzed: AnalyzedText, key: str, entry: Written, span: Span) -> Iterator[str]:
    """The parts of the text about an entry of the encoder or the decoder."""
    stack, found = key.removeprefix("model."), compiled(analyzed, key)
    name = entry.name if isinstance(entry, ast.Reference) else ""
    if name == BASE or (name and not _is_number(analyzed, name)):
        yield base_text(analyzed, key) if name == BASE else constant_text(analyzed, name)
        if found is not None:
            yield list_text(found, found.operations(entry.span), stack)
        return
    yield entry_text(entry, stack, span.text, found, is_compiled=analyzed.compilation is not None)
    yield from _numbers(analyzed, entry)


def _of_list(analyzed: AnalyzedText, entry: Written, span: Span) -> Iterator[str]:
    """The parts of the text about an entry of a named list: what it becomes in each stack that uses the list."""
    if isinstance(entry, ast.Reference) and not _is_number(analyzed, entry.name):
        yield constant_text(analyzed, entry.name)
        return
    for key in STACKS:
        found, stack = compiled(analyzed, key), key.removeprefix("model.")
        operations = found.operations_of_list(entry.span, stack) if found is not None else ()
        if found is not None and operations:
            yield f"In the {stack}, {applied_text(span.text, found, operations)}"
    yield from _numbers(analyzed, entry)


def _is_number(analyzed: AnalyzedText, name: str) -> bool:
    """Whether a name is known to be a number; one without a readable definition may be a list."""
    found = constant(analyzed, name)
    return found is not None and found.is_list is False


def _numbers(analyzed: AnalyzedText, entry: Written) -> Iterator[str]:
    """The value of the argument of an entry, and the constants in it."""
    if isinstance(entry, ast.BlockOf):
        yield value_text(analyzed, entry.argument)
    yield from (constant_text(analyzed, name) for name in dict.fromkeys(item.name for item in references(entry)))


def _token(analyzed: AnalyzedText, token: PlacedToken) -> tuple[str, int, int] | None:
    text: str | None = None
    found = next((item for item in occurrences([token]) if item.name.kind == "constant"), None)
    match token.role:
        case "key":
            text = key_text(analyzed, token.dotted)
        case "section" if token.dotted in SECTIONS:
            text = (SECTIONS[token.dotted].__doc__ or "").strip()
        case "let":
            text = _defined(analyzed, token.text)
        case "base":
            text = _base(analyzed)
        case "number" if token.kind == "QUANTITY" and token.text.endswith("epochs"):
            text = _epochs(analyzed, token)
        case "string" if token.dotted == "data.dataset":
            text = hub_text(token.text.strip('"'))
        case "symbol" | "function":
            text = _symbol(analyzed, token)
        case _ if found is not None and found.name.text == BASE:
            text = base_text(analyzed, token.dotted)
        case _ if found is not None:
            text = constant_text(analyzed, found.name.text)
    return (text, token.start, token.end) if text else None


def _defined(analyzed: AnalyzedText, name: str) -> str:
    """What a definition defines, and what a list adds to each stack that uses it."""
    parts = [constant_text(analyzed, name)]
    value = named_lists(analyzed).get(name)
    for key in STACKS if value is not None else ():
        found, stack = compiled(analyzed, key), key.removeprefix("model.")
        operations = found.operations_of_list(value.span, stack) if found is not None and value is not None else ()
        if found is not None and operations:
            parts.append(list_text(found, operations, stack))
    return "\n\n".join(part for part in parts if part)


def _base(analyzed: AnalyzedText) -> str:
    base = base_document(analyzed)
    if base is None:
        return ""
    first = Source("", base.source.text.lstrip()).line(1)
    about = first.lstrip("# ").rstrip() if first.startswith("#") else ""
    return "\n\n".join(part for part in (f"`{base.source.name}`", about) if part)


def _epochs(analyzed: AnalyzedText, token: PlacedToken) -> str:
    """The steps of a number of epochs in one process, if the number of images is known."""
    values = analyzed.values
    if values is None or not analyzed.knows(token.dotted, *LENGTH_KEYS):
        return ""
    steps, written = known_steps(values.spec), values.spec.train.steps
    return "" if steps is None else f"`{written}`: {counted(steps, 'step')} in one process"


def _weights(analyzed: AnalyzedText, name: str) -> str:
    """The parameters that a name of weights means, the first of them by name."""
    program = analyzed.last_good
    found = named_weights(program.bridge).matching(name) if program is not None else ()
    if not found:
        return ""
    more = [f"and {len(found) - _LISTED:,} more"] if len(found) > _LISTED else []
    shown = ", ".join([*(f"`{item}`" for item in found[:_LISTED]), *more])
    return f"`{name}`: {len(found):,} tensor{'s' * (len(found) > 1)}\n\n{shown}"


def _symbol(analyzed: AnalyzedText, token: PlacedToken) -> str:
    dotted = token.dotted
    key = schema_key(dotted)
    if key is None:
        return ""
    if token.text == OTHER:
        return f"`{OTHER}`: the value of the resolutions that the map does not name"
    if takes_weight_names(dotted):
        return _weights(analyzed, token.text)
    if isinstance(key.kind, ChoiceOrCustom) and token.text in DATASETS:
        return dataset_text(token.text)
    if dotted == "model.cell" and token.text in CELLS:
        cell = CELLS[token.text]
        return f"`{cell.name}`: {cell.title}\n\n```\n{chr(10).join(cell.equations)}\n```\n\n{cell.reading}"
    if dotted == "model.block" and token.text in BLOCKS:
        block = BLOCKS[token.text]
        return f"`{block.name}`: {block.title}\n\n```\n{chr(10).join(block.equations)}\n```\n\n{block.details}"
    return f"`{token.text}` for `{dotted}`: {key.meaning}"

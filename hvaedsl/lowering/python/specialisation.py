"""The layers' source as a model without Fourier features needs it: without the parameters that would give it some.

A text of a module becomes a text that computes the same where every `features` is empty.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

from hvaedsl.lowering.python.library import Edit, Module, edited

WIDTH = 120
PARAMETER = "features"
# What gives back its first argument where there are no features.
NEUTRAL = ("fourier_features", "features_channels")
SENTENCE = re.compile(r"\s*(?:With|and for) (?:`features`|Fourier features)[^.]*?(?=\.(?:\s|$))\.?", re.DOTALL)


def without_features(text: str) -> str:
    """The text of a module without Fourier features, its statements on one line where they now fit."""
    while edits := _outermost(list(_edits(Module("", text)))):
        text = edited(Module("", text), 0, len(text), edits)
    return text


def _edits(module: Module) -> Iterator[Edit]:
    """The next edits, one for each statement or head of a function that still names features."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef):
            yield from _of_head(module, node)
        elif isinstance(node, ast.ClassDef):
            yield from _of_documentation(module, node)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == f"self.{PARAMETER}":
            yield Edit(*module.whole_lines(node), "")
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr | ast.Return):
            start, end = module.span(node)
            inner = _outermost([edit for call in _calls(node) for edit in _of_call(module, call)])
            if inner:
                yield Edit(start, end, on_one_line(edited(module, start, end, inner), node.col_offset))


def _of_head(module: Module, node: ast.FunctionDef) -> Iterator[Edit]:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    here = next((index for index, argument in enumerate(arguments) if argument.arg == PARAMETER), None)
    if here is None or node.name in NEUTRAL or node.returns is None:
        return
    defaults = [item for item in (*node.args.defaults, *node.args.kw_defaults) if item is not None]
    place = module.span(arguments[here])[0]
    before = max(end for item in (*arguments, *defaults) if (end := module.span(item)[1]) <= place)
    behind = min(start for item in defaults if (start := module.span(item)[0]) > place)
    end = next(module.span(item)[1] for item in defaults if module.span(item)[0] == behind)
    start, stop = module.span(node)[0], module.span(node.returns)[1]
    yield Edit(start, stop, on_one_line(edited(module, start, stop, [Edit(before, end, "")]), node.col_offset + 1))


def _of_documentation(module: Module, node: ast.ClassDef) -> Iterator[Edit]:
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        start, end = module.span(first)
        if SENTENCE.search(module.text[start:end]):
            yield Edit(start, end, SENTENCE.sub("", module.text[start:end]))


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (item for item in ast.walk(node) if isinstance(item, ast.Call))


def _of_call(module: Module, call: ast.Call) -> Iterator[Edit]:
    if isinstance(call.func, ast.Name) and call.func.id in NEUTRAL:
        yield Edit(*module.span(call), module.segment(call.args[0]))
        return
    given: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    for before, item in pairwise(given):
        named = isinstance(item, ast.keyword) and item.arg == PARAMETER
        if named or (isinstance(item, ast.Name) and item.id == PARAMETER):
            yield Edit(module.span(before)[1], module.span(item)[1], "")


def _outermost(edits: list[Edit]) -> list[Edit]:
    """Edits that lie in no other; what lies inside has its turn later."""
    return [
        edit
        for edit in edits
        if not any(other is not edit and other.start <= edit.start and edit.end <= other.end for other in edits)
    ]


def on_one_line(text: str, column: int) -> str:
    """A statement on one line where it fits there, as a formatter would have it."""
    if "\n" not in text or "#" in text:
        return text
    joined = re.sub(r",?\s*\n\s*(?=[)\]}])", "", text)
    joined = re.sub(r"(?<=[(\[{])\s*\n\s*", "", joined)
    joined = re.sub(r"\s*\n\s*", " ", joined)
    return joined if column + len(joined) <= WIDTH else text

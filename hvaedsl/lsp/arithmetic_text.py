"""The hover text of operators and expressions: the value of a number, or the copies that `k*A` makes."""

from __future__ import annotations

from collections.abc import Sequence

from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.elaborate.arithmetic import is_expression, whole_number
from hvaedsl.lsp.analyzed import AnalyzedText
from hvaedsl.lsp.constant_text import cut, without_comments
from hvaedsl.lsp.entries import STACKS, named_lists
from hvaedsl.lsp.paths import path_to
from hvaedsl.lsp.placed_tokens import OPERATORS, PlacedToken
from hvaedsl.syntax import ast

_PARENTHESES = ("LPAR", "RPAR")
_LONGEST = 80
Operation = ast.Arithmetic | ast.Repeated | ast.Negative


def arithmetic_text(analyzed: AnalyzedText, token: PlacedToken) -> tuple[str, int, int] | None:
    """The value of the expression at a token, with its place; None if the token is in no expression."""
    if token.kind not in (*OPERATORS, *_PARENTHESES, "INTEGER", "SUFFIXED"):
        return None
    path = path_to(analyzed.statements, token.start, token.end)
    numeric = number_path(analyzed, path)
    if numeric is None:
        return _copies(analyzed, path, token)

    # An operator has the value of its operands, a number that of the whole expression.
    expressions = [node for node in numeric if isinstance(node, Operation | ast.Group)]
    if not expressions:
        return None
    node = expressions[-1] if token.kind in (*OPERATORS, *_PARENTHESES) else expressions[0]
    text = value_text(analyzed, node)
    return (text, node.span.start, node.span.end) if text else None


def number_path(analyzed: AnalyzedText, path: Sequence[ast.Node]) -> Sequence[ast.Node] | None:
    """The part of a path in which `*` multiplies; None if there is none, as among the entries of a block list."""
    argument = next((at for at, node in enumerate(path) if isinstance(node, ast.BlockOf)), None)
    if argument is not None:
        return path[argument + 1 :]
    if not any(isinstance(node, ast.Let | ast.Assignment) for node in path) or in_block_list(analyzed, path):
        return None
    return path[1:]


def in_block_list(analyzed: AnalyzedText, path: Sequence[ast.Node]) -> bool:
    """Whether a path leads into the value of the encoder, of the decoder, or of a named list."""
    sections = [node.name.text for node in path if isinstance(node, ast.Section)]
    match next((node for node in path if isinstance(node, ast.Let | ast.Assignment)), None):
        case ast.Let(name=name):
            return name.text in named_lists(analyzed)
        case ast.Assignment(key=key):
            return ".".join((*sections, key.text)) in STACKS
        case _:
            return False


def value_text(analyzed: AnalyzedText, node: ast.Value) -> str:
    """`EXPRESSION = VALUE` for an expression; empty if it has no value, or is one."""
    number = value_of(analyzed, node)
    return "" if number is None else f"`{cut(without_comments(node.span.text), _LONGEST)}` = {number}"


def value_of(analyzed: AnalyzedText, node: ast.Node) -> int | None:
    """The value of an expression of whole numbers; None for anything else."""
    if not isinstance(node, ast.Value) or not is_expression(node):
        return None
    try:
        return whole_number(node, analyzed.constants)
    except SpecError:
        return None


def _copies(analyzed: AnalyzedText, path: Sequence[ast.Node], token: PlacedToken) -> tuple[str, int, int] | None:
    """What a `*` among entries, or the count before it, repeats."""
    repeated = next((node for node in reversed(path) if isinstance(node, ast.Repeated)), None)
    if repeated is None or not (token.kind == "STAR" or any(node is repeated.count for node in path)):
        return None
    count = repeated.count.value if isinstance(repeated.count, ast.Integer) else value_of(analyzed, repeated.count)
    if count is None:
        return None
    copies = "one copy" if count == 1 else f"{count:,} copies"
    body = cut(without_comments(repeated.body.span.text), _LONGEST)
    return f"{copies} of `{body}`, each with its own weights", repeated.span.start, repeated.span.end

"""Docstrings of emitted source: without the refusals that are left out, and joined where classes are."""

from __future__ import annotations

import ast
import re
import textwrap

from hvaedsl.lowering.python.library import Module

WIDTH = 120
REFUSAL = re.compile(r"\s*(?:[;,] raises|Raises) ValueError.*?(?=\.(?:\s|$))", re.DOTALL)

Documented = ast.FunctionDef | ast.ClassDef


def docstring_node(node: Documented) -> ast.Expr | None:
    """The statement that is the docstring."""
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first
    return None


def docstring(module: Module, node: Documented) -> str:
    """The text between the quotes, without its indentation."""
    found = docstring_node(node)
    if found is None:
        return ""
    inside = module.segment(found).strip()[3:-3]
    first, _, rest = inside.partition("\n")
    return (first + "\n" + textwrap.dedent(rest)).strip()


def without_refusals(text: str) -> str:
    """A docstring without its sentences about ValueError; what they stood among is filled anew."""
    kept = []
    for paragraph in text.split("\n\n"):
        rest = re.sub(r"^\.\s*", "", REFUSAL.sub("", paragraph)) if REFUSAL.search(paragraph) else paragraph
        rest = re.sub(r"\.\.(?=\s|$)", ".", rest).strip("\n")
        if rest != paragraph:
            rest = " ".join(rest.split())
        if rest:
            kept.append(rest)
    return "\n\n".join(kept)


def written(text: str, indent: str) -> str:
    """A docstring with its quotes, its lines indented and at most 120 wide; the first has no indentation."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        too_wide = any(len(indent) + len(line) > WIDTH for line in paragraph.splitlines())
        plain = not any(line.startswith(" ") for line in paragraph.splitlines())
        filled = (
            textwrap.fill(" ".join(paragraph.split()), WIDTH - len(indent) - 3) if too_wide and plain else paragraph
        )
        paragraphs.append(filled)
    if len(paragraphs) == 1 and "\n" not in paragraphs[0] and len(indent) + len(paragraphs[0]) + 6 <= WIDTH:
        return f'"""{paragraphs[0]}"""'
    body = textwrap.indent("\n\n".join(paragraphs), indent, predicate=lambda line: bool(line.strip())).lstrip()
    return f'"""{body}\n{indent}"""'

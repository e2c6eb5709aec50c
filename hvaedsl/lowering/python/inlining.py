"""The definitions of `hvaedsl.nn` that a model takes, as text for one file: verbatim, and in an order that can be read.

What the file imports of torch and the standard library follows from the names in them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.lowering.python.library import PACKAGE, Definition, Import, Library, Module, names_in
from hvaedsl.lowering.python.loops import INDENT, WIDTH


@dataclass(frozen=True)
class Inlined:
    """Texts of definitions, the names that they define or read, and what they import from elsewhere."""

    texts: tuple[str, ...]
    names: frozenset[str]
    imports: tuple[Import, ...]


def inlined(roots: Sequence[Import]) -> Inlined:
    """Follow names of the layers to all definitions that they need."""
    library = Library()
    taken: dict[str, Definition] = {}
    imported: dict[str, Import] = {}

    # Every name in a definition means what it means in the definition's own module.
    waiting = [(item.bound, item if not is_ours(item) else _definition(library, item)) for item in roots]
    read = {item.bound for item in roots}
    while waiting:
        name, meaning = waiting.pop()
        if isinstance(meaning, Import):
            if imported.setdefault(name, meaning) != meaning:
                raise CompilerBug(f"{name} means {imported[name]} and {meaning} in the layers of one model")
        elif name in taken:
            if taken[name].node is not meaning.node:
                raise CompilerBug(f"two definitions of the layers are called {name}")
        else:
            taken[name] = meaning
            others = [other for other in names_in(meaning.text) if other != name]
            read.update(others)
            found = ((other, library.find(meaning.module, other)) for other in others)
            waiting += [(other, item) for other, item in found if item is not None]

    order = {module: number for number, module in enumerate(_in_order(library, roots))}
    ordered = sorted(taken.values(), key=lambda item: (order[item.module.name], item.node.lineno))
    return Inlined(tuple(_spaced(ordered)), frozenset(read), tuple(imported.values()))


def is_ours(found: Import) -> bool:
    """Whether an import is of the project."""
    return found.module.partition(".")[0] == PACKAGE


def imports_text(imported: Sequence[Import]) -> str:
    """The imports in their usual order: the standard library, torch, then ours; whole modules first."""
    blocks = ["from __future__ import annotations"]
    for package in (None, "torch", PACKAGE):
        here = [item for item in imported if _package(item) == package]
        lines = [f"import {item.module}" for item in sorted(here, key=lambda item: item.module) if item.name is None]
        for module in sorted({item.module for item in here if item.name is not None}):
            names = sorted(
                (item for item in here if item.module == module and item.name is not None),
                key=lambda item: (_case(item.bound), item.bound),
            )
            plain = [item.bound for item in names if item.bound == item.name]
            if plain:
                lines += _from(module, plain)
            lines += [f"from {module} import {item.name} as {item.bound}" for item in names if item.bound != item.name]
        if lines:
            blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _definition(library: Library, found: Import) -> Definition:
    assert found.name is not None
    meaning = library.find(library.module(found.module), found.name)
    if not isinstance(meaning, Definition):
        raise CompilerBug(f"{found.module} defines no {found.name}")
    return meaning


def _in_order(library: Library, roots: Sequence[Import]) -> Iterator[str]:
    """The names of the layers' modules, each after those that it imports."""
    found: dict[str, None] = {}

    def visit(module: Module) -> None:
        for item in module.imports.values():
            if is_ours(item) and item.module not in found:
                visit(library.module(item.module))
        found.setdefault(module.name)

    for item in roots:
        if is_ours(item):
            visit(library.module(item.module))
    return iter(found)


def _spaced(taken: Sequence[Definition]) -> Iterator[str]:
    """The texts, neighboring constants of a module in one."""
    together: list[str] = []
    before: Definition | None = None
    for found in taken:
        constants = before is not None and not any(
            isinstance(item.node, ast.FunctionDef | ast.ClassDef) for item in (before, found)
        )
        if constants:
            together[-1] += f"\n{found.text}"
        else:
            together.append(found.text)
        before = found
    return iter(together)


def _package(found: Import) -> str | None:
    """The third party that is imported; None for the standard library."""
    package = found.module.partition(".")[0]
    return package if package in ("torch", PACKAGE) else None


def _from(module: str, names: Sequence[str]) -> Iterator[str]:
    """An import of names; one a line in brackets if they do not fit."""
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        yield line
    else:
        yield f"from {module} import ("
        yield from (f"{INDENT}{name}," for name in names)
        yield ")"


def _case(name: str) -> int:
    """Constants, then classes, then the rest."""
    return 0 if name.isupper() else 1 if name[:1].isupper() else 2

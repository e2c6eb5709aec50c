"""The source of the layers (`hvaedsl.nn`), read as text and found by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from hvaedsl.diagnostics.errors import CompilerBug

PACKAGE = "hvaedsl"
# A suppressed finding of our linter is not suppressed in a file that others lint; its reason stays.
SILENCED = re.compile(r"  # noqa: [A-Z0-9, ]+?(?: - (?P<reason>.*))?$", re.MULTILINE)


@dataclass(frozen=True)
class Import:
    """What one name is bound to by an import of something that is not the project's."""

    module: str
    name: str | None  # None of `import module`
    bound: str


@dataclass(frozen=True)
class Module:
    """A module of the project as text and tree."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed text."""
        return ast.parse(self.text)

    @cached_property
    def lines(self) -> list[str]:
        """The lines, each with its end."""
        return self.text.splitlines(keepends=True)

    @cached_property
    def definitions(self) -> dict[str, ast.stmt]:
        """The top-level functions, classes and constants, by name."""
        found: dict[str, ast.stmt] = {}
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found[node.targets[0].id] = node
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[node.target.id] = node
        return found

    @cached_property
    def imports(self) -> dict[str, Import]:
        """What the imports at the top level bind, by name."""
        return {found.bound: found for found in imports(self.tree.body)}

    def whole_lines(self, node: ast.stmt) -> str:
        """The lines of a statement, with its decorators and the comments right above."""
        first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", ()))])
        while self.lines[first - 2].lstrip().startswith("#") and first > 1:
            first -= 1
        assert node.end_lineno is not None
        return "".join(self.lines[first - 1 : node.end_lineno]).rstrip("\n")


@dataclass(frozen=True)
class Definition:
    """A definition at the top level of a module."""

    module: Module
    node: ast.stmt

    @property
    def text(self) -> str:
        """Its lines, as they are in the module."""
        return self.module.whole_lines(self.node)


class Library:
    """The modules of the project, each read once."""

    def __init__(self) -> None:
        self._modules: dict[str, Module] = {}

    def module(self, name: str) -> Module:
        """A module by its dotted name."""
        if name not in self._modules:
            *folders, last = name.split(".")[1:]
            folder = files(PACKAGE).joinpath(*folders)
            path = folder / last / "__init__.py" if (folder / last).is_dir() else folder / f"{last}.py"
            self._modules[name] = Module(name, SILENCED.sub(_reason, path.read_text(encoding="utf-8")))
        return self._modules[name]

    def find(self, module: Module, name: str) -> Definition | Import | None:
        """What a name means in a module: a definition of the project, something imported, or None of a built-in."""
        if name in module.definitions:
            return Definition(module, module.definitions[name])
        found = module.imports.get(name)
        if found is None or not found.module.startswith(f"{PACKAGE}."):
            return found
        if found.name is None or found.name != found.bound:
            raise CompilerBug(
                f"{module.name}: {name} is imported under another name, which emitted source cannot follow"
            )
        return self.find(self.module(found.module), found.name)


def _reason(suppressed: re.Match[str]) -> str:
    return f"  # {suppressed['reason']}" if suppressed["reason"] else ""


def imports(statements: list[ast.stmt]) -> Iterator[Import]:
    """What imports among statements bind."""
    for node in statements:
        if isinstance(node, ast.Import):
            yield from (Import(item.name, None, item.asname or item.name) for item in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            assert node.module is not None
            yield from (Import(node.module, item.name, item.asname or item.name) for item in node.names)


def names_in(text: str) -> list[str]:
    """The names that a text reads, in order, each once."""
    found = (node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))
    return list(dict.fromkeys(found))

"""The text of one definition for an emitted file: a class with its bases' members, and without needless refusals.

What a function or a constructor refuses, the compiler has refused before: in an emitted file their arguments are
constants. So `if ...: raise` is left out there, and kept in methods, which meet what a caller gives.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hvaedsl.diagnostics.errors import CompilerBug
from hvaedsl.lowering.python.docstrings import docstring, docstring_node, without_refusals, written
from hvaedsl.lowering.python.library import Definition, Edit, Library, Module, edited

INDENT = "    "
FOREIGN_BASES = ("nn.Module", "ABC")


def definition_text(library: Library, found: Definition) -> tuple[str, tuple[Module, ...]]:
    """The text of a definition, and the modules in which its names have their meaning."""
    module, node = found.module, found.node
    if isinstance(node, ast.ClassDef):
        chain = tuple(_chain(library, found))
        if any("__init__" in item.methods for item in chain):
            return _flat_class(chain), tuple(item.module for item in chain)
    start, end = module.whole_lines(node)
    edits = list(_without_refusals(module, node)) if isinstance(node, ast.FunctionDef) else []
    return edited(module, start, end, edits).rstrip("\n"), (module,)


@dataclass(frozen=True)
class _Class:
    module: Module
    node: ast.ClassDef

    @property
    def methods(self) -> dict[str, ast.FunctionDef]:
        return {item.name: item for item in self.node.body if isinstance(item, ast.FunctionDef)}

    @property
    def attributes(self) -> dict[str, ast.Assign | ast.AnnAssign]:
        found: dict[str, ast.Assign | ast.AnnAssign] = {}
        for item in self.node.body:
            target = item.targets[0] if isinstance(item, ast.Assign) else getattr(item, "target", None)
            if isinstance(item, ast.Assign | ast.AnnAssign) and isinstance(target, ast.Name):
                found[target.id] = item
        return found


def _chain(library: Library, found: Definition) -> Iterator[_Class]:
    """A class and its bases of the project, itself first."""
    while True:
        module, node = found.module, found.node
        assert isinstance(node, ast.ClassDef)
        yield _Class(module, node)
        bases = [ast.unparse(base) for base in node.bases if ast.unparse(base) not in FOREIGN_BASES]
        base = library.find(module, bases[0]) if bases else None
        if not isinstance(base, Definition):
            return
        if len(bases) > 1:
            raise CompilerBug(f"{node.name} has several bases: {', '.join(bases)}")
        found = base


def _flat_class(chain: tuple[_Class, ...]) -> str:
    """One class with the members of all, the bases' first; a constructor calls none of the project's any more."""
    constants = _constants(chain)
    methods: dict[str, tuple[_Class, ast.FunctionDef]] = {}
    for item in reversed(chain):
        for name, node in item.methods.items():
            methods[name] = (item, node)
    texts = [_constructor(chain, constants)]
    for name, (owner, node) in methods.items():
        if name != "__init__":
            start, end = owner.module.whole_lines(node)
            texts.append(edited(owner.module, start, end, list(_folded(owner.module, node, constants))).rstrip("\n"))
    attributes = {name: item for item in reversed(chain) for name in item.attributes}
    used = "\n\n".join(texts)
    plain = [
        _attribute(owner.module, name, owner.attributes[name])
        for name, owner in attributes.items()
        if f"self.{name}" in used
    ]
    head = f"class {chain[0].node.name}(nn.Module):\n{INDENT}{written(_documentation(chain), INDENT)}\n\n"
    return head + ("".join(plain) + "\n" if plain else "") + used


def _attribute(module: Module, name: str, node: ast.Assign | ast.AnnAssign) -> str:
    """An attribute of a class; one that only has a type as it is written, with its comment."""
    if node.value is not None:
        return f"{INDENT}{name} = {module.segment(node.value)}\n"
    start, end = module.whole_lines(node)
    return module.text[start:end]


def _documentation(chain: tuple[_Class, ...]) -> str:
    """The class's own docstring, then what its bases say beyond their first paragraphs."""
    own, *bases = (docstring(item.module, item.node) for item in chain)
    more = [paragraph for text in reversed(bases) for paragraph in text.split("\n\n")[1:]]
    return without_refusals("\n\n".join([own, *more]))


def _constants(chain: tuple[_Class, ...]) -> dict[str, bool]:
    """Attributes of the class that are True or False."""
    found: dict[str, bool] = {}
    for item in reversed(chain):
        for name, node in item.attributes.items():
            if isinstance(node.value, ast.Constant) and isinstance(node.value.value, bool):
                found[name] = node.value.value
    return found


def _constructor(chain: tuple[_Class, ...], constants: Mapping[str, bool]) -> str:
    """The first class's constructor, the bodies of its bases' in the place of their calls."""
    with_one = [item for item in chain if "__init__" in item.methods]
    outer = with_one[0]
    node = outer.methods["__init__"]
    start, _ = outer.module.whole_lines(node)
    head = outer.module.text[start : outer.module.whole_lines(node.body[0])[0]]
    return head + _body(with_one, {}, constants).rstrip("\n")


def _body(chain: list[_Class], values: Mapping[str, str], constants: Mapping[str, bool]) -> str:
    """The body of the first constructor, with `values` for its parameters."""
    module, node = chain[0].module, chain[0].methods["__init__"]
    edits = [*_without_refusals(module, node), *_folded(module, node, constants), *_filled_in(module, node, values)]
    for statement in node.body:
        call = _call_of_base(statement)
        if call is not None and len(chain) > 1:
            inner = _body(chain[1:], _arguments(module, call, chain[1].methods["__init__"]), constants)
            start, end = module.whole_lines(statement)
            edits.append(Edit(start, end, inner))
    start = module.whole_lines(node.body[0])[0]
    return edited(module, start, module.whole_lines(node.body[-1])[1], edits)


def _call_of_base(statement: ast.stmt) -> ast.Call | None:
    """The call in `super().__init__(...)`."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        function = statement.value.func
        if isinstance(function, ast.Attribute) and ast.unparse(function) == "super().__init__":
            return statement.value
    return None


def _arguments(module: Module, call: ast.Call, constructor: ast.FunctionDef) -> dict[str, str]:
    """What a call gives for the parameters that have another name there."""
    names = [parameter.arg for parameter in constructor.args.args[1:]]
    given = dict(zip(names, call.args, strict=False)) | {item.arg: item.value for item in call.keywords if item.arg}
    if set(given) != {*names, *(parameter.arg for parameter in constructor.args.kwonlyargs)}:
        raise CompilerBug(f"{module.name}: a constructor's call of its base leaves arguments to defaults")
    return {name: module.segment(value) for name, value in given.items() if module.segment(value) != name}


def _filled_in(module: Module, node: ast.FunctionDef, values: Mapping[str, str]) -> Iterator[Edit]:
    """Values in the place of parameters; in brackets unless they are arguments or whole right-hand sides."""
    if not values:
        return
    for parent in ast.walk(node):
        for child in ast.iter_child_nodes(parent):
            if isinstance(child, ast.Name) and child.id in values:
                bare = isinstance(parent, ast.Call | ast.Assign) or values[child.id].isalnum()
                yield Edit(*module.span(child), values[child.id] if bare else f"({values[child.id]})")


def _folded(module: Module, node: ast.FunctionDef, constants: Mapping[str, bool]) -> Iterator[Edit]:
    """`a if self.CONSTANT else b` becomes a or b."""
    for found in ast.walk(node):
        if isinstance(found, ast.IfExp) and isinstance(found.test, ast.Attribute):
            value = constants.get(found.test.attr) if ast.unparse(found.test.value) == "self" else None
            if value is not None:
                yield Edit(*module.span(found), module.segment(found.body if value else found.orelse))


def _without_refusals(module: Module, node: ast.FunctionDef) -> Iterator[Edit]:
    """Leave out `if ...: raise`, what was computed for it alone, and what the docstring says of it."""
    refusals = [item for item in node.body if _is_refusal(item)]
    if not refusals:
        return
    gone = [*refusals, *_needless(node, refusals)]
    for statement in gone:
        yield Edit(*module.whole_lines(statement), "")
    first = docstring_node(node)
    if first is not None:
        yield Edit(*module.span(first), written(without_refusals(docstring(module, node)), " " * first.col_offset))


def _is_refusal(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return ast.unparse(statement.value.func).startswith("_check")
    return isinstance(statement, ast.If) and not statement.orelse and isinstance(statement.body[0], ast.Raise)


def _needless(node: ast.FunctionDef, refusals: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Assignments to local names that only the refusals read."""
    kept = [item for item in node.body if item not in refusals]
    read = {name.id for item in kept for name in ast.walk(item) if isinstance(name, ast.Name) and _is_load(name)}
    for item in kept:
        if isinstance(item, ast.Assign):
            targets = [
                name for target in item.targets for name in ast.walk(target) if not isinstance(name, ast.expr_context)
            ]
            stored = {name.id for name in targets if isinstance(name, ast.Name)}
            plain = all(isinstance(name, ast.Name | ast.Tuple) for name in targets)
            if plain and not stored & read:
                yield item


def _is_load(name: ast.Name) -> bool:
    return isinstance(name.ctx, ast.Load)

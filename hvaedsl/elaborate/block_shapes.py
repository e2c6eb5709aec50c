"""Questions about the shape of a block list as it is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hvaedsl.diagnostics.diagnostic import Edit, Fix, insertion
from hvaedsl.elaborate.read_lists import ReadList
from hvaedsl.syntax import ast


def are_swapped(encoder: ast.Value, decoder: ast.Value, lists: Mapping[str, ReadList]) -> bool:
    """Whether the list of the encoder has operators of a decoder alone, and the reverse."""
    first, second = (set(_operators(value, lists)) & {"d", "m"} for value in (encoder, decoder))
    return first == {"m"} and second == {"d"}


def _operators(value: ast.Value, lists: Mapping[str, ReadList]) -> Iterator[str]:
    """The operators of the block entries in a value, and in the lists that it names."""
    match value:
        case ast.Block() | ast.BlockOf():
            yield value.operator
        case ast.Reference() if value.name in lists:
            yield from lists[value.name].operators
        case ast.Labeled():
            yield from _operators(value.entry, lists)
        case ast.Repeated():
            yield from _operators(value.body, lists)
        case ast.List() | ast.Group():
            for item in value.items:
                yield from _operators(item, lists)
        case _:
            pass


def is_item(value: ast.Value) -> bool:
    """Whether a value can be an entry, or is reported as a wrong one."""
    return isinstance(
        value,
        ast.Block
        | ast.BlockOf
        | ast.Integer
        | ast.Reference
        | ast.Repeated
        | ast.Labeled
        | ast.Group
        | ast.Negative
        | ast.Arithmetic,
    )


def labels_inside(value: ast.Labeled) -> Fix | None:
    """The fix that labels each entry of a group, if each is one block."""
    group, source = value.entry, value.span.source
    if not isinstance(group, ast.Group) or not all(map(is_one_block, group.items)):
        return None

    label = f"@{value.label.text}"
    outside = Edit(source.span(group.span.end, value.span.end), "")
    return Fix(
        "label the entries inside", (*(insertion(source, item.span.end, label) for item in group.items), outside)
    )


def has_zero_count(item: ast.Value) -> bool:
    """Whether the count of an item is the digit 0."""
    match item:
        case ast.Labeled():
            return has_zero_count(item.entry)
        case ast.Block(operator="x" | "r", argument=ast.Integer(value=0)):
            return True
        case ast.Repeated():
            return has_zero_count(item.body) or (isinstance(item.count, ast.Integer) and item.count.value == 0)
        case _:
            return False


def is_one_block(item: ast.Value) -> bool:
    """Whether an item is one block for certain, which can have a label."""
    if not isinstance(item, ast.Block):
        return isinstance(item, ast.Integer)
    copies = item.operator == "x" and not (isinstance(item.argument, ast.Integer) and item.argument.value == 1)
    return item.argument is not None and not copies


def is_list(value: ast.Value) -> bool:
    """Whether the text of a value alone shows that it is a list: a comma, a block, or a label."""
    match value:
        case ast.List() | ast.Block() | ast.BlockOf() | ast.Labeled():
            return True
        case ast.Group():
            return len(value.items) > 1 or any(map(is_list, value.items))
        case ast.Repeated():
            return is_list(value.body)
        case ast.Arithmetic():
            return is_list(value.left) or is_list(value.right)
        case ast.Negative():
            return is_list(value.value)
        case _:
            return False

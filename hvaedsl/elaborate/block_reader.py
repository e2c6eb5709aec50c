"""From a written block list to a typed one. A wrong entry is reported and read as one block; reading goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hvaedsl.catalog.names import UnknownConstant, WrongType
from hvaedsl.catalog.resolutions import TooManyApplications, ZeroCount
from hvaedsl.catalog.sharing import LabelOnCopies, LabelOnGroup
from hvaedsl.catalog.syntax import MissingCount, UnknownOperator
from hvaedsl.diagnostic import Diagnostic, Edit, Fix
from hvaedsl.elaborate.words import describe
from hvaedsl.ir.blocks import BlockList, Entry, Operator, Repeat
from hvaedsl.ir.kinds import BlockStack
from hvaedsl.span import Span
from hvaedsl.syntax import ast

MAX_APPLICATIONS = 100_000
_OPERATORS: dict[str, dict[str, tuple[Operator, str]]] = {
    "encoder": {
        "x": ("x", "the number of blocks"),
        "r": ("r", "the number of applications"),
        "d": ("d", "the factor of the pooling"),
    },
    "decoder": {
        "x": ("x", "the number of blocks"),
        "r": ("r", "the number of applications"),
        "m": ("m", "the resolution that is mixed in"),
    },
}


@dataclass
class BlockReader:
    """Reads the block list of one stack."""

    key: str
    kind: BlockStack
    lets: Mapping[str, int]
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def read(self, value: ast.Value) -> BlockList | None:
        """The typed list; None where it is none at all or applies too many blocks."""
        if not isinstance(value, ast.List) and not self._is_item(value):
            if not isinstance(value, ast.Invalid):
                self._wrong(value)
            return None
        items = BlockList(tuple(self._items(value)))
        if items.applications > MAX_APPLICATIONS:
            self.diagnostics.append(
                TooManyApplications(
                    span=value.span, stack=self.kind.stack, applications=items.applications, limit=MAX_APPLICATIONS
                )
            )
            return None
        return items if items.items else None

    def _is_item(self, value: ast.Value) -> bool:
        return isinstance(
            value, ast.Block | ast.Integer | ast.Reference | ast.Repeated | ast.Labelled | ast.Group | ast.Negative
        )

    def _items(self, value: ast.Value, label: ast.Name | None = None) -> Iterator[Entry | Repeat]:
        """The items that a value stands for; a list and a group stand for several."""
        match value:
            case ast.List() | ast.Group():
                for item in value.items:
                    yield from self._items(item)
            case ast.Repeated():
                count = self._count(value.count)
                body = tuple(self._items(value.body))
                if body:
                    yield Repeat(count, body)
            case ast.Labelled():
                if isinstance(value.entry, ast.Block | ast.Integer | ast.Reference):
                    yield from self._items(value.entry, value.label)
                else:
                    what = describe(value.entry)
                    self._say(LabelOnGroup(span=value.span, what=what, name=value.label.text))
                    yield from self._items(value.entry)
            case ast.Integer() | ast.Reference():
                yield self._bare(value, label)
            case ast.Block():
                yield self._block(value, label)
            case ast.Invalid():
                pass
            case _:
                self._wrong(value)

    def _bare(self, value: ast.Integer | ast.Reference, label: ast.Name | None) -> Entry:
        if isinstance(value, ast.Integer) and value.suffixed:
            self._wrong(value, "write the number out: a block list takes no suffixes")
        resolution = self._count(value)
        return Entry(resolution, "x", 1, label.text if label else None, value.span, value.span)

    def _block(self, block: ast.Block, label: ast.Name | None) -> Entry:
        name = label.text if label else None
        if block.resolution < 1:
            self._say(ZeroCount(span=block.resolution_span, text="0"))
        resolution = max(1, block.resolution)
        operators = _OPERATORS[self.kind.stack]
        if block.operator not in operators:
            self._say(UnknownOperator(span=block.operator_span, operator=block.operator, stack=self.kind.stack))
            return Entry(resolution, "x", 1, name, block.span, block.span)
        operator, meaning = operators[block.operator]
        if block.argument is None:
            text = block.span.text
            example = f"{text}{2 if operator in 'xrd' else max(1, resolution // 2)}"
            end = block.span
            at = Span(end.source, end.end, end.end, end.end_line, end.end_column, end.end_line, end.end_column)
            self._say(MissingCount(span=at, text=text, missing=meaning, example=example))
            return Entry(resolution, "x", 1, name, block.span, block.span)
        argument = self._number(block.argument)
        if operator != "d" and argument < 1:  # of a pooling the walk judges the factor
            self._say(ZeroCount(span=block.argument.span, text=block.span.text))
            argument = 1
        if operator == "x" and argument > 1 and label is not None:
            self._copies(block, label, argument)
            operator = "r"
        return Entry(resolution, operator, argument, name, block.span, block.argument.span)

    def _copies(self, block: ast.Block, label: ast.Name, count: int) -> None:
        entry = f"{block.span.text}@{label.text}"
        mended = entry.replace("x", "r", 1)
        fix = Fix(f"write `{mended}`", (Edit(block.operator_span, "r"),))
        self._say(LabelOnCopies(span=block.operator_span, entry=entry, count=count, mended=mended, fix=fix))

    def _count(self, value: ast.Integer | ast.Reference) -> int:
        number = self._number(value)
        if number < 1:
            self._say(ZeroCount(span=value.span, text=value.span.text))
        return max(1, number)

    def _number(self, value: ast.Integer | ast.Reference) -> int:
        if isinstance(value, ast.Integer):
            return value.value
        if value.name not in self.lets:
            self._say(UnknownConstant(span=value.span, name=value.name, known=tuple(self.lets)))
        return self.lets.get(value.name, 1)

    def _wrong(self, value: ast.Value, hint: str = "") -> None:
        if isinstance(value, ast.Negative):
            hint = "a block entry takes no sign"
        self._say(WrongType(span=value.span, key=self.key, wanted=str(self.kind), found=describe(value), hint=hint))

    def _say(self, diagnostic: Diagnostic) -> None:
        self.diagnostics.append(diagnostic)

"""The value of a key as a tree of items, brackets and comments, and its layout in lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hvaedsl.fmt.lexemes import Comment, Lexeme

WIDTH = 100  # columns of a line without its comment
_DEEPEST_COLUMN = 60  # lists that start further right are continued with an indentation of two
_BRACKETS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
_BLOCK = re.compile(r"0*([0-9]+?)([a-z]+).*")
_SUM = frozenset(("PLUS", "MINUS"))  # the binary operators with spaces; `*`, `/` and a sign have none
_SPACE_BEHIND = frozenset(("HVAE", "EXTENDS", "LET", "EQUAL", "COMMA", "COLON", *_SUM))


class Break(str):
    """The space before a `+` or `-`, where an expression that is too long continues on the next line."""

    __slots__ = ()


def space(before: Lexeme, after: Lexeme) -> str:
    """The space between two tokens of one line; empty for none."""
    section = before.kind == "KEY" and after.kind == "LBRACE"
    if after.kind in _SUM:
        return Break(" ")
    return " " if before.kind in _SPACE_BEHIND or after.kind == "EQUAL" or section else ""


@dataclass(eq=False)
class Brackets:
    """`( )`, `[ ]` or `{ }` and its contents."""

    opening: str
    closing: str = ""
    items: list[Item] = field(default_factory=list)
    below: list[str] = field(default_factory=list)  # comments above the closing bracket

    @cached_property
    def commented(self) -> bool:
        """Whether there is a comment inside."""
        return bool(self.below) or any(item.commented or item.above or item.behind for item in self.items)

    @cached_property
    def flat(self) -> str:
        """The text on one line, without comments."""
        return f"{self.opening}{flat(self.items)}{self.closing}"


@dataclass(eq=False)
class Item:
    """The tokens between two commas, with their comments."""

    parts: list[str | Brackets] = field(default_factory=list)
    above: list[str] = field(default_factory=list)
    behind: str = ""
    blocks: list[tuple[str, str]] = field(default_factory=list)  # resolution and operator; "" for none

    @cached_property
    def commented(self) -> bool:
        """Whether there is a comment inside its brackets."""
        return any(isinstance(part, Brackets) and part.commented for part in self.parts)

    @cached_property
    def flat(self) -> str:
        """The text on one line, without comments."""
        return "".join(part if isinstance(part, str) else part.flat for part in self.parts)


def flat(items: Sequence[Item]) -> str:
    """The text of a list on one line."""
    return ", ".join(item.flat for item in items)


def read_items(lexemes: Sequence[Lexeme]) -> list[Item]:
    """The items of a whole value."""
    return _Reader(lexemes).items([])


class _Reader:
    def __init__(self, lexemes: Sequence[Lexeme]) -> None:
        self.lexemes = lexemes
        self.at = 0

    def items(self, below: list[str]) -> list[Item]:
        """The items up to the closing bracket, which is not read; the comments before it are added to `below`."""
        items: list[Item] = []
        while self.at < len(self.lexemes) and self.lexemes[self.at].kind not in _BRACKETS.values():
            items.append(Item(above=self._before_item(items)))
            self._item(items[-1])
            if self.at < len(self.lexemes) and self.lexemes[self.at].kind == "COMMA":
                self.at += 1
        if self.at < len(self.lexemes):
            below += self._behind(items, self.lexemes[self.at].comments)
        return items

    def _before_item(self, items: list[Item]) -> list[str]:
        """The comments around the comma before an item. The first one may belong to the line before it."""
        comma = self.lexemes[self.at - 1].comments if items else ()
        above = self._behind(items, comma)
        own = self.lexemes[self.at].comments
        return above + ([comment.text for comment in own] if above else self._behind(items, own))

    def _behind(self, items: list[Item], comments: Sequence[Comment]) -> list[str]:
        """Attach the comment at the end of the last item's line to that item; return the others."""
        texts = [comment.text for comment in comments]
        if items and texts and not comments[0].own_line and not items[-1].behind:
            items[-1].behind = texts.pop(0)
        return texts

    def _item(self, item: Item) -> None:
        first = True
        while self.at < len(self.lexemes):
            lexeme = self.lexemes[self.at]
            if lexeme.kind == "COMMA" or lexeme.kind in _BRACKETS.values():
                return
            if not first:
                self._inside(item, lexeme.comments)
                item.parts.append(space(self.lexemes[self.at - 1], lexeme))
            first = False
            self.at += 1
            if lexeme.kind in _BRACKETS:
                self._brackets(item, lexeme)
            else:
                item.parts.append(lexeme.text)
                self._note_block(item, lexeme)

    def _inside(self, item: Item, comments: Sequence[Comment]) -> None:
        """Move comments inside an item above it, or to the end of brackets that already contain comments."""
        inner = [part for part in item.parts if isinstance(part, Brackets) and part.commented]
        (inner[-1].below if inner else item.above).extend(comment.text for comment in comments)

    def _brackets(self, item: Item, opening: Lexeme) -> None:
        is_argument = self.at > 1 and self.lexemes[self.at - 2].kind == "OPERATOR"  # of a block: `32r($m - 1)`
        brackets = Brackets(opening.text)
        brackets.items = self.items(brackets.below)
        brackets.closing = self.lexemes[self.at].text
        self.at += 1
        item.parts.append(brackets)
        if opening.kind == "LPAR" and not is_argument:
            item.blocks += [block for inner in brackets.items for block in inner.blocks]

    def _note_block(self, item: Item, lexeme: Lexeme) -> None:
        found = _BLOCK.fullmatch(lexeme.text) if lexeme.kind in ("BLOCK", "OPERATOR") else None
        after = self.lexemes[self.at].kind if self.at < len(self.lexemes) else ""
        if found:
            item.blocks.append((found[1], found[2]))
        elif lexeme.kind == "INTEGER" and after != "STAR":
            item.blocks.append((lexeme.text.lstrip("0"), ""))


@dataclass
class Line:
    """One line of the output."""

    indent: int
    text: str = ""
    comment: str = ""
    aligned_with: object = None  # lines with the same object have their comments in one column


class ValueWriter:
    """Writes a value after the head of a line: on one line if it fits, otherwise on several."""

    def __init__(self, indent: int, head: str) -> None:
        self.lines = [Line(indent, head)]

    @property
    def _line(self) -> Line:
        return self.lines[-1]

    @property
    def _column(self) -> int:
        return self._line.indent + len(self._line.text)

    def write(self, items: Sequence[Item]) -> list[Line]:
        """The lines of the value."""
        whole = flat(items)
        commented = any(item.commented or item.above or item.behind for item in items)
        if commented or self._column + len(whole) > WIDTH:
            self._wrapped(items, 0)
        else:
            self._line.text += whole
        return self.lines

    def _wrapped(self, items: Sequence[Item], tail: int) -> None:
        """Write a list over several lines; `tail` columns are needed after its last item."""
        column = self._continuation()
        several = False  # whether the item before took several lines
        blocks = any(operator for item in items for _, operator in item.blocks)
        for at, item in enumerate(items):
            room = tail if at == len(items) - 1 else 1
            if at:
                before = items[at - 1]
                full = self._column + 1 + len(item.flat) + room > WIDTH
                if before.behind or item.above or several or full or (blocks and _resolution_changes(before, item)):
                    self._begin_line(column)
                else:
                    self._line.text += " "

            for comment in item.above:
                self._comment_line(column, comment)
            count = len(self.lines)
            self._item(item, room)
            several = len(self.lines) > count
            self._line.text += "," if at < len(items) - 1 else ""
            self._line.comment = item.behind

    def _item(self, item: Item, tail: int) -> None:
        if not item.commented and self._column + len(item.flat) + tail <= WIDTH:
            self._line.text += item.flat
            return
        column = self._continuation()
        for at, part in enumerate(item.parts):
            if isinstance(part, Brackets) and part.items + part.below:
                self._brackets(part, tail)
            elif isinstance(part, Break) and self._column + 1 + _up_to_break(item.parts[at + 1 :]) + tail > WIDTH:
                self._begin_line(column)
            else:
                self._line.text += part if isinstance(part, str) else part.flat

    def _brackets(self, brackets: Brackets, tail: int) -> None:
        self._line.text += brackets.opening
        column = self._continuation()
        if brackets.items:
            self._wrapped(brackets.items, tail + 1)
        for comment in brackets.below:
            self._begin_line(column)
            self._line.comment = comment
        if self._line.comment:
            self._begin_line(max(column - 1, 0))
        self._line.text += brackets.closing

    def _continuation(self) -> int:
        """The column of the further lines of a list that starts here."""
        return self._column if self._column <= _DEEPEST_COLUMN else self._line.indent + 2

    def _begin_line(self, column: int) -> None:
        self.lines.append(Line(column))

    def _comment_line(self, column: int, comment: str) -> None:
        """Write a comment above the next item, which starts a new line."""
        if self._line.text:
            self._begin_line(column)
        self._line.comment = comment
        self._begin_line(column)


def _up_to_break(parts: Sequence[str | Brackets]) -> int:
    """The columns of the parts before the next place where the expression can continue on another line."""
    columns = 0
    for part in parts:
        if isinstance(part, Break):
            break
        columns += len(part if isinstance(part, str) else part.flat)
    return columns


def _resolution_changes(before: Item, after: Item) -> bool:
    """Whether the resolution changes between two items of a block list."""
    if not before.blocks or not after.blocks:
        return False
    (resolution, operator), (next_resolution, next_operator) = before.blocks[-1], after.blocks[0]
    return operator == "d" or next_operator == "m" or resolution != next_resolution

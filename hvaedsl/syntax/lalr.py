"""The lexer and the LALR parser that a compiled grammar drives.

Lark compiles the grammar (`compiled_grammar.py`), and its result is kept as a table of plain data (`grammar.py`). Here
that table is run: importing Lark takes as long as checking ten specs. A test compares tokens and trees with Lark's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

END = "$END"


class Token(str):
    """The text of a token, with its kind and its offsets in code points."""

    __slots__ = ("end_pos", "start_pos", "type")

    type: str
    start_pos: int
    end_pos: int

    def __new__(cls, kind: str, text: str, start: int, end: int) -> Token:
        """A token of this kind and text."""
        token = super().__new__(cls, text)
        token.type = kind
        token.start_pos = start
        token.end_pos = end
        return token

    def __repr__(self) -> str:
        """Kind and text."""
        return f"Token({self.type!r}, {str(self)!r})"


# An entry of a list that was read without the parser (`plain_entries.py`).
PlainEntry = tuple[Token, ...]


class Tree:
    """A node of the syntax tree: the name of its rule, its children, and its offsets; -1 without any token."""

    __slots__ = ("children", "data", "end_pos", "start_pos")
    __match_args__: ClassVar[tuple[str, ...]] = ("data", "children")

    def __init__(self, data: str, children: list[Tree | Token | PlainEntry], start: int, end: int) -> None:
        self.data = data
        self.children = children
        self.start_pos = start
        self.end_pos = end

    def __repr__(self) -> str:
        """The rule and the children."""
        return f"Tree({self.data!r}, {self.children!r})"


class Rule(NamedTuple):
    """A rule of the grammar, and what its node keeps of the symbols that it is made of."""

    origin: str
    size: int  # symbols
    data: str  # the name of its node
    kept: tuple[tuple[int, bool], ...]  # the indices that are children; True for one whose own children are
    passes: bool  # a node with one child is that child


class NotAccepted(Exception):
    """The parser does not accept a token."""


class CompiledGrammar:
    """A lexer and LALR tables.

    Raises `LookupError`, `TypeError`, `AttributeError`, `ValueError` or `re.error` for data of another form.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._match = re.compile("|".join(f"(?P<{name}>{regex})" for name, regex in data["terminals"])).match
        self._keywords: dict[str, dict[str, str]] = data["keywords"]
        self._ignored = frozenset(data["ignored"])
        self.rules = tuple(
            Rule(origin, size, node, tuple((at, bool(inner)) for at, inner in kept), bool(passes))
            for origin, size, node, kept, passes in data["rules"]
        )
        # By state: of a terminal, the next state, or ~R to apply rule R; of a rule's origin, the next state.
        self.actions: list[dict[str, int]] = data["actions"]
        self.gotos: list[dict[str, int]] = data["gotos"]
        self.starts: dict[str, int] = data["starts"]
        self.ends: dict[str, int] = data["ends"]
        if len(self.actions) != len(self.gotos) or self.starts.keys() != self.ends.keys():
            raise ValueError("tables of different sizes")

    def lex(self, text: str) -> Iterator[Token]:
        """Yield the tokens of a text. The grammar has a token for everything else, so every text can be read."""
        match, keywords, ignored = self._match, self._keywords, self._ignored
        at, end = 0, len(text)
        while at < end:
            found = match(text, at)
            assert found is not None
            kind, after = found.lastgroup, found.end()
            assert kind is not None
            if kind not in ignored:
                word = found.group()
                if kind in keywords:
                    kind = keywords[kind].get(word, kind)
                yield Token(kind, word, at, after)
            at = after

    def parser(self, start: str) -> Parser:
        """Return a parser of the start rule, before its first token."""
        return Parser(self, self.ends[start], [self.starts[start]], [])

    def parse(self, start: str, tokens: Iterable[Token]) -> Tree | None:
        """Return the tree of tokens, of which the last is `$END`; None if one is not accepted."""
        parser, tree = self.parser(start), None
        try:
            for token in tokens:
                tree = parser.feed(token)
        except NotAccepted:
            return None
        return tree


class Parser:
    """The state of a parser between two tokens."""

    __slots__ = ("_end", "_grammar", "_states", "_values")

    def __init__(self, grammar: CompiledGrammar, end: int, states: list[int], values: list[Tree | Token]) -> None:
        self._grammar = grammar
        self._end = end
        self._states = states
        self._values = values

    def feed(self, token: Token) -> Tree | None:
        """Read one token; return the tree after `$END`. Raises `NotAccepted`, and then the parser is of no more use."""
        grammar, states, values = self._grammar, self._states, self._values
        actions, kind = grammar.actions, token.type
        while True:
            action = actions[states[-1]].get(kind)
            if action is None:
                raise NotAccepted(kind)
            if action >= 0:
                states.append(action)
                values.append(token)
                return None

            rule = grammar.rules[~action]
            origin, size, data, kept, passes = rule
            if size:
                del states[-size:]
                found = values[-size:]
                del values[-size:]
            else:
                found = []
            values.append(found[0] if passes and size == 1 else _node(data, kept, passes, found))
            states.append(grammar.gotos[states[-1]][origin])
            if states[-1] == self._end and kind == END:
                tree = values[-1]
                assert isinstance(tree, Tree)
                return tree

    @property
    def values(self) -> list[Tree | Token]:
        """The nodes and tokens that are not part of a complete node yet; they may be changed."""
        return self._values

    def choices(self) -> Mapping[str, int]:
        """The terminals that the state has an action for; after rules have been applied, some may not be accepted."""
        return self._grammar.actions[self._states[-1]]

    def accepts(self) -> set[str]:
        """The terminals that `feed` would accept."""
        return {kind for kind in self.choices() if self._is_accepted(kind)}

    def _is_accepted(self, kind: str) -> bool:
        """Whether a terminal is accepted: `feed` without values."""
        grammar, states = self._grammar, self._states.copy()
        while True:
            action = grammar.actions[states[-1]].get(kind)
            if action is None:
                return False
            if action >= 0:
                return True
            origin, size = grammar.rules[~action][:2]
            if size:
                del states[-size:]
            states.append(grammar.gotos[states[-1]][origin])
            if states[-1] == self._end and kind == END:
                return True

    def copy(self) -> Parser:
        """Return a parser that stays as it is while this one reads on.

        The list of a starred rule is extended in place, so the lists of unfinished rules are copied too.
        """
        values = [
            Tree(item.data, item.children.copy(), item.start_pos, item.end_pos) if isinstance(item, Tree) else item
            for item in self._values
        ]
        return Parser(self._grammar, self._end, self._states.copy(), values)


def _node(data: str, kept: Sequence[tuple[int, bool]], passes: bool, found: list[Tree | Token]) -> Tree | Token:
    """The node of an applied rule. It extends from its first to its last token, kept or not."""
    children: list[Tree | Token | PlainEntry] = []
    for at, inner in kept:
        item = found[at]
        if not inner:
            children.append(item)
        elif children:
            children += item.children  # type: ignore[union-attr]  # a node, as the grammar has it
        else:
            children = item.children  # type: ignore[union-attr]  # in place, so that a long list takes linear time
    if passes and len(children) == 1:
        return children[0]  # type: ignore[return-value]  # plain entries are in lists, whose nodes do not pass

    start = end = -1
    for item in found:
        if item.start_pos >= 0:
            start = item.start_pos
            break
    for item in reversed(found):
        if item.end_pos >= 0:
            end = item.end_pos
            break
    return Tree(data, children, start, end)

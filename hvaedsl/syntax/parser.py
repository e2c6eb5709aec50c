"""The parser: tokens with a nesting limit, LALR, and recovery at the next key or closing brace.

Recovery does not guess: the statement with the error is dropped, its key is remembered (so that it is not reported as
missing later), and parsing continues from the state before that statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, Label, removal
from hvaedsl.diagnostics.limits import NestingTooDeep, TooManyErrors, TooManyTokens
from hvaedsl.diagnostics.notation import UnresolvedConflict, outside_conflicts
from hvaedsl.diagnostics.record import Record
from hvaedsl.diagnostics.span import Source
from hvaedsl.diagnostics.syntax import UnclosedBrace, UnexpectedToken, UnmatchedBrace
from hvaedsl.syntax import ast
from hvaedsl.syntax.builder import Builder, junk, token_span
from hvaedsl.syntax.digit_groups import grouped_number
from hvaedsl.syntax.grammar import hvae_parser
from hvaedsl.syntax.lalr import NotAccepted, Parser, Token, Tree
from hvaedsl.syntax.limited_tokens import CLOSE, OPEN, PAIRS, STARTS, end_token, tokens_of
from hvaedsl.syntax.notation import repair
from hvaedsl.syntax.plain_entries import skip_plain_entries
from hvaedsl.syntax.unexpected import unexpected

MAX_SYNTAX_ERRORS = 100


class Parsed(Record):
    """A document as far as it could be read, and the syntax errors in it."""

    document: ast.Document
    diagnostics: tuple[Diagnostic, ...]
    complete: bool  # False if a brace is unclosed or reading stopped: then no key can be reported as missing


def parse_document(source: Source) -> Parsed:
    """The AST of a file; raises nothing for any text."""
    return _Parser(source).run()


def parse_value(source: Source) -> tuple[ast.Value | None, tuple[Diagnostic, ...]]:
    """The AST of a single value, such as that of `--set`; None if it cannot be read."""
    diagnostics: list[Diagnostic] = []
    parser = hvae_parser().parser("value")
    repaired = repair(source, is_value=True)
    tokens = tokens_of(source, repaired.text, diagnostics)
    if found := (*repaired.diagnostics, *diagnostics):
        return None, found
    at, ended = 0, (*tokens, end_token(source))
    while at < len(ended):
        token = ended[at]
        try:
            tree = parser.feed(token)
        except NotAccepted:
            return None, (_diagnostic(source, parser, (*tokens, token), at),)
        at += 1
        if token.type == "COMMA":
            at = skip_plain_entries(parser, ended, at)

    builder = Builder(source)
    assert isinstance(tree, Tree)
    items = tree.children[0]
    assert isinstance(items, Tree)
    value = builder.block_list(items)
    return value, tuple(builder.diagnostics)


def _tree(parser: Parser, tokens: Sequence[Token]) -> Tree | None:
    """The tree of tokens, of which the last is `$END`; None if one is not accepted."""
    tree, at = None, 0
    try:
        while at < len(tokens):
            tree = parser.feed(tokens[at])
            at += 1
            if tokens[at - 1].type == "COMMA":
                at = skip_plain_entries(parser, tokens, at)
    except NotAccepted:
        return None
    return tree


def _diagnostic(
    source: Source,
    parser: Parser,
    tokens: Sequence[Token],
    at: int,
    brackets: Sequence[Token] = (),
    sections: Sequence[Token] = (),
) -> Diagnostic:
    """The diagnostic of the token at an index, which the parser does not accept."""
    token, last = tokens[at], tokens[at - 1] if at else None
    if (number := grouped_number(source, tokens, at)) is not None:
        return number
    if token.type == "JUNK":
        return junk(source, token, last)
    if last is not None and last.type == "JUNK" and last.startswith('"'):
        return junk(source, last)  # an unclosed string contains the token that belongs here
    return unexpected(source, parser.accepts(), tokens, at, brackets, sections)


@dataclass
class _Parser:
    source: Source
    diagnostics: list[Diagnostic] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    sections: list[Token] = field(default_factory=list)  # the keys of the open sections, outermost first
    braces: list[Token] = field(default_factory=list)  # their opening braces
    closed: int | None = None  # the index of the brace that closed the last top-level section
    outside: list[tuple[int, int]] = field(default_factory=list)
    last_section: str = ""  # its name
    any_read: bool = False

    def run(self) -> Parsed:
        repaired = repair(self.source)
        self.tokens = tokens_of(self.source, repaired.text, self.diagnostics)
        self.placeholders = repaired.placeholders
        limits = [item for item in self.diagnostics if isinstance(item, (TooManyTokens, NestingTooDeep))]
        if any(isinstance(item, TooManyTokens) for item in limits):
            return Parsed(ast.Document(self.source, (), (), frozenset(("",))), tuple(limits), False)
        self.diagnostics += repaired.diagnostics
        stopped = bool(limits)

        # Most texts have no syntax error and need no recovery.
        if not stopped and len(self.diagnostics) < MAX_SYNTAX_ERRORS:
            tree = _tree(hvae_parser().parser("start"), (*self.tokens, end_token(self.source)))
            if tree is not None:
                statements = tree.children[0]
                assert isinstance(statements, Tree)
                return self._parsed(statements, complete=True)

        self.parser = hvae_parser().parser("start")
        self._mark(None)
        at = 0
        while at < len(self.tokens):
            at = self._step(at)
            if len(self.diagnostics) >= MAX_SYNTAX_ERRORS:
                span = token_span(self.source, self.tokens[min(at, len(self.tokens) - 1)])
                self.diagnostics.append(TooManyErrors(span=span, limit=MAX_SYNTAX_ERRORS))
                stopped = True
                break

        tree, closed = self._finish(stopped)
        return self._parsed(tree, complete=closed and not stopped)

    def _parsed(self, tree: Tree, *, complete: bool) -> Parsed:
        """The document of the statements, and all diagnostics."""
        builder = Builder(self.source, self.placeholders)
        statements = builder.statements(tree)
        distinct = dict.fromkeys([*self.diagnostics, *builder.diagnostics])
        found = sorted(outside_conflicts(distinct), key=lambda item: item.span.start)
        complete = complete and not any(isinstance(item, UnresolvedConflict) for item in found)
        if len(found) > MAX_SYNTAX_ERRORS + 1:  # by the errors of the builder
            found[MAX_SYNTAX_ERRORS:] = [TooManyErrors(span=found[MAX_SYNTAX_ERRORS].span, limit=MAX_SYNTAX_ERRORS)]
            complete = False
        # A surplus comma moves nothing.
        moving = [
            item.span.start
            for item in found
            if isinstance(item, (UnclosedBrace, UnmatchedBrace, UnexpectedToken))
            and (item.fix is None or not item.fix.safe)
        ]
        document = ast.Document(
            self.source, statements, tuple(self.outside), frozenset(self.broken), min(moving, default=None)
        )
        return Parsed(document, tuple(found), complete)

    def _mark(self, statement: int | None) -> None:
        """Save the parser's state before the statement that starts with the token of this index."""
        self.checkpoint = self.parser.copy()
        self.statement = statement
        self.brackets: list[Token] = []  # of values; those of sections are in `braces`

    def _step(self, at: int) -> int:
        """Feed one token to the parser, and return the index of the next one."""
        token = self.tokens[at]
        if not self.brackets and (token.type in STARTS or token.type == "RBRACE"):
            if token.type == "RBRACE" and not self.braces:
                self.diagnostics.append(self._unmatched(at))
                return at + 1
            if "LET" in self.parser.choices():  # between statements
                self._mark(at)

        try:
            self.parser.feed(token)
        except NotAccepted:
            return self._recover(at)
        self.any_read = True
        self._track(at)
        return skip_plain_entries(self.parser, self.tokens, at + 1) if token.type == "COMMA" else at + 1

    def _track(self, at: int) -> None:
        """Update the open sections and brackets after the token of this index."""
        token = self.tokens[at]
        opens_section = token.type == "LBRACE" and not self.brackets and self.tokens[at - 1].type == "KEY"
        if opens_section:
            self.sections.append(self.tokens[at - 1])
            self.braces.append(token)
            self._mark(None)

        elif token.type in OPEN:
            self.brackets.append(token)
        elif token.type in CLOSE:
            if self.brackets:
                self.brackets.pop()
            else:
                section = self.sections.pop()
                self.braces.pop()
                self._mark(None)
                if not self.sections:
                    self.closed, self.last_section = at, str(section)

    def _unmatched(self, at: int) -> UnmatchedBrace:
        """The diagnostic of a `}` that closes nothing.

        If only keys are between it and the last section, that section was closed too early, and it is the brace there
        that is not meant.
        """
        span = token_span(self.source, self.tokens[at])
        early, self.closed = self.closed, None
        between = self.tokens[early + 1 : at] if early is not None else []
        kinds = [token.type for token in between]
        only_keys = kinds[:1] == ["KEY"] and ("KEY", "LBRACE") not in pairwise(kinds)
        if early is None or not only_keys or not {"HVAE", "LET", "EXTENDS"}.isdisjoint(kinds):
            return UnmatchedBrace(span=span, fix=Fix("remove it", (removal(span),)))

        brace = token_span(self.source, self.tokens[early])
        self.outside.append((brace.end, span.start))
        return UnmatchedBrace(
            span=span,
            closed=self.last_section,
            secondary=(Label(brace, f"`{self.last_section}` is closed here"),),
            fix=Fix("remove the first of the two", (removal(brace),)),
        )

    def _recover(self, at: int) -> int:
        """Report the error, drop its statement, and return the index of the token to continue with."""
        last = self.tokens[at - 1] if at else None
        token = self.tokens[at]
        strange = self._strange_neighbor(at)
        if self._is_placeholder(token) or (last is not None and self._is_placeholder(last)):
            self._lose(token)  # what it stands for is reported, and explains the error beside it
        elif strange is None:
            place = self.source, self.parser, self.tokens, at
            self.diagnostics.append(_diagnostic(*place, self.brackets, self.sections))
        else:  # the strange character explains the error beside it
            self.diagnostics.append(junk(self.source, strange))
            self.broken.add(self._path() + ".*" if self.sections else "")

        # Remember the keys that are lost with the error.
        between = self._between_statements()
        if not self.any_read:
            self.broken.add("")
        elif token.type == "NAME" and between:  # a key or a section without `=` or `{`
            self.broken |= {self._path(token), f"{self._path(token)}.*"}
            end = None if self.sections else self._closing(at, ("LBRACE",))
            at = at if end is None else end + 1
        elif self.sections and last is self.braces[-1]:  # not a section, but a map without the `=` before it
            self.broken.add(self._path())

        # Restore the state before the statement, and skip to the next one.
        opened = [bracket.type for bracket in self.brackets]
        begin = self.statement
        if self.statement is not None or not between:
            self._break()
        self._mark(None)
        at = self._resume(at, opened)
        if begin is not None:  # keys inside an open bracket, which were skipped
            self.broken |= {self._path(token) for token in self.tokens[begin:at] if token.type == "KEY"}
        return at

    def _is_placeholder(self, token: Token) -> bool:
        return token.start_pos in self.placeholders

    def _lose(self, token: Token) -> None:
        """Remember what a placeholder between statements stands for, which is a dotted key or unknown."""
        if self._between_statements():
            dotted = token_span(self.source, token).text.partition("=")[0].strip()
            is_key = "." in dotted and not self.sections
            self.broken.add(dotted if is_key else self._path() + ".*" * bool(self.sections))

    def _strange_neighbor(self, at: int) -> Token | None:
        """The junk token that touches the one at this index, or None.

        An ASCII one counts only between statements: where a value belongs, the expected tokens say more.
        """
        token = self.tokens[at]
        for other in self.tokens[max(0, at - 1) : at] + self.tokens[at + 1 : at + 2]:
            touches = other.end_pos == token.start_pos or other.start_pos == token.end_pos
            plain = other.isascii() and not self._between_statements()
            if other.type == "JUNK" and touches and token.type != "JUNK" and not plain:
                return other
        return None

    def _between_statements(self) -> bool:
        """Whether a statement can start here, which includes places where the value before it could continue."""
        return "LET" in self.parser.accepts()

    def _path(self, *last: Token) -> str:
        """The dotted key of the open sections and `last`."""
        return ".".join(map(str, (*self.sections, *last)))

    def _begins(self, at: int) -> bool:
        """Whether a statement can start at this token: a key, or a keyword that is not part of a longer word."""
        token = self.tokens[at]
        before = self.source.text[max(0, token.start_pos - 1) : token.start_pos]
        glued = at > 0 and self.tokens[at - 1].type == "JUNK" and self.tokens[at - 1].end_pos == token.start_pos
        return not glued and (token.type == "KEY" or (token.type in STARTS and (not before or before.isspace())))

    def _resume(self, at: int, opened: list[str]) -> int:
        """The index of the first token from `at` that starts a statement or closes a section.

        `opened` are the kinds of the open brackets of a value.
        """
        while at < len(self.tokens):
            kind = self.tokens[at].type
            if self._begins(at):
                end = self._closing(at, opened)
                if end is None:
                    break
                at = end
                opened.pop()

            elif kind in OPEN:
                opened.append(kind)
            elif kind == "RBRACE" and "LBRACE" not in opened:
                break
            elif kind in CLOSE:  # closes the innermost bracket of its kind; unclosed ones inside are dropped
                while opened and PAIRS[opened.pop()] != kind:
                    pass
            at += 1
        return at

    def _closing(self, at: int, opened: Sequence[str]) -> int | None:
        """The index of the token that closes the innermost open bracket of a value, if the key at `at` is inside it.

        A `)` that was not opened after the key closes that bracket. A `}` may be the section's; it is taken for the
        map's only if the rest of the file closes all open braces.
        """
        if not opened:
            return None

        kinds = [token.type for token in self.tokens[at:]]
        if opened[-1] == "LBRACE":
            still_open = len(self.braces) + opened.count("LBRACE")
            if kinds.count("RBRACE") - kinds.count("LBRACE") < still_open:
                return None

        depth = 0
        for index, kind in enumerate(kinds, at):
            depth += (kind in OPEN) - (kind in CLOSE)
            if depth < 0:
                return index if kind == PAIRS[opened[-1]] else None
        return None

    def _break(self) -> None:
        """Drop the current statement, and remember its key."""
        self.parser = self.checkpoint
        first = [] if self.statement is None else self.tokens[self.statement : self.statement + 2]
        match [token.type for token in first]:
            case ["KEY", *_]:
                self.broken.add(self._path(first[0]))
            case ["LET", "KEY" | "NAME"]:
                self.broken.add(f"let {first[1]}")
            case _:
                self.broken.add("")

    def _finish(self, stopped: bool) -> tuple[Tree, bool]:
        """The tree, with all unclosed sections closed, and whether there were none."""
        end = end_token(self.source)
        if not self._between_statements():
            if not stopped:
                place = self.source, self.parser, (*self.tokens, end), len(self.tokens)
                if not self.tokens or not self._is_placeholder(self.tokens[-1]):
                    self.diagnostics.append(_diagnostic(*place, self.brackets))
            self._break()

        closed = not self.braces
        for depth, brace in enumerate(self.braces, 1):
            self.broken.add(".".join([*map(str, self.sections[:depth]), "*"]))
            if not stopped:
                self.diagnostics.append(UnclosedBrace(span=token_span(self.source, brace)))
            self.parser.feed(Token("RBRACE", "}", end.start_pos, end.end_pos))  # the section ends with the text

        tree = self.parser.feed(end)
        assert isinstance(tree, Tree)
        statements = tree.children[0]
        assert isinstance(statements, Tree)
        return statements, closed

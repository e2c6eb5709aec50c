"""The parser: tokens with a nesting limit, LALR, and recovery at the next key or closing brace.

Recovery never guesses at what was meant: the statement that holds the error is dropped, its key is remembered (so that
nothing later calls it missing), and parsing goes on from the state before that statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lark import Token, Tree
from lark.exceptions import UnexpectedToken as LarkUnexpectedToken
from lark.parsers.lalr_interactive_parser import InteractiveParser

from hvaedsl.catalog.syntax import NestingTooDeep, TooManyErrors, UnclosedBrace, UnmatchedBrace
from hvaedsl.diagnostic import Diagnostic
from hvaedsl.span import Source
from hvaedsl.syntax import ast
from hvaedsl.syntax.builder import Builder, junk, token_span
from hvaedsl.syntax.grammar import hvae_parser
from hvaedsl.syntax.unexpected import unexpected

MAX_NESTING = 64
MAX_SYNTAX_ERRORS = 100
_OPEN, _CLOSE = frozenset(("LPAR", "LSQB", "LBRACE")), frozenset(("RPAR", "RSQB", "RBRACE"))
_STARTS = frozenset(("KEY", "HVAE", "LET", "EXTENDS"))


@dataclass(frozen=True)
class Parsed:
    """A document as far as it could be read, and what was wrong with it."""

    document: ast.Document
    diagnostics: tuple[Diagnostic, ...]
    complete: bool  # False where a brace is never closed or reading stopped: nothing can be called missing then


def parse_document(source: Source) -> Parsed:
    """The AST of a file; never raises for what the file holds."""
    return _Parser(source).run()


def parse_value(source: Source) -> tuple[ast.Value | None, tuple[Diagnostic, ...]]:
    """One value alone, as `--set` gives it; None where it cannot be read."""
    parser = hvae_parser()
    diagnostics: list[Diagnostic] = []
    interactive = parser.parse_interactive(start="value")
    last: Token | None = None
    for token in _tokens(source, diagnostics):
        try:
            interactive.feed_token(token)
        except LarkUnexpectedToken:
            return None, (*diagnostics, _say(source, interactive, token, last))
        last = token
    end = _end_token(source)
    if diagnostics:
        return None, tuple(diagnostics)
    try:
        tree = interactive.feed_token(end)
    except LarkUnexpectedToken:
        return None, (_say(source, interactive, end, last),)
    builder = Builder(source)
    assert isinstance(tree, Tree)
    value = builder.block_list(tree.children[0])
    return value, tuple(builder.diagnostics)


def _tokens(source: Source, diagnostics: list[Diagnostic]) -> Iterator[Token]:
    """The tokens, until brackets nest too deep."""
    depth = 0
    for token in hvae_parser().lex(source.text):
        depth += (token.type in _OPEN) - (token.type in _CLOSE)
        if depth > MAX_NESTING:
            diagnostics.append(NestingTooDeep(span=token_span(source, token), limit=MAX_NESTING))
            return
        yield token


def _end_token(source: Source) -> Token:
    end = len(source.text.rstrip())
    place = source.span(end, end)
    return Token("$END", "", end, place.line, place.column, place.line, place.column, end)


def _say(
    source: Source, parser: InteractiveParser, token: Token, last: Token | None, brackets: Sequence[Token] = ()
) -> Diagnostic:
    if token.type == "JUNK":
        return junk(source, token)
    return unexpected(source, parser.accepts(), token, last, brackets)


@dataclass
class _Parser:
    source: Source
    diagnostics: list[Diagnostic] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    sections: list[Token] = field(default_factory=list)  # the keys of the open sections, outermost first
    braces: list[Token] = field(default_factory=list)  # their opening braces

    def run(self) -> Parsed:
        self.tokens = list(_tokens(self.source, self.diagnostics))
        stopped = bool(self.diagnostics)
        self.parser = hvae_parser().parse_interactive(start="start")
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
        builder = Builder(self.source)
        statements = builder.statements(tree)
        found = sorted([*self.diagnostics, *builder.diagnostics], key=lambda item: item.span.start)
        document = ast.Document(self.source, statements, frozenset(self.broken))
        return Parsed(document, tuple(found), closed and not stopped)

    def _mark(self, statement: Token | None) -> None:
        """Remember the parser's state before the statement that begins with this token."""
        self.checkpoint = self.parser.copy(deepcopy_values=False)
        self.statement = statement
        self.brackets: list[Token] = []  # of values; those of sections are in `braces`

    def _step(self, at: int) -> int:
        """Feed one token; the index of the next."""
        token = self.tokens[at]
        if not self.brackets and (token.type in _STARTS or token.type == "RBRACE"):
            if token.type == "RBRACE" and not self.braces:
                self.diagnostics.append(UnmatchedBrace(span=token_span(self.source, token)))
                return at + 1
            if "KEY" in self.parser.choices():  # between statements
                self._mark(token)
        try:
            self.parser.feed_token(token)
        except LarkUnexpectedToken:
            return self._recover(at)
        self._track(at)
        return at + 1

    def _track(self, at: int) -> None:
        token = self.tokens[at]
        opens_section = token.type == "LBRACE" and not self.brackets and self.tokens[at - 1].type == "KEY"
        if opens_section:
            self.sections.append(self.tokens[at - 1])
            self.braces.append(token)
            self._mark(None)
        elif token.type in _OPEN:
            self.brackets.append(token)
        elif token.type in _CLOSE:
            if self.brackets:
                self.brackets.pop()
            else:
                self.sections.pop()
                self.braces.pop()
                self._mark(None)

    def _recover(self, at: int) -> int:
        """Say what is wrong, drop the statement where it cannot be kept, and find where to go on."""
        last = self.tokens[at - 1] if at else None
        self.diagnostics.append(_say(self.source, self.parser, self.tokens[at], last, self.brackets))
        open_braces = sum(bracket.type == "LBRACE" for bracket in self.brackets)
        if "KEY" not in self.parser.accepts():
            self._break()
        self.parser = self.parser.copy(deepcopy_values=False)
        self._mark(None)
        while at < len(self.tokens):
            kind = self.tokens[at].type
            if kind in _STARTS or (kind == "RBRACE" and not open_braces):
                break
            open_braces += (kind == "LBRACE") - (kind == "RBRACE")
            at += 1
        return at

    def _break(self) -> None:
        """Forget the statement that is being read, but remember its key."""
        self.parser = self.checkpoint
        key = self.statement if self.statement is not None and self.statement.type == "KEY" else None
        self.broken.add(".".join([*map(str, self.sections), str(key)]) if key is not None else "")

    def _finish(self, stopped: bool) -> tuple[Tree[Token], bool]:
        """The tree, with the sections closed that the text leaves open."""
        end = _end_token(self.source)
        if "KEY" not in self.parser.accepts():
            if not stopped:
                last = self.tokens[-1] if self.tokens else None
                self.diagnostics.append(_say(self.source, self.parser, end, last, self.brackets))
            self._break()
        closed = not self.braces
        for brace in self.braces:
            if not stopped:
                self.diagnostics.append(UnclosedBrace(span=token_span(self.source, brace)))
            self.parser.feed_token(Token("RBRACE", "}"))
        tree = self.parser.feed_token(end)
        assert isinstance(tree, Tree)
        statements = tree.children[0]
        assert isinstance(statements, Tree)
        return statements, closed

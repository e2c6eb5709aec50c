"""From the parser's tree to the AST. A token that is not a value becomes `Invalid` and a diagnostic."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import ClassVar, Literal, TypeGuard

from hvaedsl.diagnostics.characters import LOOK_ALIKES, UnexpectedCharacter
from hvaedsl.diagnostics.diagnostic import Diagnostic, Edit, Fix, insertion, writing
from hvaedsl.diagnostics.limits import NumberTooLarge
from hvaedsl.diagnostics.span import Source, Span
from hvaedsl.diagnostics.syntax import MalformedNumber, MissingCount, UnclosedString, UnknownEscape
from hvaedsl.syntax import ast
from hvaedsl.syntax.lalr import PlainEntry, Token, Tree

MAX_DIGITS = 15
_LONG = 50  # entries of a list whose entries are built when they are used
_SUFFIXES = {"k": 1_000, "M": 1_000_000}
_OPERATORS: Mapping[str, Literal["+", "-", "*", "/"]] = {"PLUS": "+", "MINUS": "-", "STAR": "*", "SLASH": "/"}
_CONSTANT = re.compile(r"([0-9]+[xrdm])([A-Za-z_][A-Za-z0-9_]*)")
_BLOCK = re.compile(r"([0-9]+)([a-z]+)(.*)")
_POINT = re.compile(r"([0-9][0-9_]*)\.([eE][+-]?[0-9]+)?(?![\w.])")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t"}


def token_span(source: Source, token: Token) -> Span:
    """The span of a token."""
    return source.span(token.start_pos, token.end_pos)


class Builder:
    """Builds the AST of one source and collects the diagnostics of its tokens."""

    def __init__(self, source: Source, placeholders: Collection[int] = ()) -> None:
        self.source = source
        self.placeholders = placeholders  # offsets of tokens whose diagnostic has been reported
        self.diagnostics: list[Diagnostic] = []

    # --- statements

    def statements(self, tree: Tree) -> tuple[ast.Statement, ...]:
        """The statements of a left-recursive `statements` tree, unrolled without recursion."""
        found: list[Tree] = []
        while tree.children:
            rest, last = tree.children
            assert isinstance(rest, Tree)
            assert isinstance(last, Tree)
            found.append(last)
            tree = rest
        return tuple(self.statement(node) for node in reversed(found))

    def statement(self, tree: Tree) -> ast.Statement:
        """One statement."""
        span = self._span(tree)
        match tree.data, tree.children:
            case "version", [Token() as number]:
                read = self._integer(number)
                return ast.Version(read or ast.Integer(1, False, token_span(self.source, number)), span)
            case "extends", [Token() as target]:
                return ast.Extends(self._string(target), span)
            case "let", [Token() as name, Tree() as value]:
                return ast.Let(self._name(name), self.block_list(value), span)
            case "assignment", [Token() as name, Tree() as value]:
                return ast.Assignment(self._name(name), self.block_list(value), span)
            case "section", [Token() as name, Tree() as body]:
                return ast.Section(self._name(name), self.statements(body), span)
        raise AssertionError(tree.data)

    # --- values

    def block_list(self, tree: Tree) -> ast.Value:
        """A value: a single expression, or a list of several."""
        if len(tree.children) >= _LONG:
            return self._long_list(tree.children)
        items = tuple(self.value(node) for node in tree.children)
        return items[0] if len(items) == 1 else ast.List(items, items[0].span.to(items[-1].span))

    def _long_list(self, nodes: Sequence[Tree | Token | PlainEntry]) -> ast.List:
        """A list whose plain entries are built when they are first used: an editor often needs only other values."""
        ends = (0, len(nodes) - 1)
        some = [
            node if at not in ends and _is_surely_valid(node) else self.value(node)  # in order, for the diagnostics
            for at, node in enumerate(nodes)
        ]
        first, last = some[0], some[-1]
        assert not isinstance(first, tuple)
        assert not isinstance(last, tuple)

        def items() -> tuple[ast.Value, ...]:
            return tuple(self._plain(node) if isinstance(node, tuple) else node for node in some)

        return ast.List.built_later(items, first.span.to(last.span))

    def value(self, node: Tree | Token | PlainEntry) -> ast.Value:
        """One expression."""
        if isinstance(node, tuple):
            return self._plain(node)
        assert isinstance(node, Tree)
        build: Callable[..., ast.Value] = getattr(self, f"value_{node.data.removeprefix('blocks__')}")
        return build(self._span(node), *node.children)

    def _plain(self, entry: PlainEntry) -> ast.Value:
        """An entry that was read without the parser."""
        span = self.source.span(entry[0].start_pos, entry[-1].end_pos)
        match entry:
            case [token]:
                return self._plain_values[token.type](self, span, token)
            case [first, operator, last] if operator.type == "STAR":
                return self.value_arithmetic(span, (first,), operator, (last,))
            case _:
                return self.value_label(span, entry[:1], entry[-1])

    def value_integer(self, span: Span, token: Token) -> ast.Value:
        return self._integer(token) or ast.Invalid(span)

    def value_suffixed(self, span: Span, token: Token) -> ast.Value:
        number = self._whole(token, token[:-1])
        return ast.Invalid(span) if number is None else ast.Integer(number * _SUFFIXES[token[-1]], True, span)

    def value_float(self, span: Span, token: Token) -> ast.Value:
        return ast.Float(float(token.replace("_", "")), span)

    def value_symbol(self, span: Span, token: Token) -> ast.Value:
        return ast.Symbol(str(token), span)

    def value_reference(self, span: Span, token: Token) -> ast.Reference:
        return ast.Reference(token[1:], span)

    def value_string(self, _: Span, token: Token) -> ast.Value:
        return self._string(token)

    def value_block(self, span: Span, token: Token) -> ast.Value:
        resolution, operator, number, split, end = _block_parts(str(token))
        if resolution is None:  # too many digits
            for digits in _BLOCK.fullmatch(token).group(1, 3):  # type: ignore[union-attr]  # every block token matches
                if digits and digits[0] != "$":
                    self._whole(token, digits)
            return ast.Invalid(span)

        split, end = span.start + split, span.start + end
        argument: ast.Integer | ast.Reference | None = None
        if number is not None:
            at = _within(span, end, span.end)
            argument = ast.Reference(number, at) if isinstance(number, str) else ast.Integer(number, False, at)
        places = _within(span, span.start, split), _within(span, split, end)
        return ast.Block(resolution, operator, argument, *places, span)

    def value_block_of(self, span: Span, token: Token, argument: Tree) -> ast.Value:
        found = _BLOCK.fullmatch(token)
        assert found is not None
        resolution, value = self._whole(token, found[1]), self.value(argument)
        if resolution is None:
            return ast.Invalid(span)
        split, end = span.start + found.end(1), span.start + found.end(2)
        places = _within(span, span.start, split), _within(span, split, end)
        return ast.BlockOf(resolution, found[2], value, *places, span)

    def value_arithmetic(
        self, span: Span, left: Tree | PlainEntry, operator: Token, right: Tree | PlainEntry
    ) -> ast.Value:
        first, second = self.value(left), self.value(right)
        is_count = isinstance(first, ast.Reference) or (isinstance(first, ast.Integer) and not first.suffixed)
        if operator.type == "STAR" and is_count:
            assert isinstance(first, (ast.Integer, ast.Reference))
            return ast.Repeated(first, second, span)
        if isinstance(first, ast.Invalid) and operator.type == "STAR":
            return first
        return ast.Arithmetic(_OPERATORS[operator.type], first, second, token_span(self.source, operator), span)

    def value_label(self, span: Span, entry: Tree | PlainEntry, label: Token) -> ast.Value:
        return ast.Labeled(self.value(entry), self._name(label), span)

    def value_group(self, span: Span, *items: Tree) -> ast.Value:
        return ast.Group(tuple(self.value(item) for item in items), span)

    def value_negative(self, span: Span, _: Token, value: Tree) -> ast.Value:
        return ast.Negative(self.value(value), span)

    def value_dotted(self, span: Span, token: Token) -> ast.Value:
        return ast.Symbol(str(token), span)

    def value_quantity(self, span: Span, token: Token) -> ast.Value:
        count, unit = token.split()
        kind = ast.Epochs if unit == "epochs" else ast.Minutes
        place = _within(span, span.start, span.start + len(count))
        if count.startswith("$"):
            return kind(ast.Reference(count[1:], place), span)
        number = self._whole(token, count)
        return ast.Invalid(span) if number is None else kind(ast.Integer(number, False, place), span)

    def value_list(self, span: Span, *items: Tree) -> ast.Value:
        return ast.List(tuple(self.value(item) for item in items), span)

    def value_call(self, span: Span, function: Token, *arguments: Tree) -> ast.Value:
        return ast.Call(self._name(function), tuple(self._argument(node) for node in arguments), span)

    def _argument(self, node: Tree) -> ast.Value | ast.NamedArgument:
        if node.data != "named_argument":
            return self.value(node)
        name, value = node.children
        assert isinstance(name, Token)
        return ast.NamedArgument(self._name(name), self.value(value), self._span(node))

    def value_map(self, span: Span, *entries: Tree) -> ast.Value:
        made = [self._entry(node) for node in entries]
        found = tuple(entry for entry in made if entry is not None)
        return ast.Map(found, span) if len(found) == len(made) else ast.Invalid(span)

    def _entry(self, node: Tree) -> ast.Entry | None:
        key, value = node.children
        assert isinstance(key, Token)
        made = self._integer(key) if key.type == "INTEGER" else self._name(key)
        item = self.value(value)
        return None if made is None else ast.Entry(made, item, self._span(node))

    def value_junk(self, span: Span, token: Token) -> ast.Value:
        if token.start_pos not in self.placeholders:
            self.diagnostics.append(junk(self.source, token))
        return ast.Invalid(span)

    _plain_values: ClassVar[Mapping[str, Callable[..., ast.Value]]] = {
        "BLOCK": value_block,
        "INTEGER": value_integer,
        "REFERENCE": value_reference,
    }

    # --- tokens

    def _integer(self, token: Token) -> ast.Integer | None:
        number = self._whole(token, str(token))
        return None if number is None else ast.Integer(number, False, token_span(self.source, token))

    def _string(self, token: Token) -> ast.String:
        span = token_span(self.source, token)
        escapes = list(_ESCAPE.finditer(token))
        unknown = [found for found in escapes if found[1] not in _ESCAPES]
        if unknown:
            # One of them shows that backslashes are meant as such, also those before `n` and `t`.
            at = _within(span, span.start + unknown[0].start(), span.start + unknown[0].end())
            meant = [span.start + found.start() for found in escapes if found[1] not in '"\\']
            fix = Fix("double the backslashes", tuple(insertion(self.source, start, "\\") for start in meant))
            self.diagnostics.append(UnknownEscape(span=at, escape=unknown[0][0], fix=fix))
        return ast.String(_ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[0]), token[1:-1]), span)

    def _name(self, token: Token) -> ast.Name:
        return ast.Name(str(token), token_span(self.source, token))

    def _whole(self, token: Token, digits: str) -> int | None:
        plain = digits.replace("_", "")
        if len(plain) > MAX_DIGITS:
            span = token_span(self.source, token)
            self.diagnostics.append(NumberTooLarge(span=span, digits=len(plain), limit=MAX_DIGITS))
            return None
        return int(plain)

    def _span(self, tree: Tree) -> Span:
        if tree.start_pos < 0:  # an empty section body, which no diagnostic points at
            return self.source.span(0, 0)
        return self.source.span(tree.start_pos, tree.end_pos)


def _is_surely_valid(node: Tree | Token | PlainEntry) -> TypeGuard[PlainEntry]:
    """Whether a node is a plain entry that gives no diagnostic: its numbers are short enough."""
    return isinstance(node, tuple) and all(len(token) <= MAX_DIGITS for token in node)


@lru_cache(maxsize=1024)
def _block_parts(text: str) -> tuple[int | None, str, int | str | None, int, int]:
    """The resolution, the operator and the number or name behind it, with the offsets where the last two start.

    The resolution is None if a number has too many digits.
    """
    found = _BLOCK.fullmatch(text)
    assert found is not None
    resolution, operator, rest = found.groups()
    if any(len(digits) > MAX_DIGITS for digits in (resolution, rest) if digits[:1] != "$"):
        return None, operator, None, found.end(1), found.end(2)
    number = (rest[1:] if rest[0] == "$" else int(rest)) if rest else None
    return int(resolution), operator, number, found.end(1), found.end(2)


def _within(span: Span, start: int, end: int) -> Span:
    """The span of a part of a token."""
    return span.source.span(start, end)


def junk(source: Source, token: Token, last: Token | None = None) -> Diagnostic:
    """The diagnostic of a token that is not part of the language; `last` is the token before it."""
    span = token_span(source, token)
    if token == "$" and last is not None and last.type == "BLOCK" and last.end_pos == span.start:
        number = "1" if last.endswith("x") and span.after == "@" else "2"  # a label belongs to one block
        if last.endswith("m"):  # a mix-in from half the resolution
            number = str(max(1, int(last[:-1]) // 2))
        count = writing(span, number, shown=f"{last}{number}")
        return MissingCount(span=span, text=f"{last}$", missing="the name of a constant", suggestions=(count,))
    if token.startswith('"'):
        return UnclosedString(span=span, suggestions=(Fix("close the string", (insertion(source, span.end, '"'),)),))

    strange = next((at for at, letter in enumerate(token) if not letter.isascii() or not letter.isprintable()), None)
    if strange is not None:
        at = _within(span, span.start + strange, span.start + strange + 1)
        if token[strange] == "×" and (source.text[at.start - 1 : at.start].isspace() or at.after in (" ", "$")):
            star = Fix("write `*`", (Edit(at, "*"),))  # `2 × $n`, but `8×1` is a block
            return UnexpectedCharacter(span=at, found="×", multiplies=True, fix=star)
        return UnexpectedCharacter(span=at, found=token[strange], fix=_in_ascii(token[strange], at))

    # A number without digits behind its point; of `1.e-4`, the token is the part before the sign.
    if pointed := _POINT.match(source.text, span.start):
        written = f"{pointed[1]}{pointed[2] or ''}"
        span = _within(span, span.start, pointed.end())
        return MalformedNumber(span=span, text=pointed[0][:40], without_point=written, fix=writing(span, written))

    # Groups of digits with points between them; a single point is that of a fraction.
    if re.fullmatch(r"[1-9][0-9]{0,2}(\.[0-9]{3}){2,}", token):
        digits = token.replace(".", "")
        return MalformedNumber(span=span, text=str(token)[:40], in_one_group=digits, fix=writing(span, digits))

    # A number or a block, usually with an uppercase operator.
    if token[0].isdigit():
        lowered = token.lower() if re.fullmatch(r"[0-9]+[XRDM][0-9]*|[0-9]+K", token) else ""
        constant = _CONSTANT.fullmatch(token)
        if constant and re.search(rf"\blet\s+{constant[2]}\s*=", source.text):
            written = f"{constant[1]}${constant[2]}"
            fix = Fix(f"write `{written}`", (insertion(source, span.start + len(constant[1]), "$"),))
            return MalformedNumber(span=span, text=str(token)[:40], with_constant=written, fix=fix)
        suffixed = re.fullmatch(r"[0-9][0-9_.]*[A-Za-z]+", token) is not None
        return MalformedNumber(
            span=span,
            text=str(token)[:40],
            in_lowercase=lowered,
            is_suffixed=suffixed and not lowered,
            fix=writing(span, lowered) if lowered else None,
        )
    return UnexpectedCharacter(span=_within(span, span.start, span.start + 1), found=token[0])


def _in_ascii(letter: str, at: Span) -> Fix | None:
    """The fix that writes the ASCII letter or digit that a character looks like or stands for."""
    digit = unicodedata.decimal(letter, None)  # not those of a power: 16² is no 162
    twin = LOOK_ALIKES.get(letter) if digit is None else str(digit)
    return Fix(f"write the ASCII `{twin}`", (Edit(at, twin),)) if twin is not None else None

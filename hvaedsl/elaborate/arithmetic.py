"""The value of an expression of whole numbers and constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hvaedsl.diagnostics.constants import (
    DivisionByZero,
    ListForNumber,
    MisplacedBase,
    NotArithmetic,
    NotExact,
    ResultTooLarge,
)
from hvaedsl.diagnostics.diagnostic import Diagnostic, Fix, insertion, writing
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.elaborate.constants import BASE, Constants
from hvaedsl.elaborate.words import describe
from hvaedsl.syntax import ast
from hvaedsl.syntax.builder import MAX_DIGITS

_TOO_LARGE = 10**MAX_DIGITS


def is_expression(value: ast.Value) -> bool:
    """Whether a value has to be evaluated to be a number: it has an operator, a name, or parentheses around it."""
    match value:
        case ast.Reference() | ast.Repeated() | ast.Arithmetic():
            return True
        case ast.Negative():
            return isinstance(value.value, ast.Integer) or is_expression(value.value)
        case ast.Group(items=(only,)):
            return isinstance(only, ast.Integer) or is_expression(only)
        case _:
            return False


def whole_number(
    value: ast.Value, constants: Constants, *, fraction: bool = False, example: int = 2, more: Sequence[str] = ()
) -> int:
    """The value of an expression; all associate to the left, and a division is exact.

    Raises `SpecError` with every mistake in it; with none if a reported mistake explains that there is no value.
    `fraction`: the key takes other numbers too, so that a quotient can be written as one. `example` is a number that an
    undefined constant may be meant to have; `more` are names that may be meant beside those of the constants.
    """
    return _Expression(constants, fraction, example, more).value(value)


class _Expression:
    def __init__(self, constants: Constants, fraction: bool, example: int, more: Sequence[str]) -> None:
        self.constants, self.fraction, self.example, self.more = constants, fraction, example, more

    def value(self, value: ast.Value) -> int:
        match value:
            case ast.Integer():
                return value.value
            case ast.Reference():
                return self._constant(value)
            case ast.Negative():
                return -self.value(value.value)
            case ast.Group(items=(only,)):
                return self.value(only)
            case ast.Repeated():
                first, second = self._both(value.count, value.body)
                return _limited(first * second, value)
            case ast.Arithmetic():
                try:
                    first, second = self._both(value.left, value.right)
                except SpecError as error:
                    raise SpecError(self._with_product_first(value, error.diagnostics)) from None
                return self._result(value, first, second)
            case ast.Invalid():
                raise SpecError([])
            case _:
                raise SpecError([self._not_a_number(value)])

    def _both(self, left: ast.Value, right: ast.Value) -> tuple[int, int]:
        """The values of two operands; the mistakes of both are reported."""
        numbers: list[int] = []
        found: list[Diagnostic] = []
        for operand in (left, right):
            try:
                numbers.append(self.value(operand))
            except SpecError as error:
                if not (found and all(isinstance(item, NotArithmetic) for item in error.diagnostics)):
                    found += error.diagnostics  # of words in a row, the first one says enough
        if len(numbers) < 2:
            raise SpecError(found)
        return numbers[0], numbers[1]

    def _constant(self, value: ast.Reference) -> int:
        name = value.name
        if self.constants.explained(name):
            raise SpecError([])
        if name == BASE:
            raise SpecError([MisplacedBase(span=value.span, place="in a number")])
        if name in self.constants.values:
            return self.constants.values[name]
        if name in self.constants.lists:
            raise SpecError([ListForNumber(span=value.span, what=f"`${name}`")])
        raise SpecError([self.constants.unknown(value, self.example, self.more)])

    def _result(self, value: ast.Arithmetic, first: int, second: int) -> int:
        match value.operator:
            case "+":
                return _limited(first + second, value)
            case "-":
                return _limited(first - second, value)
            case "*":
                return _limited(first * second, value)
        if second == 0:
            raise SpecError([DivisionByZero(span=value.right.span)])
        if first % second:
            raise SpecError([self._not_exact(value, first, second)])
        return first // second

    def _with_product_first(self, value: ast.Arithmetic, found: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
        """The mistakes in `a/b*c`; if only the division is one, with `a*c/b` as a way out if that is exact."""
        left = value.left
        is_quotient = value.operator == "*" and isinstance(left, ast.Arithmetic) and left.operator == "/"
        if not is_quotient or len(found) != 1 or not isinstance(found[0], NotExact) or found[0].span != left.span:
            return found
        assert isinstance(left, ast.Arithmetic)
        factor = self.value(value.right)
        if found[0].dividend * factor % found[0].divisor:
            return found
        way = writing(value.span, f"{left.left.span.text}*{value.right.span.text}/{left.right.span.text}")
        return (replace(found[0], suggestions=(*found[0].suggestions, way)),)

    def _not_exact(self, value: ast.Arithmetic, dividend: int, divisor: int) -> NotExact:
        """The diagnostic of a division, with the quotient if the key takes one that is not whole."""
        ways: tuple[Fix, ...] = ()
        quotient = dividend / divisor
        if self.fraction and f"{quotient:.12g}" == repr(quotient):
            ways = (writing(value.span, repr(quotient)),)
        return NotExact(
            span=value.span, dividend=dividend, divisor=divisor, takes_fractions=self.fraction, suggestions=ways
        )

    def _not_a_number(self, value: ast.Value) -> NotArithmetic:
        fix = None
        if isinstance(value, ast.Symbol) and value.name in self.constants.names:
            fix = Fix(f"write `${value.name}`", (insertion(value.span.source, value.span.start, "$"),))
        return NotArithmetic(span=value.span, found=describe(value), fix=fix)


def _limited(result: int, value: ast.Value) -> int:
    if abs(result) >= _TOO_LARGE:
        raise SpecError([ResultTooLarge(span=value.span, digits=len(str(abs(result))), limit=MAX_DIGITS)])
    return result

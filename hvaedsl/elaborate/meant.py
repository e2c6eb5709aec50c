"""What a value of a wrong form was probably meant to be, as it is written here, and examples of the right forms."""

from __future__ import annotations

import re

from hvaedsl.diagnostics.diagnostic import nearest
from hvaedsl.ir.custom import is_custom
from hvaedsl.ir.kinds import (
    FLAGS,
    OTHER,
    ByResolution,
    ByWeightName,
    Either,
    Flag,
    FunctionName,
    Kind,
    Number,
    OrCall,
    Pair,
    Several,
    Size,
    Steps,
    StepsOrMinutes,
    Text,
    WeightName,
    Whole,
)
from hvaedsl.syntax import ast

# An example of a likelihood with the number of its components.
MIXTURE = "mixture_of_logistics(10)"
GAUSSIAN = "gaussian"
# Words that other languages have for a value that is off.
_OFF = frozenset(("off", "false", "no", "null", "nil", "disabled"))
_ON = frozenset(("on", "yes", "enabled"))
# Words that other languages have for the rest.
_REST = frozenset(("default", "else", "rest", "otherwise", "any"))
_SIZE = re.compile(r"\s*(\d+)\s*[xX*,]\s*(\d+)\s*")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(,[0-9]{3})+")
_DECIMAL_COMMA = re.compile(r"[0-9]+,[0-9]+([eE][+-]?[0-9]+)?")
_MAP = re.compile(r"\s*\d+\s*:\s*[\w.]+\s*(,\s*\d+\s*:\s*[\w.]+\s*)*")


def meant(kind: Kind, value: ast.Value, *, optional: bool) -> tuple[str, str]:
    """What a value of another type was probably meant to be, as it is written here, and a remark; empty if unknown."""
    kind = kind.plain if isinstance(kind, OrCall) else kind
    match value:
        case ast.Float() if isinstance(kind, Whole) and value.value.is_integer() and abs(value.value) < 1e15:
            return str(int(value.value)), ""
        case ast.List() if isinstance(kind, (Whole, Number)) and _THOUSANDS.fullmatch(value.span.text):
            return value.span.text.replace(",", ""), ""
        case ast.List() if isinstance(kind, Number) and _DECIMAL_COMMA.fullmatch(value.span.text):
            return value.span.text.replace(",", "."), ", with a point"
        case ast.String() if isinstance(kind, (ByResolution, Either)) and _MAP.fullmatch(value.value):
            entries = (entry.split(":") for entry in value.value.split(","))
            return "{" + ", ".join(f"{key.strip()}: {of.strip()}" for key, of in entries) + "}", ""
        case ast.String() if isinstance(kind, Size) and (sizes := _SIZE.fullmatch(value.value)):
            return f"({sizes[1]}, {sizes[2]})", ""
        case ast.String() if isinstance(kind, WeightName) and value.value.endswith(".*"):
            return value.value.removesuffix(".*"), ", which names all weights below it"
        case ast.String() if 0 < len(value.value) < 60:
            return value.value, ", without quotes"
        case ast.Symbol() if isinstance(kind, Flag):
            return _flag(value.name.lower()), ""
        case ast.Integer(value=0 | 1) if isinstance(kind, Flag):
            return ("false", "true")[value.value], ""
        case ast.Symbol() if optional and value.name.lower() in _OFF:
            return "none", ""
        case ast.Symbol() if isinstance(kind, Text):
            return f'"{value.name}"', ", with quotes"
        case ast.Arithmetic() if isinstance(kind, Text) and len(value.span.text) < 60 and '"' not in value.span.text:
            variable = ", and the value of the variable in its place" if "$" in value.span.text else ""
            return f'"{value.span.text}"', f", with quotes{variable}"
        case ast.Block(operator="epochs") if isinstance(kind, Steps):
            return f"{value.resolution} epochs", ""
        case ast.Block(operator="minutes") if isinstance(kind, StepsOrMinutes):
            return f"{value.resolution} minutes", ""
        case ast.Group() if isinstance(kind, (Pair, Several)):
            return value.span.text.strip()[1:-1].strip(), ", without parentheses"
        case ast.Block(argument=ast.Integer() as width, operator="x") if isinstance(kind, Size):
            height = value.resolution
            return (str(height), "") if height == width.value else (f"({height}, {width.value})", "")
        case _:
            return "", ""


def suffixed(number: str) -> str:
    """A whole number with the suffix `k` or `M`; empty if it has other digits in their place."""
    for suffix, zeros in (("M", "000000"), ("k", "000")):
        if number.isdecimal() and number.endswith(zeros) and len(number) > len(zeros):
            return f"{number.removesuffix(zeros)}{suffix}"
    return ""


def example_of(kind: Kind) -> str:
    """A value of the kinds whose form is not evident from their name; empty for others."""
    match kind:
        case Pair():
            return "0.9, 0.999"
        case Size():
            return "(96, 160)"
        case Several(of=Whole()):
            return "0, 1, 2"
        case ByWeightName():
            return "{encoder.stem: 0.1}"
        case FunctionName():
            return '"my_module:my_function"'
        case ByResolution(of=Whole()):
            return "{4: 32}"
        case ByResolution() | Either():
            return "{8: 0.7}"
        case _:
            return ""


def _flag(word: str) -> str:
    """The word of a flag that another word stands for; empty if unknown."""
    if word in _ON:
        return "true"
    return "false" if word == "none" or word in _OFF else nearest(word, tuple(FLAGS)) or ""


def meant_as_other(word: str) -> bool:
    """Whether the key of an entry that is no resolution was probably meant to be `other`."""
    return word.lower() in _REST or nearest(word, (OTHER,)) is not None


def as_reference(text: str) -> str:
    """The name of a custom part that is written as a file or with another separator; empty if it cannot be read so."""
    found = re.fullmatch(r"(?:\./)?([\w./]+?)(?:\.py)?[:/.]+([A-Za-z_]\w*)", text)
    written = f"{found[1].replace('/', '.')}:{found[2]}" if found and found[2] != "py" else ""
    return written if is_custom(written) else ""

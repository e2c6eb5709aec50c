"""The values of the command line, or of `lets` and `sets`, as texts of the language."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.notation import DottedKey
from hvaedsl.diagnostics.shell import command_line
from hvaedsl.diagnostics.span import Source
from hvaedsl.elaborate.schema import SCHEMA
from hvaedsl.ir.spec_text import value_text

Overrides = Mapping[str, object]

# A key behind the value of another one, or in its place; brackets and strings have keys of their own.
_KEY = re.compile(r"(?:^|[\s,;])\s*(?P<key>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*=")
_NESTED = re.compile(r'"[^"]*"|\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}')
_ENTRY = re.compile(r"(?P<key>[A-Za-z_]\w*)\s*[=:]\s*")


def override_texts(overrides: Overrides | None, argument: str, key_of_example: str) -> dict[str, str]:
    """The overrides as texts of the language. Raises `UsageError` for another type than that of the argument."""
    example = f'write {argument}={{"{key_of_example}": 3}}'
    if not isinstance(overrides, Mapping | None):
        raise UsageError(f"`{argument}` is a {type(overrides).__name__}; it must be a mapping", help=example)
    texts: dict[str, str] = {}
    for key, value in (overrides or {}).items():
        if not isinstance(key, str):
            raise UsageError(f"`{argument}` has the key {key!r}; it must be a string", help=example)
        try:
            texts[key] = value if isinstance(value, str) else value_text(value)
        except TypeError as error:
            raise UsageError(f"`{argument}` has {key}: {error}", help=example) from None
    return texts


def override_sources(options: Mapping[str, str], flag: str) -> dict[str, Source]:
    """The value text of each override as a separate source, so that diagnostics can point into it."""
    return {key: Source(f"{flag} {key}", text) for key, text in options.items()}


def second_key(flag: str, key: str, source: Source) -> DottedKey | None:
    """The diagnostic of another key in the value of an override, as in `train.steps=2,train.batch_size=4`."""
    flat = source.text
    while (inner := _NESTED.sub(lambda found: "0" * len(found[0]), flat)) != flat:
        flat = inner  # of nested brackets, the innermost are replaced first
    found = list(_KEY.finditer(flat))
    if not found:
        return None

    ends = [*(item.start() for item in found), len(flat)]
    starts = [0, *(item.end() for item in found)]
    values = [source.text[start:end].strip(" \t,;") for start, end in zip(starts, ends, strict=True)]
    names = [key, *(_dotted(flag, key, item["key"]) for item in found)]
    whole = source.span(found[0].start("key"), len(flat.rstrip()))
    options = ""
    if all(names) and all(values):
        options = _options(flag, dict(zip(names, values, strict=True)))
    return DottedKey(span=whole, dotted=found[0]["key"], statement="", flag=flag, options=options)


def _dotted(flag: str, key: str, name: str) -> str:
    """The key that a name behind another one means; empty if there is none."""
    beside = f"{key.rpartition('.')[0]}.{name}"
    return next((known for known in (name, beside) if flag == "--let" or _is_key(known)), "")


def _is_key(dotted: str) -> bool:
    section, _, name = dotted.rpartition(".")
    return name in SCHEMA.get(section, ())


def options_of_section(section: str, text: str) -> str:
    """The options that set keys of a section, from its text in braces; empty if that has other names."""
    inside = text.strip().removeprefix("{").removesuffix("}")
    found = list(_ENTRY.finditer(inside))
    ends = [*(item.start() for item in found[1:]), len(inside)]
    values = {
        f"{section}.{item['key']}": inside[item.end() : end].strip(" \t,;")
        for item, end in zip(found, ends, strict=False)
    }
    is_read = bool(found) and not inside[: found[0].start()].strip() and all(values.values())
    return _options("--set", values) if is_read and all(map(_is_key, values)) else ""


def _options(flag: str, values: Mapping[str, str]) -> str:
    return command_line(*(word for key, value in values.items() for word in (flag, f"{key}={value}")))

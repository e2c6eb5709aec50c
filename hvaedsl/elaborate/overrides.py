"""The values of the command line, or of `lets` and `sets`, as texts of the language."""

from __future__ import annotations

from collections.abc import Mapping

from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.span import Source
from hvaedsl.ir.spec_text import value_text

Overrides = Mapping[str, object]


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

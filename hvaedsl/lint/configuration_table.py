"""The table `[tool.hvaedsl]` as a project writes it; only projects that have one import pydantic for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, StrictBool, ValidationError

from hvaedsl.diagnostics.diagnostic import did_you_mean, listing
from hvaedsl.lint.configuration import Configuration, valid_selectors


def valid_pattern(glob: str) -> str:
    """Return a .gitignore pattern. Raises `ValueError` if it cannot match a file."""
    from pathspec import GitIgnoreSpec

    try:
        patterns = list(GitIgnoreSpec.from_lines([glob]).patterns)
    except ValueError:
        patterns = []
    if not any(pattern.include for pattern in patterns):
        raise ValueError("expected a file pattern in the syntax of .gitignore")
    return glob


Selectors = Annotated[tuple[str, ...], AfterValidator(valid_selectors)]
Glob = Annotated[str, AfterValidator(valid_pattern)]
_DEFAULT = Configuration()


class Table(BaseModel):
    """The keys of the table; `Configuration` says what they mean."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    # `plugins` is the key's former name.
    custom: StrictBool = Field(default=_DEFAULT.custom, validation_alias=AliasChoices("custom", "plugins"))
    select: Selectors = _DEFAULT.select
    ignore: Selectors = _DEFAULT.ignore
    per_file_ignores: Mapping[Glob, Selectors] = Field(_DEFAULT.per_file_ignores, alias="per-file-ignores")


def configuration_in(table: object) -> Configuration:
    """Return the configuration of a table. Raises `ValueError` for an unknown key or an invalid value."""
    try:
        read = Table.model_validate(table)
    except ValidationError as error:
        raise ValueError(_first(error)) from None
    return Configuration(read.custom, read.select, read.ignore, read.per_file_ignores)


# Messages for pydantic's error types, in terms of TOML.
_TYPES = {
    "tuple_type": 'must be a list of codes, such as ["HV5"]',
    "string_type": 'a code must be in quotes, such as "HV5"',
    "dict_type": "must be a table of patterns and their codes",
    "bool_type": "must be true or false",
}


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) or '""' for part in first["loc"] if part != "[key]")
    if not key:
        return "must be a table"
    if first["type"] == "extra_forbidden" and key == "plugins":
        return "has `custom` and also `plugins`, its former name; remove `plugins`"
    if first["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in Table.model_fields.items()]
        hint = did_you_mean(key, known) or f"its keys are {listing(known, 'and')}"
        return f"has no key `{key}`: {hint}"
    return f"{key}: {_TYPES.get(first['type']) or first['msg'].removeprefix('Value error, ')}"

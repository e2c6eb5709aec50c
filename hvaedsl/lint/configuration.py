"""What a project says of hvaedsl: the table `[tool.hvaedsl]` of the nearest pyproject.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, StrictBool, ValidationError

from hvaedsl.diagnostics.diagnostic import did_you_mean, listing
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.record import Record
from hvaedsl.lint.selectors import refusal


def refuse_unknown(selectors: Iterable[str]) -> tuple[str, ...]:
    """The selectors, if all of them can choose advice. Raises `ValueError` with why the first cannot."""
    found = tuple(item.strip() for item in selectors)
    if problem := next(filter(None, map(refusal, found)), ""):
        raise ValueError(problem)
    return found


def refuse_no_pattern(glob: str) -> str:
    """The pattern, if it means files. Raises `ValueError`."""
    from pathspec import GitIgnoreSpec

    try:
        made = list(GitIgnoreSpec.from_lines([glob]).patterns)
    except ValueError:
        made = []
    if not any(pattern.include for pattern in made):
        raise ValueError("no pattern that means files, as a line of a .gitignore has it")
    return glob


Selectors = Annotated[tuple[str, ...], AfterValidator(refuse_unknown)]
Glob = Annotated[str, AfterValidator(refuse_no_pattern)]


class Configuration(BaseModel):
    """The keys of `[tool.hvaedsl]`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    # Custom parts may be imported by commands that only compile. `plugins` is the key's former name.
    custom: StrictBool = Field(default=False, validation_alias=AliasChoices("custom", "plugins"))
    select: Selectors = ("HV",)  # the advice that `lint` gives, by code or prefix
    ignore: Selectors = ()  # the advice that it does not give
    per_file_ignores: Mapping[Glob, Selectors] = Field({}, alias="per-file-ignores")  # by .gitignore pattern


class Project(Record):
    """A configuration and the folder whose pyproject.toml holds it; the folder asked for where none does."""

    folder: Path
    configuration: Configuration


def configuration_of(path: Path) -> Configuration:
    """The configuration of the project that a file or folder belongs to; the defaults where there is none.

    Raises `UsageError` for a table that cannot be read, or holds what nothing knows.
    """
    return project_of(path).configuration


def project_of(path: Path) -> Project:
    """The project that a file or folder belongs to. Raises `UsageError` as `configuration_of` does."""
    start = path.resolve()  # without `..`, whose folder may have another project
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            return Project(folder, _read(file))
    return Project(start, Configuration.model_construct())


def _read(file: Path) -> Configuration:
    try:
        return _parsed(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    except ValidationError as error:
        raise UsageError(f"{file}: [tool.hvaedsl] {_first(error)}") from None


# What pydantic says of its own types, in the words of TOML.
_TYPES = {
    "tuple_type": 'it takes a list of codes, such as ["HV5"]',
    "string_type": 'a code stands in quotes, such as "HV5"',
    "dict_type": "it takes a table of patterns and their codes",
    "bool_type": "it takes true or false",
}


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) or '""' for part in first["loc"] if part != "[key]")
    if not key:
        return "takes keys: it is no table"
    if first["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in Configuration.model_fields.items()]
        hint = did_you_mean(key, known) or f"its keys are {listing(known, 'and')}"
        return f"has no key `{key}`: {hint}"
    return f"{key}: {_TYPES.get(first['type']) or first['msg'].removeprefix('Value error, ')}"


@lru_cache(maxsize=16)  # a project of a thousand specs asks a thousand times
def _parsed(text: str) -> Configuration:
    tools = tomllib.loads(text).get("tool")
    table = tools.get("hvaedsl") if isinstance(tools, dict) else None  # what others say of a wrong file is theirs
    return Configuration.model_construct() if table is None else Configuration.model_validate(table)

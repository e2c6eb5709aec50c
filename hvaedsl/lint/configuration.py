"""The configuration of a project: the table `[tool.hvaedsl]` of the nearest pyproject.toml."""

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
from hvaedsl.lint.selectors import selector_problem
from hvaedsl.syntax.text import is_file, real_path, reason_of


def valid_selectors(selectors: Iterable[str]) -> tuple[str, ...]:
    """Return the selectors, stripped. Raises `ValueError` for the first that selects no advice."""
    found = tuple(item.strip() for item in selectors)
    if problem := next(filter(None, map(selector_problem, found)), ""):
        raise ValueError(problem)
    return found


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


class Configuration(BaseModel):
    """The keys of `[tool.hvaedsl]`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    # Custom parts may be imported by commands that only compile. `plugins` is the key's former name.
    custom: StrictBool = Field(default=False, validation_alias=AliasChoices("custom", "plugins"))
    select: Selectors = ("HV",)  # advice that `lint` gives, by code or prefix
    ignore: Selectors = ()  # advice that it does not give
    per_file_ignores: Mapping[Glob, Selectors] = Field({}, alias="per-file-ignores")  # by .gitignore pattern


class Project(Record):
    """A configuration and the folder of its pyproject.toml, or the given folder if there is none."""

    folder: Path
    configuration: Configuration


def configuration_of(path: Path) -> Configuration:
    """Return the configuration of the project of a file or folder, or the defaults.

    Raises `UsageError` for a table that cannot be read or has an unknown key or invalid value.
    """
    return project_of(path).configuration


def project_of(path: Path) -> Project:
    """Return the project of a file or folder. Raises `UsageError` as `configuration_of` does."""
    start = real_path(path)  # resolved, because the parents of `a/..` are not those of the folder it names
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if is_file(file):
            return Project(folder, _read(file))
    return Project(start, Configuration.model_construct())


def _read(file: Path) -> Configuration:
    try:
        return _parsed(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {reason_of(error)}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    except ValidationError as error:
        raise UsageError(f"{file}: [tool.hvaedsl] {_first(error)}") from None


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
        known = [field.alias or name for name, field in Configuration.model_fields.items()]
        hint = did_you_mean(key, known) or f"its keys are {listing(known, 'and')}"
        return f"has no key `{key}`: {hint}"
    return f"{key}: {_TYPES.get(first['type']) or first['msg'].removeprefix('Value error, ')}"


@lru_cache(maxsize=16)  # called for every spec of a project
def _parsed(text: str) -> Configuration:
    tools = tomllib.loads(text).get("tool")
    table = tools.get("hvaedsl") if isinstance(tools, dict) else None  # other tools report their own tables
    return Configuration.model_construct() if table is None else Configuration.model_validate(table)

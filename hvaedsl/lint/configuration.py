"""The configuration of a project: the table `[tool.hvaedsl]` of the nearest pyproject.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import field
from functools import lru_cache
from pathlib import Path

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


class Configuration(Record):
    """The values of the keys of `[tool.hvaedsl]`."""

    custom: bool = False  # custom parts may be imported by commands that only compile
    select: tuple[str, ...] = ("HV",)  # advice that `lint` gives, by code or prefix
    ignore: tuple[str, ...] = ()  # advice that it does not give
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by .gitignore pattern


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
    return Project(start, Configuration())


def _read(file: Path) -> Configuration:
    try:
        table = _table(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {reason_of(error)}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    if table is None:
        return Configuration()

    from hvaedsl.lint.configuration_table import configuration_in

    try:
        return configuration_in(table)
    except ValueError as error:
        raise UsageError(f"{file}: [tool.hvaedsl] {error}") from None


@lru_cache(maxsize=16)  # called for every folder of a project
def _table(text: str) -> object | None:
    tools = tomllib.loads(text).get("tool")
    return tools.get("hvaedsl") if isinstance(tools, dict) else None  # other tools report their own tables

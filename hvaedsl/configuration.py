"""What a project says of hvaedsl: the table `[tool.hvaedsl]` of the nearest pyproject.toml."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from hvaedsl.errors import UsageError


class Configuration(BaseModel):
    """The keys of `[tool.hvaedsl]`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    plugins: bool = False  # one's own parts may be imported by commands that only compile


def configuration_of(path: Path) -> Configuration:
    """The configuration of the project that a file or folder belongs to; the defaults where there is none.

    Raises `UsageError` for a table that cannot be read, or holds what nothing knows.
    """
    start = path.absolute()
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            return _read(file)
    return Configuration.model_construct()


def _read(file: Path) -> Configuration:
    try:
        return _parsed(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise UsageError(f"{file}: [tool.hvaedsl] {key}: {first['msg']}") from None


@lru_cache(maxsize=16)  # a project of a thousand specs asks a thousand times
def _parsed(text: str) -> Configuration:
    table = tomllib.loads(text).get("tool", {}).get("hvaedsl", {})
    return Configuration.model_validate(table) if table else Configuration.model_construct()

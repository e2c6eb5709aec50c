"""The grammars and specs that are shipped with the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from hvaedsl.diagnostics.errors import CompilerBug


@cache
def shipped(kind: Literal["grammars", "specs"]) -> Path:
    """The folder `kind`: inside the installed package, or at the top of a checkout (editable installs)."""
    package = Path(__file__).resolve().parent
    for folder in (package / kind, package.parent / kind):
        if folder.is_dir():
            return folder
    raise CompilerBug(f"this installation has no {kind} folder")


def spec_names() -> list[str]:
    """The names of the shipped specs, such as `cifar` and `ablations/pooling_strided`."""
    folder = shipped("specs")
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.hvae"))

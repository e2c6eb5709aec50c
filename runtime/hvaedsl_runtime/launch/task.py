"""A training run, described for another process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

import hvaedsl
from hvaedsl.program import CustomParts, Program
from hvaedsl_runtime.train.settings import RunSettings


class RunTask(BaseModel):
    """A training run for another process: the resolved spec as text, the model's name, and the settings.

    `folders` are searched for the modules of custom parts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    spec: str
    settings: RunSettings
    folders: tuple[Path, ...] = ()

    @classmethod
    def of(cls, program: Program, settings: RunSettings) -> Self:
        """Describe the training of a program; its custom parts may be in the working directory too."""
        return cls(
            name=program.name,
            spec=program.resolved_text(),
            settings=settings,
            folders=(*program.folders, Path.cwd()),
        )

    def program(self) -> Program:
        """Compile the spec. Raises SpecError."""
        return hvaedsl.loads(self.spec, path=f"{self.name}.hvae", custom=CustomParts(self.folders))


def running_module(name: str) -> tuple[str, ...]:
    """The arguments of Python that run a module in a process with this one's search path.

    `python -m` puts the working directory first, where a file may hide a package that this process has imported; if
    the directory is last here (`hvaedsl.__main__`), it is there too.
    """
    here = Path.cwd()
    places = [at for at, entry in enumerate(sys.path) if Path(entry).absolute() == here]
    if not places:
        return ("-P", "-m", name)
    if places[0] < len(sys.path) - 1:
        return ("-m", name)
    run = f"runpy.run_module({name!r}, run_name='__main__', alter_sys=True)"
    return ("-P", "-c", f"import runpy, sys; sys.path.append({str(here)!r}); {run}")

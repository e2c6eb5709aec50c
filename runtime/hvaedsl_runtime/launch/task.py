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

    `python -m` puts the working directory first, where a file may hide a package that this process has imported.
    """
    here = Path.cwd()
    has_it = any(Path(entry).absolute() == here for entry in sys.path)
    return (*(() if has_it else ("-P",)), "-m", name)

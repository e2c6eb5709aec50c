"""Importing one's own cells, likelihoods and data sets. Nothing here is run unless the caller allows it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from hvaedsl.diagnostics.record import Record


class CustomParts(Record):
    """Leave to import and try what a spec names of one's own: cells, likelihoods, data sets.

    Modules are looked for beside the spec and its bases, in `folders`, in the working directory, and where Python
    looks.
    """

    folders: tuple[Path, ...] = ()


class CustomPartError(Exception):
    """A part that cannot be imported or used: `problem`, what stands beside the reference, and the way out."""

    def __init__(self, problem: str, reason: str, hint: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.reason = reason
        self.hint = hint


def import_custom(reference: str, folders: Sequence[Path] = ()) -> object:
    """The object `Name` of `package.module`. Raises `CustomPartError` where there is none, or where importing it fails.

    The module is looked for in `folders`, in the working directory, and where Python looks; without folders, one that
    has been imported before is taken. What it prints goes to
    standard error, so that a command's own output stays what it is.
    """
    module_name, _, name = reference.partition(":")
    places = [str(folder.resolve()) for folder in folders]
    with _also_in([*places, str(Path.cwd())]), redirect_stdout(sys.stderr):
        if folders:
            _check_not_another(module_name.partition(".")[0])
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
                looked = ", ".join(dict.fromkeys([*places, str(Path.cwd())]))
                raise CustomPartError(
                    f"there is no module {error.name}",
                    "not found",
                    f"looked in {looked}, and where Python looks; set PYTHONPATH to its folder",
                ) from error
            raise CustomPartError(
                f"it needs {error.name}, which is not installed", "not importable", "install it"
            ) from error
        except (Exception, SystemExit) as error:
            raise CustomPartError(f"importing it fails: {told(error)}", "not importable", "mend the module") from error
    try:
        found: object = getattr(module, name)
    except AttributeError:
        hint = f"the module is {getattr(module, '__file__', module_name)}"
        raise CustomPartError(f"{module_name} has no {name}", "not found", hint) from None
    return found


def told(error: BaseException) -> str:
    """An exception in one line: its kind, its message, and where in the part it was raised."""
    where = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        where = f" ({Path(code.co_filename).name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}{where}" if message else f"{type(error).__name__}{where}"


def _check_not_another(package: str) -> None:
    """Raise `CustomPartError` if another module of this name was imported before: Python would return that one."""
    imported = getattr(sys.modules.get(package), "__spec__", None)
    here = PathFinder.find_spec(package)
    if imported is not None and here is not None and _places(imported) != _places(here):
        raise CustomPartError(
            f"a module {package} has been imported from {', '.join(_places(imported))} before, and this one is "
            f"{', '.join(_places(here))}",
            "another module of this name",
            "give them different names, or use them in commands of their own",
        )


def _places(found: ModuleSpec) -> list[str]:
    """The file of a module; the folders of a package without one."""
    return [found.origin] if found.origin is not None else list(found.submodule_search_locations or ())


@contextmanager
def _also_in(folders: Sequence[str]) -> Iterator[None]:
    before = list(sys.path)
    sys.path[:0] = folders
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = before

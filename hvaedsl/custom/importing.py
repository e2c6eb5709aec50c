"""Import custom cells, likelihoods and datasets. Nothing is imported unless the caller allows it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from hvaedsl.diagnostics.diagnostic import did_you_mean
from hvaedsl.diagnostics.printable import joined
from hvaedsl.diagnostics.record import Record


class CustomParts(Record):
    """Permission to import and try the custom parts of a spec: cells, likelihoods, datasets.

    Modules are searched beside the spec and its bases, in `folders`, in the working directory, and on Python's path.
    """

    folders: tuple[Path, ...] = ()


class CustomPartError(Exception):
    """A part that cannot be imported or used: `problem`, `reason` (printed beside the reference), and `hint`."""

    def __init__(self, problem: str, reason: str, hint: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.reason = reason
        self.hint = hint


def import_custom(reference: str, folders: Sequence[Path] = ()) -> object:
    """Import `Name` of `package.module`. Raises `CustomPartError` if it does not exist, or if importing it fails.

    The module is searched in `folders`, in the working directory, and on Python's path; without folders, a module that
    is already imported is used. Its output goes to standard error, which keeps standard output to the command.
    """
    module_name, _, name = reference.partition(":")
    places = [str(folder.resolve()) for folder in folders]

    # The imports of the part itself see the same folders.
    with _also_in([*places, str(Path.cwd())]), redirect_stdout(sys.stderr):
        if folders:
            _check_not_another(module_name.partition(".")[0])
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
                searched = ", ".join(dict.fromkeys([*places, str(Path.cwd())]))
                raise CustomPartError(
                    f"no module named {error.name}",
                    "not found",
                    f"searched {searched} and Python's import path; add the folder of the module to PYTHONPATH",
                ) from error
            raise CustomPartError(
                f"it needs {error.name}, which is not installed", "not importable", "install it"
            ) from error
        except (Exception, SystemExit) as error:
            raise CustomPartError(
                f"importing it fails: {error_summary(error)}", "not importable", "fix the module"
            ) from error

    try:
        found: object = getattr(module, name)
    except AttributeError:
        near = did_you_mean(name, (other for other in vars(module) if not other.startswith("_")))
        hint = f"the module is {getattr(module, '__file__', module_name)}"
        hint = f"{near} {hint[0].upper()}{hint[1:]}" if near else hint
        raise CustomPartError(f"{module_name} has no {name}", "not found", hint) from None
    return found


def error_summary(error: BaseException) -> str:
    """An exception in one line: its class, its message, and the place in the part where it was raised."""
    where = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        where = f" ({Path(code.co_filename).name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    message = joined(error)
    return f"{type(error).__name__}: {message}{where}" if message else f"{type(error).__name__}{where}"


def _check_not_another(package: str) -> None:
    """Raise `CustomPartError` if another module of this name is already imported: Python would return that one."""
    imported = getattr(sys.modules.get(package), "__spec__", None)
    here = PathFinder.find_spec(package)
    if imported is not None and here is not None and _places(imported) != _places(here):
        raise CustomPartError(
            f"another module {package} is already imported, from {', '.join(_places(imported))}; this one is "
            f"{', '.join(_places(here))}",
            "another module with this name",
            "give the modules different names, or use them in separate commands",
        )


def _places(found: ModuleSpec) -> list[str]:
    """The file of a module, or the folders of a package without one."""
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

"""Packages that the user's environment breaks: a file that hides one, and settings that torch refuses."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from hvaedsl.cli.hidden_modules import WAY_OUT, hides_text, hiding
from hvaedsl.diagnostics.errors import UsageError
from hvaedsl.diagnostics.printable import indented

# How the names of the variables that torch reads begin.
TORCH_VARIABLES = ("TORCH", "PYTORCH")


def hiding_file(package: str) -> Path | None:
    """The file or folder that Python would import in place of an installed package; None if it would not.

    It is in the working directory, which PYTHONPATH may name, or in another folder that is first in `sys.path`.
    The packages of the extras are folders, so that a single file of their name is none of them, even if nothing else
    has the name.
    """
    try:
        found, here = find_spec(package), Path.cwd()
    except (ValueError, OSError):  # a module without a spec, which other code has put there; a deleted folder
        return None
    if found is None or found.origin is None or not sys.path:
        return None

    is_file = found.submodule_search_locations is None
    path = Path(found.origin) if is_file else Path(found.origin).parent
    if path.parent.absolute() not in (here, Path(sys.path[0]).absolute()):
        return None
    return path if is_file or _found_elsewhere(package, path.parent.absolute()) is not None else None


def _found_elsewhere(package: str, folder: Path) -> ModuleSpec | None:
    """The package in the other folders of `sys.path`."""
    return PathFinder.find_spec(package, [entry for entry in sys.path if Path(entry).absolute() != folder])


def check_not_hidden(packages: tuple[str, ...]) -> None:
    """Raise `UsageError` if a file hides one of these packages."""
    for package in packages:
        if (path := hiding_file(package)) is not None:
            raise hidden(package, path)


def hidden(package: str, path: Path) -> UsageError:
    """The error for a package that a file or folder hides."""
    return UsageError(hides_text(str(path), package), help=WAY_OUT)


def refused_by_environment(error: Exception) -> UsageError | None:
    """The error that tells what in the environment makes an import fail; None if there is nothing of the kind."""
    name = _module_of(error)
    if name and (path := hiding_file(name)) is not None:
        return hidden(name, path)
    at_import = isinstance(error, ImportError | AttributeError)
    if (found := hiding(error, or_imported=at_import)) is not None:
        return hidden(found[1], Path(found[0]))
    return _refused_by_torch(error)


def _module_of(error: Exception) -> str:
    """The package that an import or the use of a module has failed for; empty for other errors."""
    if isinstance(error, ImportError):
        return (error.name or "").partition(".")[0]
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        return error.obj.__name__.partition(".")[0]
    return ""


def _refused_by_torch(error: Exception) -> UsageError | None:
    """The error for a setting that torch quotes in an error of its import, or for libraries that cannot be loaded."""
    if not _is_of_import(error, "torch"):
        return None
    for name, value in os.environ.items():
        if name.startswith(TORCH_VARIABLES) and value and value in str(error):
            message = f"torch refuses the environment variable {name}: {indented(error)}"
            return UsageError(message, help=f"correct {name}, or unset it")
    is_library = isinstance(error, OSError) and error.errno is None  # ctypes says so that one cannot be loaded
    if isinstance(error, ModuleNotFoundError) or not (is_library or isinstance(error, ImportError | MemoryError)):
        return None
    return UsageError(
        f"torch cannot be loaded: {indented(error) or type(error).__name__}",
        help="raise the limit on memory (`ulimit -v`) if there is one, or install torch again",
    )


def _is_of_import(error: Exception, package: str) -> bool:
    """Whether an error was raised while a package was imported."""
    at = error.__traceback__
    while at is not None:
        frame = at.tb_frame
        if frame.f_code.co_name == "<module>" and frame.f_globals.get("__name__") == package:
            return True
        at = at.tb_next
    return False

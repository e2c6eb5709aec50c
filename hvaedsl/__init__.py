"""Declarative architectures for hierarchical VAEs: block strings become checked, counted, trained PyTorch models."""

from __future__ import annotations

from importlib import import_module

from hvaedsl.version import __version__

TYPE_CHECKING = False  # that of typing, which the command line imports where it can say what hides it
if TYPE_CHECKING:
    from hvaedsl.diagnostics.diagnostic import Diagnostic
    from hvaedsl.diagnostics.errors import SpecError
    from hvaedsl.program import CustomParts, Program, load, loads

__all__ = ["CustomParts", "Diagnostic", "Program", "SpecError", "__version__", "load", "loads"]

# Each public name is imported when it is first asked for: a command does not pay for what it does not use.
_MODULES = {
    "Diagnostic": "diagnostics.diagnostic",
    "SpecError": "diagnostics.errors",
    "CustomParts": "program",
    "Program": "program",
    "load": "program",
    "loads": "program",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"hvaedsl.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

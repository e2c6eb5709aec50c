"""Declarative architectures for hierarchical VAEs: block strings become checked, counted, trained PyTorch models."""

from hvaedsl.diagnostic import Diagnostic
from hvaedsl.errors import SpecError
from hvaedsl.program import Plugins, Program, load, loads
from hvaedsl.version import __version__

__all__ = ["Diagnostic", "Plugins", "Program", "SpecError", "__version__", "load", "loads"]

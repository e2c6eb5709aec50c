"""Declarative architectures for hierarchical VAEs: block strings become checked, counted, trained PyTorch models."""

from hvaedsl.diagnostic import Diagnostic
from hvaedsl.errors import SpecError
from hvaedsl.program import Plugins, Program, load, loads

__version__ = "0.1.0"
__all__ = ["Diagnostic", "Plugins", "Program", "SpecError", "__version__", "load", "loads"]

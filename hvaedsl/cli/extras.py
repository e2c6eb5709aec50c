"""Optional dependencies of commands."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from hvaedsl.diagnostics.errors import UsageError

TRAIN_PACKAGES = ("torch", "torchvision", "numpy", "PIL", "sklearn", "scipy", "pywt")

DRAWING_PACKAGES = ("matplotlib", "jinja2")


def require_train(command: str, *more: str) -> None:
    """Raise `UsageError` unless the packages of the extra `train` and `more` are installed. None is imported.

    Raises FileNotFoundError if the working directory does not exist: torch would end the process there.
    """
    Path.cwd()
    missing = [package for package in (*TRAIN_PACKAGES, *more) if find_spec(package) is None]
    if missing:
        raise UsageError(
            f"hvaedsl {command} needs the extra `train` ({', '.join(missing)} missing): pip install 'hvaedsl[train]'"
        )


def require_lsp() -> None:
    """Raise `UsageError` unless the packages of the extra `lsp` are installed. None is imported."""
    missing = [package for package in ("pygls", "lsprotocol") if find_spec(package) is None]
    if missing:
        raise UsageError(
            f"hvaedsl lsp needs the extra `lsp` ({', '.join(missing)} missing): pip install 'hvaedsl[lsp]'"
        )

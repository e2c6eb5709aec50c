"""Optional dependencies of commands."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from hvaedsl.cli.environment import check_not_hidden
from hvaedsl.diagnostics.errors import UsageError

TRAIN_PACKAGES = ("torch", "torchvision", "numpy", "PIL", "sklearn", "scipy", "pywt")

DRAWING_PACKAGES = ("matplotlib", "jinja2")

LSP_PACKAGES = ("pygls", "lsprotocol")


def require_train(command: str, *more: str) -> None:
    """Raise `UsageError` unless the packages of the extra `train` and `more` can be imported. None is imported.

    Raises FileNotFoundError if the working directory does not exist: torch would end the process there.
    """
    Path.cwd()
    _require(command, "train", (*TRAIN_PACKAGES, *more))


def require_lsp() -> None:
    """Raise `UsageError` unless the packages of the extra `lsp` can be imported. None is imported."""
    _require("lsp", "lsp", LSP_PACKAGES)


def _require(command: str, extra: str, packages: tuple[str, ...]) -> None:
    """Raise `UsageError` if packages are not installed, or if a file hides one."""
    check_not_hidden(packages)
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise UsageError(
            f"hvaedsl {command} needs the extra `{extra}` ({', '.join(missing)} missing): "
            f"pip install 'hvaedsl[{extra}]'"
        )

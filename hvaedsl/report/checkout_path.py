"""Paths as code hosts need them: relative to the root of the checkout, whichever folder a command runs in."""

from __future__ import annotations

import os
from pathlib import Path

from hvaedsl.diagnostics.span import Source


def path_from(root: Path | None, source: Source) -> str:
    """Return the path of a file below `root`, a resolved folder; a text outside of it, or without a file, has its name.

    Links are followed, because git has no files behind a link to a folder.
    """
    if root is None or source.path is None:
        return source.name
    real = Path(os.path.realpath(source.path))
    return real.relative_to(root).as_posix() if real.is_relative_to(root) else source.name

"""The folder that code hosts show: the root of the checkout that a command runs in."""

from __future__ import annotations

import os
from pathlib import Path

from hvaedsl.syntax.text import exists, real_path


def repository_root(folder: Path) -> Path | None:
    """Return the nearest folder, from `folder` upwards, with `.git`; None if there is none."""
    absolute = real_path(folder)
    return next((item for item in (absolute, *absolute.parents) if exists(item / ".git")), None)


def checkout_root() -> Path | None:
    """Return the checkout of GitHub Actions if the working directory is in it, or else the root of its repository."""
    here, workspace = real_path(Path.cwd()), os.environ.get("GITHUB_WORKSPACE")
    root = real_path(Path(workspace)) if workspace else None
    return root if root is not None and here.is_relative_to(root) else repository_root(here)

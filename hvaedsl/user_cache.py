"""The folder for what can be made or downloaded again, in the home folder of the user."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def user_cache() -> Path | None:
    """Return the user's cache folder, which may not exist yet; None for a user whose home folder is unknown.

    In a container, a user may have neither HOME nor an entry in the password database. XDG_CACHE_HOME is used all the
    same.
    """
    try:
        folder = _linux_cache() if _is_linux() else _platform_cache()
    except RuntimeError:
        return None
    # An unknown home folder is ~ as it is, also of platformdirs before version 4.5: a folder of that name.
    return folder if folder.is_absolute() else None


def _is_linux() -> bool:
    return sys.platform == "linux" and "ANDROID_DATA" not in os.environ


def _linux_cache() -> Path:
    """The folder of platformdirs on Linux, whose import takes 3 ms. The standard ignores relative paths."""
    stated = Path(os.environ.get("XDG_CACHE_HOME", "").strip())
    return (stated if stated.is_absolute() else Path(os.path.expanduser("~/.cache"))) / "hvaedsl"  # noqa: PTH111 - keeps ~


def _platform_cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("hvaedsl")

"""The folder for what can be made or downloaded again, in the home folder of the user."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path


def user_cache() -> Path | None:
    """Return the user's cache folder, which may not exist yet; None for a user whose home folder is unknown.

    In a container, a user may have neither HOME nor an entry in the password database. XDG_CACHE_HOME is used all the
    same.
    """
    try:
        folder = user_cache_path("hvaedsl")
    except RuntimeError:
        return None
    # Before version 4.5, platformdirs returned ~ as it is: a folder of that name in the working directory.
    return folder if folder.is_absolute() else None

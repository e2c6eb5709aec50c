"""The LALR parser of the shipped grammars. Its table is cached in a folder that only this user can write to."""

from __future__ import annotations

import os
import stat
from functools import cache
from pathlib import Path

from lark import Lark

from hvaedsl.shipped import shipped
from hvaedsl.user_cache import user_cache


@cache
def hvae_parser() -> Lark:
    """The parser of whole files (start `start`) and of single values (start `value`)."""
    return _load("hvae.lark", ("start", "value"))


def _load(name: str, starts: tuple[str, ...]) -> Lark:
    folder = private_cache()
    return Lark.open(
        str(shipped("grammars") / name),
        parser="lalr",
        lexer="basic",
        start=list(starts),
        propagate_positions=True,
        cache=str(folder / f"{name}.table") if folder else False,
    )


def private_cache() -> Path | None:
    """The user's cache folder; None if there is none, or if it is not safe to unpickle from.

    The table is then built in memory.

    Lark's cache is a pickle: anyone who can write it can run code as this user. The folder is safe if it and its
    tables belong to this user, and nobody else can write to it or rename it.
    """
    folder = user_cache()
    if folder is None:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        safe = all(map(_is_private, (folder, *folder.glob("*.table")))) and all(map(_is_guarded, folder.parents))
    except OSError:
        return None
    return folder if safe and os.access(folder, os.W_OK) else None


def _is_private(path: Path) -> bool:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return False
    if os.name != "posix":  # no ownership and mode bits there; the profile's folder is private by default
        return True
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _is_guarded(parent: Path) -> bool:
    mode = parent.stat().st_mode
    return os.name != "posix" or bool(mode & stat.S_ISVTX) or not mode & (stat.S_IWGRP | stat.S_IWOTH)

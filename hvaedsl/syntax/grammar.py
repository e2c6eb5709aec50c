"""The shipped grammar, compiled once for each version of hvaedsl, Python and Lark, and kept as a table of plain data.

The table is JSON, so reading it runs no code. It still decides what every spec means, so it is read only from a folder
that nobody else can write to. A table that is missing, damaged or of another version is compiled again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import sys
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hvaedsl.shipped import shipped
from hvaedsl.syntax.lalr import CompiledGrammar
from hvaedsl.user_cache import user_cache
from hvaedsl.version import __version__

GRAMMAR = "hvae.lark"
STARTS = ("start", "value")
MAX_TABLES = 8  # of other versions; the oldest are deleted


@cache
def hvae_parser() -> CompiledGrammar:
    """The parser of whole files (start `start`) and of single values (start `value`)."""
    folder = private_cache()
    path = None if folder is None else folder / f"grammar-{_version()}.json"
    if path is not None and (kept := _kept(path)) is not None:
        return kept

    from hvaedsl.syntax.compiled_grammar import compiled

    data = compiled(shipped("grammars") / GRAMMAR, STARTS)
    if path is not None:
        _keep(path, data)
    return CompiledGrammar(data)


def private_cache() -> Path | None:
    """The user's cache folder; None if there is none, or if another user could write the table.

    The folder is safe if it and its tables belong to this user, and nobody else can write to it or rename it.
    """
    folder = user_cache()
    if folder is None:
        return None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tables = folder.glob("grammar-*.json")
        safe = all(map(_is_private, (folder, *tables))) and all(map(_is_guarded, folder.parents))
    except OSError:
        return None
    return folder if safe and os.access(folder, os.W_OK) else None


def _version() -> str:
    """What the table depends on: hvaedsl and its grammars, Python, and Lark, which is not imported for it."""
    digest = hashlib.sha256(f"{__version__} {sys.version} {STARTS}".encode())
    lark = find_spec("lark")
    files = [*sorted(shipped("grammars").glob("*.lark")), *sorted(Path(__file__).parent.glob("*grammar.py"))]
    if lark is not None and lark.origin is not None:
        files.append(Path(lark.origin))  # its __init__.py has its version
    for file in files:
        digest.update(f"\0{file.name}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


def _kept(path: Path) -> CompiledGrammar | None:
    """The grammar of a table; None if it is missing or damaged."""
    try:
        digest, _, text = path.read_bytes().partition(b"\n")
        if digest.decode() != hashlib.sha256(text).hexdigest():
            return None
        return CompiledGrammar(json.loads(text))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, re.error):
        return None


def _keep(path: Path, data: dict[str, Any]) -> None:
    """Write a table atomically, and delete the oldest of other versions. Without space on the disk, nothing is kept."""
    text = json.dumps(data, separators=(",", ":")).encode()
    unfinished = path.with_name(f"{path.name}.{os.getpid()}-{time.monotonic_ns()}.tmp")
    with contextlib.suppress(OSError):
        try:
            unfinished.write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        tables = sorted(path.parent.glob("grammar-*.json"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
        for old in tables[MAX_TABLES:]:
            old.unlink(missing_ok=True)


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

"""Checksums of whole files, which are read a piece at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

BYTES_AT_A_TIME = 2**20


def file_sha256(path: Path, passed: Callable[[int], None] = lambda _: None) -> str:
    """The SHA-256 of a file; `passed` is called with the bytes read so far, after each piece. Raises OSError."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(BYTES_AT_A_TIME):
            digest.update(piece)
            done += len(piece)
            passed(done)
    return digest.hexdigest()

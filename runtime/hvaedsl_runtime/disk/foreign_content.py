"""What a file holds instead of the format that its name says: found from its first bytes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hvaedsl.diagnostics.shell import path_word

# A few bytes more than the longest beginning, and than the name of the format in a tar (at 257).
START = 512
TAR_NAME = slice(257, 262)
GIT_LFS = b"version https://git-lfs"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
TAR_SUFFIXES = frozenset((".tgz", ".tbz", ".tbz2", ".txz", ".tzst"))
COMPRESSED = {
    b"\x1f\x8b": ("gzip", "gunzip"),
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zXZ\x00": ("xz", "unxz"),
    b"(\xb5/\xfd": ("zstd", "unzstd"),
    b"7z\xbc\xaf'\x1c": ("7z", "7z x"),
    b"Rar!\x1a\x07": ("RAR", "unrar x"),
}


class Foreign(NamedTuple):
    """What a file is, as the end of a sentence that begins with its name, and the way out."""

    what: str
    help: str


def start_of(path: Path) -> bytes:
    """Read the first bytes of a file. Raises OSError."""
    with path.open("rb") as file:
        return file.read(START)


def foreign_content(start: bytes) -> Foreign | None:
    """Recognize the content of a file that was never fetched: nothing, a Git LFS pointer, or a web page."""
    if not start:
        return Foreign("it is empty", "download or copy it again")
    if start.startswith(GIT_LFS):
        return Foreign(
            "it is a Git LFS pointer, a small text in place of the file", "run `git lfs pull` in its repository"
        )
    if start.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] == b"<":
        return Foreign(
            "it is a web page or other markup",
            "download the file itself: the address led to a page, perhaps one that asks for a login or a confirmation",
        )
    return None


def packed_content(path: Path, start: bytes) -> Foreign | None:
    """Recognize an archive or compressed data; the way out is the command that unpacks it."""
    name = path_word(path)
    if start.startswith(ZIP):
        folder = path_word(path.with_suffix(""))
        return Foreign("it is a zip archive", f"unpack it with `unzip {name} -d {folder}`")
    if start[TAR_NAME] == b"ustar":
        return Foreign("it is a tar archive", f"unpack it with `tar -xf {name}`")
    for signature, (format_name, command) in COMPRESSED.items():
        if start.startswith(signature):
            is_tar = ".tar" in path.suffixes or path.suffix in TAR_SUFFIXES
            what = f"it is {'a tar archive' if is_tar else 'a file'} compressed with {format_name}"
            return Foreign(what, f"unpack it with `{'tar -xf' if is_tar else command} {name}`")
    return None

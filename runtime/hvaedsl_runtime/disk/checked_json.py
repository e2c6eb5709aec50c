"""JSON objects that carry their own checksum, so that no flipped bit in them is read as a value.

The checksum is the last member, and covers every byte before it: `sha256` in files of a run folder, `crc32` in lines of
its log. Objects that earlier versions wrote have none, and are read as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from hvaedsl.diagnostics.errors import DamagedRun
from hvaedsl_runtime.disk.strict_json import json_text
from hvaedsl_runtime.disk.whole_files import write_whole

Model = TypeVar("Model", bound=BaseModel)


class Checksum(NamedTuple):
    """The name of a checksum in an object, the number of its hexadecimal digits, and its function."""

    key: str
    digits: int
    of: Callable[[bytes], str]


SHA256 = Checksum("sha256", 64, lambda content: hashlib.sha256(content).hexdigest())
CRC32 = Checksum("crc32", 8, lambda content: f"{zlib.crc32(content):08x}")


def checked_text(content: Mapping[str, Any], checksum: Checksum = SHA256, *, indent: int | None = None) -> str:
    """An object with at least one member as JSON, with its checksum as the last one; NaN and infinity become null."""
    end = "}" if indent is None else "\n}"
    body = json_text(content, indent=indent).removesuffix(end)
    separator = ", " if indent is None else f",\n{' ' * indent}"
    return f'{body}{separator}"{checksum.key}": "{checksum.of(body.encode())}"{end}'


def checked_content(text: bytes, checksum: Checksum = SHA256, *, required: bool = False) -> dict[str, Any]:
    """The object in a text of `checked_text`, without its checksum, or in one of an earlier version.

    Raises ValueError with the reason if it is not JSON, not an object, or does not agree with its checksum; with
    `required`, also if it has none.
    """
    try:
        content = json.loads(text)
    except UnicodeDecodeError as error:
        raise ValueError("it is not text in UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")

    if checksum.key not in content:
        # A flipped bit in the name of the checksum leaves its digits, which no other member of a file is.
        last = next(reversed(content.values()), None)
        if required or (isinstance(last, str) and re.fullmatch(f"[0-9a-f]{{{checksum.digits}}}", last)):
            raise ValueError(f"its checksum, `{checksum.key}`, is missing")
        return content

    # The checksum is that of the bytes, so that it covers spaces and the spelling of numbers too.
    pattern = rf',\s*"{checksum.key}": "([0-9a-f]{{{checksum.digits}}})"\n?\}}'.encode()
    found = re.search(pattern + rb"\Z", text)
    if found is None or checksum.of(text[: found.start()]) != found[1].decode():
        raise ValueError("its content does not agree with its checksum: it is damaged, or was edited")
    del content[checksum.key]
    return content


def write_checked(path: Path, content: Mapping[str, Any]) -> None:
    """Write an object with its checksum, whole or not at all. Raises WriteError."""
    write_whole(path, checked_text(content, indent=2) + "\n")


def read_checked(path: Path, way_out: str, *, required: bool = False) -> dict[str, Any]:
    """Read an object that `write_checked` or an earlier version wrote.

    Raises DamagedRun, with the reason and the way out, if it cannot be read or does not agree with its checksum.
    """
    try:
        text = path.read_bytes()
        content = checked_content(text.removesuffix(b"\n"), required=required)
        if b'"sha256"' in text and not text.endswith(b"\n"):
            raise ValueError("it is truncated")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DamagedRun(f"{path}: cannot be read: {reason}", help=way_out) from error
    return content


def write_checked_model(path: Path, model: BaseModel) -> None:
    """Write a model of pydantic with a checksum, whole or not at all. Raises WriteError."""
    write_checked(path, model.model_dump(mode="json"))


def checked_model(kind: type[Model], path: Path) -> Model:
    """The model in a file of `write_checked_model`. Raises OSError or ValueError (or ValidationError) without one."""
    return kind.model_validate(checked_content(path.read_bytes().removesuffix(b"\n")))

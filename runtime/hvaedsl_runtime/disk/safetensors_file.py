"""Opening a safetensors file under any name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors

from hvaedsl.diagnostics.printable import is_unicode


@contextmanager
def opened_safetensors(path: Path) -> Iterator[Any]:
    """The file, as the library opens it. Raises OSError or SafetensorError.

    The library refuses names that are not UTF-8; a descriptor has a name that is.
    """
    with path.open("rb") as file:
        name = path if is_unicode(str(path)) else f"/dev/fd/{file.fileno()}"
        with safetensors.safe_open(name, framework="pt") as found:
            yield found

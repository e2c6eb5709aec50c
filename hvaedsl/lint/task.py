"""The task that `processes.py` shares: to compile specs, and to pass their results on."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence

from hvaedsl.diagnostics.span import Source
from hvaedsl.lint.cache import LintResult


class Compiling:
    """Compiles the specs of the sources. Their texts do not travel between processes: the caller has them."""

    def __init__(self, sources: Sequence[Source], compiled: Callable[[int], LintResult]) -> None:
        self._sources = sources
        self._compiled = compiled

    def work(self, number: int) -> LintResult:
        """Return the result for a spec."""
        return self._compiled(number)

    def dump(self, found: dict[int, LintResult]) -> bytes:
        """Return the results as bytes."""
        file = io.BytesIO()
        _Pickler(file, {id(source): at for at, source in enumerate(self._sources)}).dump(found)
        return file.getvalue()

    def load(self, data: bytes) -> dict[int, LintResult]:
        """Return what was dumped, with the sources of this process. Raises any exception for incomplete data."""
        found: dict[int, LintResult] = _Unpickler(io.BytesIO(data), self._sources).load()
        return found


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, numbers: dict[int, int]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._numbers = numbers

    def persistent_id(self, item: object) -> int | None:
        """The number of a source that the caller has."""
        return self._numbers.get(id(item)) if type(item) is Source else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, sources: Sequence[Source]) -> None:
        super().__init__(file)
        self._sources = sources

    def persistent_load(self, number: int) -> Source:
        """The source of a number."""
        return self._sources[number]

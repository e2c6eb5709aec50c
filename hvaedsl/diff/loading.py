"""From what the command line names, a file or `git:REV:PATH`, to a program or its diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hvaedsl.diagnostics.diagnostic import Diagnostic
from hvaedsl.diagnostics.errors import SpecError
from hvaedsl.diagnostics.span import Source
from hvaedsl.diff.revision import PREFIX, checked_out
from hvaedsl.program import Compilation, CustomParts, Overrides, Program, compile_source, source_of
from hvaedsl.syntax.text import read_source


@dataclass(frozen=True)
class Loaded:
    """One side: its program, or what is wrong with it."""

    label: str
    program: Program | None
    diagnostics: Sequence[Diagnostic] = ()


def load_side(
    place: str, *, sets: Overrides | None = None, lets: Overrides | None = None, custom: CustomParts | None = None
) -> Loaded:
    """Compile a spec file, a shipped spec, or a spec of a revision. Raises `UsageError` where there is none."""

    def compiled(source: Source, custom: CustomParts | None = custom) -> Compilation:
        return compile_source(source, sets=sets, lets=lets, custom=custom)

    if not place.startswith(PREFIX):
        return _loaded(place, lambda: compiled(source_of(place)))
    with checked_out(place) as revision:
        if custom is not None:
            custom = CustomParts((revision.beside, *custom.folders))
        side = _loaded(place, lambda: compiled(read_source(revision.path), custom))
        return Loaded(place, side.program, revision.named(side.diagnostics))


def _loaded(place: str, compiled: Callable[[], Compilation]) -> Loaded:
    try:
        found = compiled()
    except SpecError as error:  # too large, or no text
        return Loaded(place, None, error.diagnostics)
    return Loaded(place, found.program, found.diagnostics if found.program is None else ())
